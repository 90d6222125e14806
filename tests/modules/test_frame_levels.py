"""Levels per frame behind a filterbank."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from amt_export import runtime
from amt_export.modules import (
    CASPFrontEnd,
    DRNLFilterbank,
    FrameLevels,
    GammatoneFilterbank,
    Moore2016Spectrum,
    OuterEarFilter,
)
from amt_export.modules.forms import StreamForm
from support.filters import noise

FS = 16000


def bank(**more) -> GammatoneFilterbank:
    return GammatoneFilterbank((300.0, 4000.0), FS, **more)


def test_a_tone_has_its_level():
    centre = torch.tensor([1000.0])
    module = FrameLevels(GammatoneFilterbank(centre, FS), 160)
    tone = math.sqrt(2.0) * torch.sin(2.0 * math.pi * 1000.0 / FS * torch.arange(FS))
    levels = module(2e-5 * 10.0 ** (65.0 / 20.0) * tone[None])
    assert levels.shape == (1, 1, 100)
    np.testing.assert_allclose(levels[0, 0, 20:].numpy(), 65.0, atol=0.05)
    twice = module(2.0 * 2e-5 * 10.0 ** (65.0 / 20.0) * tone[None])
    np.testing.assert_allclose((twice - levels).numpy(), 20.0 * math.log10(2.0), atol=1e-4)


@pytest.mark.parametrize("make", [bank, lambda: CASPFrontEnd((300.0, 4000.0), FS, 5)])
@pytest.mark.parametrize("samples", [160, 1000, 1600])
def test_it_is_what_numpy_says_of_the_samples(make, samples):
    filterbank = make()
    audio = 0.1 * noise(2, samples, dtype=torch.float32)
    subbands = filterbank(audio).numpy()
    found = FrameLevels(filterbank, 160)(audio).numpy()
    ref = 2e-5 if filterbank.output_ports[0].unit == "Pa" else 1.0
    assert found.shape == (2, subbands.shape[1], samples // 160)
    np.testing.assert_allclose(found, runtime.frame_levels(subbands, 160, ref), rtol=0, atol=1e-4)
    np.testing.assert_allclose(FrameLevels(filterbank, 160)(audio[0]), found[0], rtol=0, atol=2e-4)


def test_silence_is_the_floor():
    silence = torch.zeros(1, 500)
    drnl = DRNLFilterbank((300.0, 4000.0), FS, 3, dtype=torch.float32)
    for filterbank, floor in ((bank(), -60.0), (drnl, -200.0)):
        np.testing.assert_allclose(FrameLevels(filterbank, 100)(silence), floor, atol=1e-4)


def test_what_is_not_finite_shows():
    audio = noise(2, 800, dtype=torch.float32)
    module = FrameLevels(bank(), 100)
    clean = module(audio)
    for value in (math.nan, math.inf):
        audio[1, 350] = value
        nonfinite = module(audio)
        assert torch.equal(nonfinite[0], clean[0])
        assert not torch.isfinite(nonfinite[1, :, 3:]).any()


def test_what_is_known_of_it():
    module = FrameLevels(bank(), 160)
    assert module.fs == FS
    assert (module.hop(), module.frame_length()) == (160, 160)
    assert (module.look_ahead(), module.latency(), module.lead_frames()) == (159, 159, 0)
    assert module.warm_up() == module.filterbank.warm_up()
    assert module.centre_frequencies() == module.filterbank.centre_frequencies()
    (port,) = module.output_ports
    assert (port.name, port.axes, port.unit) == (
        "levels",
        ("batch", "channel", "frame"),
        "dB SPL",
    )
    assert (port.kind, port.floor) == ("db", -60.0)
    (port,) = FrameLevels(DRNLFilterbank((300.0, 4000.0), FS, 3), 160).output_ports
    assert (port.unit, port.floor) == ("dB re 1 m/s", -200.0)
    assert "hop=160" in repr(module)


@pytest.mark.parametrize("block", [160, 320, 800])
@pytest.mark.parametrize("make", [bank, lambda: CASPFrontEnd((300.0, 4000.0), FS, 5)])
def test_a_stream_is_the_whole(make, block):
    module = FrameLevels(make(), 160)
    audio = 0.05 * noise(1, 2400, dtype=torch.float32)
    (found,) = StreamForm(module, block, (1, FS)).run(audio)
    np.testing.assert_allclose(found.numpy(), module(audio).numpy(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("hop", "block", "near"),
    [(160, 512, "480 or 640$"), (160, 100, "160$"), (97, 128, "97 or 194$"), (331, 331, "10592$")],
)
def test_another_block_is_refused_with_blocks_that_do(hop, block, near):
    module = FrameLevels(bank(), hop)
    with pytest.raises(ValueError, match=f"multiple of the hop of .levels., {hop}, .*{near}"):
        module.freeze(stream=block)
    for fits in near.rstrip("$").split(" or "):
        module.freeze(stream=int(fits))


@pytest.mark.parametrize("learnable", [False, True])
def test_it_can_be_scripted_and_cast(learnable):
    module = FrameLevels(bank(learnable=learnable), 100)
    audio = noise(2, 450, dtype=torch.float32)
    torch.testing.assert_close(torch.jit.script(module)(audio), module(audio), rtol=0, atol=1e-3)
    assert module.double()(audio).dtype == torch.float64
    assert module.learnable is learnable


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrameLevels(Moore2016Spectrum(), 160), "Moore2016Spectrum gives no subbands"),
        (lambda: FrameLevels(OuterEarFilter(FS), 160), "OuterEarFilter gives no subbands"),
        (lambda: FrameLevels(FrameLevels(bank(), 160), 10), "FrameLevels gives no subbands"),
        (lambda: FrameLevels(bank(), 0), "hop is 0"),
        (lambda: FrameLevels(bank(), 160)(torch.zeros(1, 159)), "159 samples; a frame has 160"),
    ],
)
def test_what_has_no_levels_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
