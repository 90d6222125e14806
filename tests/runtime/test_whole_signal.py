"""Audio of any length, in windows or blocks, is one run of the module over the whole signal, ends included."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.manifest import Manifest, StateInfo, StreamInfo
from amt_export.modules import (
    DRNLFilterbank,
    FastDRNLFilterbank,
    GammatoneFilterbank,
    Glasberg2002FrontEnd,
    Moore2016Spectrum,
    MultiResolutionFFT,
    Paulick2024,
)
from amt_export.modules.forms import StreamForm
from amt_export.runtime import Model, Stream
from amt_export.runtime.axes import time_axis

FC = torch.tensor([1000.0, 4000.0])
SMALL = {"window_lengths": [256, 128, 64, 32, 16], "fs": 32000}
CASES = {
    "gammatone": (lambda: GammatoneFilterbank(FC, 16000), 2000, 64),
    "drnl": (lambda: DRNLFilterbank(FC, 16000, 2, dtype=torch.float32), 2500, 64),
    "fast_drnl": (lambda: FastDRNLFilterbank(FC, 16000, 2, ir_length=500), 2500, 64),
    "moore": (Moore2016Spectrum, 2600, 32),
    "multires": (lambda: MultiResolutionFFT(**SMALL), 1000, 128),
    "multires, many hops a block": (lambda: MultiResolutionFFT(**SMALL), 1100, 384),
    "multires, quarter hops": (lambda: MultiResolutionFFT(hop_fraction=0.25, **SMALL), 1000, 64),
    "glasberg": (lambda: Glasberg2002FrontEnd(multi_fft_kwargs=SMALL), 1000, 128),
    "paulick": (lambda: Paulick2024(16000, FC), 1600, 64),
}


class Whole:
    """A backend of one length: eager torch."""

    def __init__(self, module):
        self.module, self.names = module, [port.name for port in module.output_ports]

    @torch.no_grad()
    def run(self, inputs):
        answer = self.module(*map(torch.from_numpy, inputs.values()))
        tensors = answer if isinstance(answer, tuple) else (answer,)
        return {n: t.numpy() for n, t in zip(self.names, tensors, strict=False)}


class Blocks:
    """A backend of one block: the streaming form in eager torch."""

    def __init__(self, form):
        self.form = form

    @torch.no_grad()
    def run(self, inputs):
        arrays = [torch.from_numpy(np.array(inputs[name])) for name in self.form.input_names]
        answer = self.form(*arrays)
        return {n: t.numpy() for n, t in zip(self.form.output_names, answer, strict=True)}


def described(module, length, block):
    """A model as `publish` describes it, run by eager torch."""
    port = module.input_ports[0]
    ears = (2,) if "ear" in port.axes else ()

    def ports(answer):
        named = [port for port in module.output_ports if port.name in answer]
        return tuple(replace(port, shape=answer[port.name].shape) for port in named)

    whole = Whole(module)
    audio = np.zeros((1, *ears, length), np.float32)
    form = StreamForm(module, block, (1, *ears, length))
    blocks = Blocks(form)
    silence = {n: t.numpy() for n, t in zip(form.input_names, form.silence(), strict=True)}
    info = StreamInfo(
        block=block,
        latency=module.latency(),
        states=tuple(
            StateInfo(n, f"next_{n}", tuple(silence[n].shape), m)
            for n, m in zip(form.input_names[1:], form.meanings, strict=True)
        ),
        skip=module.lead_frames(),
        inputs=(replace(port, shape=(1, *ears, block)),),
        outputs=ports(blocks.run(silence)),
    )
    manifest = Manifest(
        name="eager",
        module=type(module).__name__,
        description="",
        parameters={},
        sampling_rate=float(module.fs),
        centre_frequencies=(),
        warm_up=module.warm_up(),
        look_ahead=module.look_ahead(),
        padding=module.padding(),
        hop=module.hop(),
        frame_length=module.frame_length(),
        inputs=(replace(port, shape=audio.shape),),
        outputs=ports(whole.run({"audio": audio})),
        stream=info,
        versions={},
    )
    return Model(manifest, whole, lambda: blocks), module


@pytest.fixture(scope="module", params=CASES)
def model(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # responses that ring on
        make, length, block = CASES[request.param]
        return described(make().eval(), length, block)


def signal(ears, samples, seed):
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 32000
    mixed = np.sin(2 * np.pi * 3000 * time) + 0.3 * rng.standard_normal((*ears, samples))
    return (0.02 * mixed).astype(np.float32)


def same(found, expected, manifest):
    for port in manifest.outputs:
        a, b = found[port.name], expected[port.name]
        assert a.shape == b.shape, port.name
        if port.kind == "relative":
            peak = max(1e-30, np.abs(b).max(), port.steady or 0.0)
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * peak)
        elif port.components is None:
            np.testing.assert_allclose(a, b, atol=0.01)
        else:  # a component at the threshold may come or go
            assert np.mean(np.abs(a - b) > 0.01) < 0.01


def eager(module, audio):
    return {
        n: v[0] if v.ndim > 1 else v for n, v in Whole(module).run({"audio": audio[None]}).items()
    }


@settings(deadline=None, max_examples=15)
@given(share=st.floats(0, 1), seed=st.integers(0, 9))
def test_windows_are_the_whole_signal(model, share, seed):
    model, module = model
    port = model.inputs[0]
    shortest = max(module.frame_length(), module.look_ahead() + 1, 1)
    samples = shortest + round(share * 2.5 * port.shape[-1])
    audio = signal(port.shape[1:-1], samples, seed)
    same(model.process(audio), eager(module, audio), model.manifest)


@settings(deadline=None, max_examples=15)
@given(share=st.floats(0, 1), seed=st.integers(0, 9), pieces=st.integers(1, 9))
def test_blocks_are_the_whole_signal(model, share, seed, pieces):
    model, module = model
    shortest = max(module.frame_length(), module.look_ahead() + 1, 1)
    samples = shortest + round(share * 1500)
    audio = signal(model.inputs[0].shape[1:-1], samples, seed)
    stream = model.stream()
    answers = [stream.push(part) for part in np.array_split(audio, pieces, axis=-1)]
    answers.append(stream.flush())
    joined = {
        port.name: answers[0][port.name]
        if time_axis(port) is None
        else np.concatenate([a[port.name] for a in answers], time_axis(port) - 1)
        for port in model.outputs
    }
    same(joined, eager(module, audio), model.manifest)


@pytest.mark.parametrize("end", range(3000, 3128, 9))
def test_the_end_of_centred_frames_in_every_place(end):
    model, module = described(MultiResolutionFFT(**SMALL).eval(), 1000, 128)
    audio = np.stack([signal((), end, 1), signal((), end, 2)])
    found = model.process(audio)["psd"]
    for row, one in zip(found, audio, strict=True):
        same({"psd": row, "freqs": module.freqs.numpy()}, eager(module, one), model.manifest)


def test_without_a_streaming_form_the_last_frame_is_warned_of():
    model, _ = described(MultiResolutionFFT(**SMALL).eval(), 1000, 128)
    alone = Model(replace(model.manifest, stream=None), model._backend)
    alone.process(signal((), 1000, 0))
    with pytest.warns(RuntimeWarning, match="the last frames are only near"):
        alone.process(signal((), 1300, 0))


@pytest.mark.parametrize("place", [0, 50, 128, 129, 300, 500])
def test_a_state_is_resumed_wherever_the_mirror_is(place):
    model, module = described(MultiResolutionFFT(**SMALL).eval(), 1000, 128)
    audio = signal((), 600, 3)
    stream = model.stream()
    first = stream.push(audio[:place])
    other = Stream(model.manifest, stream._backend)
    other.push(signal((), 333, 5))
    other.state = stream.state
    answers = [first, other.push(audio[place:]), other.flush()]
    found = np.concatenate([answer["psd"] for answer in answers], 0)
    same({"psd": found, "freqs": module.freqs.numpy()}, eager(module, audio), model.manifest)
