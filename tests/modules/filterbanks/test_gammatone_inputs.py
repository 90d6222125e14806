"""What the gammatone filterbank takes, what it refuses, and how it describes itself."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from amt_export.modules import GammatoneFilterbank
from support.filters import noise, relative
from support.gammatone import FLOAT64, SPEECH, recursion


@pytest.mark.parametrize("samples", [0, 1, 31, 32, 33, 1000])
def test_shapes_with_and_without_a_batch(samples):
    module = GammatoneFilterbank(**SPEECH)
    audio = noise(2, samples, dtype=torch.float32)
    assert module(audio).shape == (2, 30, samples)
    assert module(audio[0]).shape == (30, samples)
    torch.testing.assert_close(module(audio[0]), module(audio[:1])[0], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint8, torch.int64, FLOAT64, torch.float16])
def test_any_real_dtype_is_cast_and_not_rescaled(dtype):
    module = GammatoneFilterbank(**SPEECH)
    audio = (100.0 + 20.0 * noise(1, 200)).to(dtype)
    answer = module(audio)
    assert answer.dtype == torch.float32
    assert torch.equal(answer, module(audio.to(torch.float32)))


def test_complex_input_is_a_type_error():
    with pytest.raises(TypeError, match="complex"):
        GammatoneFilterbank(**SPEECH)(torch.zeros(1, 100, dtype=torch.complex64))


@pytest.mark.parametrize(("shape", "rank"), [((), 0), ((1, 1, 100), 3), ((1, 2, 3, 4), 4)])
def test_other_ranks_are_refused(shape, rank):
    with pytest.raises(ValueError, match=f"audio has {rank} dimensions"):
        GammatoneFilterbank(**SPEECH)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fs": 0}, "fs is 0"),
        ({"fs": -16000.0}, "-16000"),
        ({"fs": math.nan}, "nan"),
        ({"fc": torch.tensor([500.0, 8000.1])}, "8000.1"),
        ({"fc": torch.tensor([500.0, 0.0])}, "fc holds 0 Hz"),
        ({"fc": torch.tensor([-3.0])}, "-3 Hz"),
        ({"fc": torch.tensor([math.nan])}, "nan"),
        ({"fc": torch.tensor([])}, r"\(0,\)"),
        ({"fc": torch.ones(2, 2)}, r"\(2, 2\)"),
        ({"fc": (100.0, 8001.0)}, "8001"),
        ({"fc": (1000.0, 100.0)}, "1000, 100"),
        ({"fc": (0.0, 100.0)}, r"\(0, 100\)"),
        ({"n": 0}, "n is 0"),
        ({"n": -2}, "n is -2"),
        ({"betamul": 0.0}, "betamul is 0.0"),
        ({"betamul": math.nan}, "betamul is nan"),
        ({"implementation": "fir"}, "'fir'"),
    ],
)
def test_the_constructor_names_the_offending_value(changed, message):
    with pytest.raises(ValueError, match=message):
        GammatoneFilterbank(**{**SPEECH, **changed})


def test_a_channel_at_half_the_sampling_rate_is_allowed():
    module = GammatoneFilterbank(torch.tensor([8000.0]), 16000, dtype=FLOAT64)
    audio = noise(1, 300)
    assert relative(module(audio), recursion(module, audio)) < 1e-12


def test_the_representation_names_the_key_parameters():
    text = repr(GammatoneFilterbank(**SPEECH, learnable=True))
    for part in ("num_channels=30", "100.0", "8000.0", "fs=16000", "n=4", "betamul=1.0186"):
        assert part in text
    assert "learnable=True" in text
    assert "implementation='sos'" in text


def test_building_and_running_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GammatoneFilterbank(**SPEECH, learnable=True).double()(noise(1, 100)).sum().backward()
