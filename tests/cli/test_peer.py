"""The peer of `bench`: the right module, or chain of modules, on the same inputs."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from amt_export.cli.peer import peer_call
from amt_export.manifest import Manifest, Port

CALLS: list[tuple[str, dict, list[tuple[int, ...]]]] = []


def part(name: str, answers):
    """A class of torch_amt: it takes `fs` and `size`, and says how it was called."""

    class Part(nn.Module):
        def __init__(self, fs: int = 32000, size: int = 0) -> None:
            super().__init__()
            self.given = {"fs": fs, "size": size}

        def forward(self, *inputs: torch.Tensor):
            assert torch.is_inference_mode_enabled()
            CALLS.append((name, self.given, [tuple(x.shape) for x in inputs]))
            return answers(*inputs)

    return Part


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """torch_amt as far as it matters here."""
    peer = ModuleType("torch_amt")
    peer.MultiResolutionFFT = part("multi", lambda x: (torch.ones(1, 3, 9), torch.arange(9.0)))
    peer.ERBIntegration = part("erb", lambda psd, freqs: psd[..., :5] + freqs[-1])
    peer.ExcitationPattern = part("pattern", lambda levels: levels)
    peer.Moore2016Spectrum = part("spectrum", lambda x: tuple(torch.ones(1, 4, 7) for _ in "abcd"))
    peer.Moore2016ExcitationPattern = part("excitation", lambda f, _: f)
    monkeypatch.setitem(sys.modules, "torch_amt", peer)
    CALLS.clear()


def manifest(module: str, ports: dict[str, tuple[int, ...]], **parameters) -> Manifest:
    return Manifest(
        name="m",
        module=module,
        description="",
        parameters=parameters,
        sampling_rate=32000.0,
        centre_frequencies=(),
        warm_up=0,
        hop=1,
        frame_length=1,
        inputs=tuple(Port(n, ("x",) * len(s), "", shape=s) for n, s in ports.items()),
        outputs=(),
        versions={},
    )


def called(module: str, ports: dict[str, tuple[int, ...]], **parameters):
    of = manifest(module, ports, **parameters)
    call = peer_call(of, {name: np.zeros(shape, np.float32) for name, shape in ports.items()})
    call()
    return CALLS


def test_glasberg_is_the_chain_of_three():
    calls = called(
        "Glasberg2002FrontEnd",
        {"audio": (1, 4000)},
        fs=32000,
        erb_kwargs={"size": 7, "unknown": 1},
    )
    assert calls == [
        ("multi", {"fs": 32000, "size": 0}, [(1, 4000)]),
        ("erb", {"fs": 32000, "size": 7}, [(1, 3, 9), (9,)]),
        ("pattern", {"fs": 32000, "size": 0}, [(1, 3, 5)]),
    ]


def test_moore_is_a_spectrum_and_the_excitation_of_both_ears():
    calls = called("Moore2016FrontEnd", {"audio": (1, 2, 4000)}, spectrum_kwargs={"size": 3})
    assert calls == [
        ("spectrum", {"fs": 32000, "size": 3}, [(1, 2, 4000)]),
        ("excitation", {"fs": 32000, "size": 0}, [(4, 7), (4, 7)]),
        ("excitation", {"fs": 32000, "size": 0}, [(4, 7), (4, 7)]),
    ]


def test_frames_of_a_batch_are_rows_for_the_excitation():
    calls = called("Moore2016ExcitationPattern", {"freqs": (2, 4, 7), "levels": (2, 4, 7)})
    assert calls[0][2] == [(8, 7), (8, 7)]


def test_a_spectrum_brings_its_frequencies():
    calls = called("ERBIntegration", {"psd": (1, 3, 9)}, fs=32000)
    assert calls[0][2] == [(1, 3, 9), (9,)]


def test_other_modules_are_called_as_they_are_and_unknown_ones_not():
    assert called("ExcitationPattern", {"levels": (1, 3, 5)})[0][2] == [(1, 3, 5)]
    assert peer_call(manifest("Nothing", {}), {}) is None


def test_the_peer_computes_in_the_same_precision(monkeypatch):
    """Its DRNL would be float64, which takes forty times as long."""
    made = []

    class FastDRNLFilterbank(torch.nn.Module):
        def __init__(self, *args, **kwargs):
            super().__init__()
            made.append((args, kwargs))

        def forward(self, audio):
            return audio

    monkeypatch.setattr(
        sys.modules["torch_amt"], "FastDRNLFilterbank", FastDRNLFilterbank, raising=False
    )
    called("DRNLFilterbank", {"audio": (1, 4)}, fc_range=[250.0, 8000.0], fs=44100)
    assert made == [((), {"fc": (250.0, 8000.0), "fs": 44100, "dtype": torch.float32})]
