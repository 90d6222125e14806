"""Outer and middle ear as modules: they are the FIR filters of `design.ears`, in blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from amt_export.modules import MiddleEarFilter, OuterEarFilter
from amt_export.modules.forms import StreamForm
from support.filters import assert_forms_are_eager, noise, relative

EARS = [OuterEarFilter, MiddleEarFilter]


@pytest.mark.parametrize("ear", EARS)
@given(
    order=st.sampled_from([2, 10, 62, 64, 66, 512, 1022]),
    samples=st.integers(0, 300),
    fs=st.sampled_from([300.0, 16000.0, 44100.0]),
)
@settings(max_examples=25, deadline=None)
def test_it_is_the_fir_filter(ear, order, samples, fs):
    audio = noise(2, samples)
    module = ear(fs, order, dtype=torch.float64)
    expected = signal.lfilter(module.response(), 1.0, audio.numpy(), axis=1) if samples else audio
    found = module(audio)
    assert found.shape == (2, samples)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ear", EARS)
def test_float32_rounds_the_sum_once(ear):
    """A plain float32 sum of 513 products leaves ten times as much beside a tone."""
    fs = 44100
    tone = torch.sin(2.0 * math.pi * 4000.0 / fs * torch.arange(fs, dtype=torch.float64))[None]
    tone = tone.float()
    reference = ear(fs, dtype=torch.float64)(tone)
    error = (ear(fs)(tone).double() - reference)[0, 1000:]
    assert float(error.square().mean().sqrt() / reference.abs().max()) < 4e-8


@pytest.mark.parametrize("block", [1, 17, 64, 441, 512, 1000])
@pytest.mark.parametrize("ear", EARS)
def test_a_stream_is_the_whole(ear, block):
    audio = noise(1, 3 * max(block, 100) // block * block, dtype=torch.float32)
    module = ear(44100, 256)
    (found,) = StreamForm(module, block, (1, 44100)).run(audio)
    assert relative(found, module(audio)) < 1e-6


@pytest.mark.parametrize("ear", EARS)
def test_shapes_dtypes_and_rows(ear):
    module = ear(16000, 64)
    audio = noise(3, 200, dtype=torch.float32)
    together = module(audio)
    assert together.shape == (3, 200)
    assert together.dtype == torch.float32
    assert module(audio[0]).shape == (200,)
    assert torch.equal(module(audio[0]), module(audio[:1])[0])
    audio[1, 100] = math.nan
    nonfinite = module(audio)
    assert torch.equal(nonfinite[[0, 2]], together[[0, 2]])
    assert not torch.isfinite(nonfinite[1, 100 : 100 + module.warm_up() + 1]).any()
    assert torch.isfinite(nonfinite[1, :36]).all()
    with pytest.raises(TypeError, match="complex"):
        module(audio.to(torch.complex64))
    with pytest.raises(ValueError, match="3 dimensions"):
        module(audio[None])


@pytest.mark.parametrize("ear", EARS)
def test_a_cast_module_is_as_accurate_as_one_built_so(ear):
    audio = noise(1, 500)
    assert torch.equal(ear(16000).double()(audio), ear(16000, dtype=torch.float64)(audio))


@pytest.mark.parametrize("ear", EARS)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fs": 0}, "fs is 0"),
        ({"fs": 250}, "fs is 250 Hz; ears are known from 250"),
        ({"fs": math.nan}, "nan"),
        ({"order": 3}, "order is 3; it must be even, 2 to 1022"),
        ({"order": 0}, "order is 0"),
        ({"order": 1024}, "order is 1024"),
    ],
)
def test_the_constructor_names_the_offending_value(ear, changed, message):
    with pytest.raises(ValueError, match=message):
        ear(**{"fs": 44100, **changed})


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("ear", EARS)
def test_script_and_trace_are_eager(ear):
    assert_forms_are_eager(ear(16000, 64), ((2, 333), (333,)), 1e-6, 1e-6)


def test_units_and_names():
    outer, middle = OuterEarFilter(44100), MiddleEarFilter(44100)
    assert [(p.name, p.unit) for p in outer.input_ports + outer.output_ports] == [
        ("audio", "Pa"),
        ("pressure", "Pa"),
    ]
    assert [(p.name, p.unit) for p in middle.output_ports] == [("velocity", "m/s")]
    assert outer.warm_up() == 512
    assert not outer.state_dict()
    assert repr(middle) == "MiddleEarFilter(fs=44100, order=512)"
