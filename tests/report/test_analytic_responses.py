"""The formulas beside measured responses: what the modules answer to a soft impulse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export.modules import CASPFrontEnd, DRNLFilterbank
from amt_export.report.response import FORMULAS

SAMPLES = 2**14
BANK = ((250.0, 8000.0), 44100, 4)


@pytest.mark.parametrize("reference", ["documented", "amt"])
@pytest.mark.parametrize("make", [DRNLFilterbank, CASPFrontEnd])
def test_a_soft_impulse_answers_as_the_formula_says(make, reference):
    module = make(*BANK, dtype=torch.float64, reference=reference)
    impulse = torch.zeros(1, SAMPLES, dtype=torch.float64)
    impulse[0, 0] = 1e-9
    found = np.fft.rfft(module(impulse)[0].numpy() / 1e-9)
    omega = 2.0 * np.pi * np.arange(SAMPLES // 2 + 1) / SAMPLES
    expected = FORMULAS[make.__name__](module, omega)
    assert np.abs(found - expected).max() < 1e-9 * np.abs(expected).max()
