"""Gammatone filterbank: golden numbers, and the recursion to the last digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal

from amt_export.modules import GammatoneFilterbank
from amt_export.modules.forms import WholeForm
from amt_export.verify.parity.metric import difference
from support.filters import noise, relative
from support.gammatone import FLOAT64, FORMS, SPEECH, recursion


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("dtype", [FLOAT64, torch.float32])
@pytest.mark.parametrize("name", ["gammatone_speechband", "gammatone_n3_narrow", "gammatone_poly"])
def test_golden(golden, name, dtype, learnable):
    case = golden(name)
    module = GammatoneFilterbank(**case.kwargs, dtype=dtype, learnable=learnable)
    found = module(case["x"])
    assert found.dtype == dtype
    assert relative(found, case["y"]) < (1e-9 if dtype == FLOAT64 else 1e-6)
    torch.testing.assert_close(module.fc.double(), case["fc"], rtol=1e-7, atol=0)


@pytest.mark.parametrize("name", ["gammatone_speechband", "gammatone_n3_narrow"])
def test_torch_amt_is_a_truncation_away(golden, name):
    case = golden(name)
    found = GammatoneFilterbank(**case.kwargs)(case["x"])
    assert 1e-5 < relative(found, case["y_torch_amt"]) < 2.5e-4


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_any_order_is_the_recursion(n):
    module = GammatoneFilterbank((100.0, 7000.0), 16000, n=n, dtype=FLOAT64)
    audio = noise(1, 2000)
    assert relative(module(audio), recursion(module, audio)) < 1e-11
    single = GammatoneFilterbank((100.0, 7000.0), 16000, n=n)
    assert relative(single(audio), module(audio)) < 1e-6


def test_a_sound_of_many_seconds_is_filtered_in_several_goes():
    module = GammatoneFilterbank(torch.tensor([300.0, 2000.0]), 16000, dtype=FLOAT64)
    audio = noise(1, 32 * 4095 + 1000)
    assert relative(module(audio), recursion(module, audio)) < 1e-10
    assert relative(module.float()(audio), recursion(module.double(), audio)) < 5e-7


def test_attributes_are_those_of_the_formulas():
    module = GammatoneFilterbank(torch.tensor([500.0, 2000.0]), 16000, dtype=FLOAT64)
    assert module.betamul.item() == pytest.approx(36 / (math.pi * 720 / 64), rel=1e-14)
    phi = 2 * np.pi * module.betamul.item() * (24.7 + module.fc.numpy() / 9.265) / 16000
    expected = np.exp(-phi - 2j * np.pi * module.fc.numpy() / 16000)
    np.testing.assert_allclose(module.poles.numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(module.gains.numpy(), (1.0 - np.exp(-phi)) ** 4, rtol=1e-12)
    assert (module.num_channels, module.fs, module.n) == (2, 16000, 4)
    poly = GammatoneFilterbank(
        torch.tensor([500.0, 2000.0]), 16000, dtype=FLOAT64, implementation="poly"
    )
    limited = expected * np.minimum(np.abs(expected), 0.9) / np.abs(expected)
    np.testing.assert_allclose(poly.a.numpy(), [np.poly([p] * 4) for p in limited], rtol=1e-12)
    np.testing.assert_allclose(poly.b.numpy()[:, 0], module.gains.numpy(), rtol=1e-14)


@pytest.mark.parametrize("cast", [lambda m: m.double(), lambda m: m.to(FLOAT64)])
@pytest.mark.parametrize("implementation", FORMS)
@pytest.mark.parametrize("learnable", [False, True])
def test_a_cast_module_is_as_accurate_as_one_built_so(cast, implementation, learnable):
    keywords = {**SPEECH, "implementation": implementation, "learnable": learnable}
    audio = noise(1, 1000)
    built = GammatoneFilterbank(**keywords, dtype=FLOAT64)
    module = cast(GammatoneFilterbank(**keywords))
    assert module(audio).dtype == FLOAT64
    assert relative(module(audio), built(audio)) < 1e-13
    for name, value in built.state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name
    back = module.float()
    assert torch.equal(back(audio), GammatoneFilterbank(**keywords)(audio))


@pytest.mark.parametrize("frequency", [20.0, 50.0, 440.0, 3000.0, 7200.0])
def test_tones_of_any_frequency_leave_rounding_only(frequency):
    """Ramped full-scale tones, by the metric of parity: 1 % of the loudest channel counts as a peak."""
    time = np.arange(8000) / 16000
    tone = np.sin(2 * np.pi * frequency * time) * signal.windows.tukey(time.size, 0.3)
    tone = torch.from_numpy(tone.astype(np.float32))[None]
    double = GammatoneFilterbank(**SPEECH, dtype=FLOAT64).freeze(8000)
    expected = double(tone.double())
    (port,) = GammatoneFilterbank.output_ports
    whole = WholeForm(GammatoneFilterbank(**SPEECH).freeze(8000))(tone)[0]
    if (
        frequency >= 100.0
    ):  # below all channels float32 leaves more: 1e-7 of a tone that none of them hears
        assert difference(whole.numpy(), expected.numpy(), port) < 1e-5
    whole = WholeForm(double)(tone)[0]
    assert whole.dtype == torch.float32
    assert difference(whole.numpy(), expected.numpy(), port) < 1e-7
