"""The DRNL as the Auditory Modeling Toolbox computes it: `reference="amt"`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal

from amt_export.design.drnl import classic_gammatone
from amt_export.design.gammatone import gammatone_pole
from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank
from amt_export.recurrence.tables import impulse_response
from support.filters import gradient_error, noise

FLOAT64 = torch.float64
FS = 44100


def by_channel(found: torch.Tensor, expected: torch.Tensor) -> np.ndarray:
    """Largest difference of each channel as a share of its peak in the row."""
    error = (found.detach().double() - expected).abs().amax(-1) / expected.abs().amax(-1)
    return error.amax(0).numpy()


def gain_db(module: torch.nn.Module, frequency: float, amplitude: float) -> float:
    """Of the settled answer to a tone at the module's only channel."""
    time = torch.arange(FS // 5, dtype=FLOAT64) / FS
    tone = amplitude * torch.sin(2.0 * math.pi * frequency * time)
    power = module(tone)[0, FS // 10 :].square().mean() / (amplitude**2 / 2.0)
    return float(10.0 * torch.log10(power))


@pytest.mark.parametrize("learnable", [False, True])
def test_golden_in_float64(golden, learnable):
    case = golden("ears")
    module = DRNLFilterbank(case["CF"], FS, learnable=learnable, reference="amt")
    errors = by_channel(module(case["x_44100"]), case["y_44100_paulick2024_NH"])
    assert errors[0] < 1e-7, "100 Hz"
    assert errors[2:].max() < 1e-9, "from 500 Hz on"


def test_golden_in_float32_and_by_fft(golden):
    case = golden("ears")
    module = DRNLFilterbank(case["CF"], FS, dtype=torch.float32, reference="amt")
    assert module.knee_units
    expected = case["y_44100_paulick2024_NH"]
    assert by_channel(module(case["x_44100"]), expected).max() < 1e-6
    fast = FastDRNLFilterbank(case["CF"], FS, reference="amt", ir_length=8192)
    assert by_channel(fast(case["x_44100"]), expected).max() < 1e-6


@pytest.mark.parametrize("model", ["paulick2024", "jepsen2008"])
def test_input_output_functions_fed_directly(golden, model):
    case = golden("ears")
    levels = case["io_level_db"]
    time = torch.arange(int(0.3 * FS), dtype=FLOAT64) / FS
    for row, centre in enumerate(case["io_CF"].tolist()):
        module = DRNLFilterbank(torch.tensor([centre]), FS, model=model, reference="amt")
        amplitudes = 2e-5 * math.sqrt(2.0) * 10.0 ** (levels / 20.0)
        tones = amplitudes[:, None] * torch.sin(2.0 * math.pi * centre * time)
        settled = module(tones)[:, 0, int(0.1 * FS) :]
        found = 10.0 * torch.log10(settled.square().mean(-1))
        expected = case[f"io_{model.removesuffix('2024').removesuffix('2008')}_db"][row]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_it_is_louder_at_its_centre():
    """12 dB where both gammatones of the nonlinear path pass it straight, 6 dB for the linear path alone."""
    for subject, amplitude, louder in (("NH", 1e-9, 12.04), ("HIx", 1e-9, 6.02)):
        forms = [
            DRNLFilterbank(torch.tensor([2000.0]), FS, subject=subject, reference=reference)
            for reference in ("documented", "amt")
        ]
        documented, amt = (gain_db(form, 2000.0, amplitude) for form in forms)
        assert amt - documented == pytest.approx(louder, abs=0.3), subject
    documented, amt = (
        gain_db(DRNLFilterbank(torch.tensor([2000.0]), FS, reference=r), 2000.0, 1e-5)
        for r in ("documented", "amt")
    )
    assert 5.5 < amt - documented < 8.5, "where it compresses"


def test_the_classic_gammatone_is_a_row_of_biquads():
    centre, width, order = 1000.0, 120.0, 3
    pole = gammatone_pole(
        torch.tensor([centre], dtype=FLOAT64), torch.tensor([width], dtype=FLOAT64), FS
    )
    found = impulse_response(classic_gammatone(pole, order), 3000)[0].numpy()
    r, theta = math.exp(-2.0 * math.pi * width / FS), 2.0 * math.pi * centre / FS
    b, a = [1.0, -r * math.cos(theta)], [1.0, -2.0 * r * math.cos(theta), r * r]
    peak = np.abs(
        np.polyval(b[::-1], np.exp(-1j * theta)) / np.polyval(a[::-1], np.exp(-1j * theta))
    )
    expected = np.zeros(3000)
    expected[0] = 1.0
    for _ in range(order):
        expected = signal.lfilter(np.array(b) / peak, a, expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    omega = np.exp(-1j * theta * np.arange(3000))
    assert np.abs(found @ omega) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("module", [DRNLFilterbank, FastDRNLFilterbank])
def test_the_default_is_documented_and_others_are_refused(module):
    plain = module((500.0, 2000.0), 16000, 3)
    assert plain.reference == "documented"
    assert "reference='documented'" in repr(plain)
    audio = noise(1, 400)
    named = module((500.0, 2000.0), 16000, 3, reference="documented")
    assert torch.equal(plain(audio), named(audio))
    with pytest.raises(ValueError, match=r"'torch_amt'.*'documented', 'amt'"):
        module((500.0, 2000.0), 16000, 3, reference="torch_amt")


def test_gradients_are_finite_differences():
    module = DRNLFilterbank(
        torch.tensor([400.0, 1500.0]), 8000, learnable=True, dtype=FLOAT64, reference="amt"
    )
    errors = gradient_error(module, 5e-6 * noise(1, 100))
    assert len(errors) == 10
    assert max(errors.values()) < 1e-4, errors
