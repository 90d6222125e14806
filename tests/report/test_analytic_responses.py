"""The formulas beside measured responses are those of the modules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from amt_export.manifest import load_manifest
from amt_export.model_file.building import build_module
from amt_export.modules import CASPFrontEnd, DRNLFilterbank, FastDRNLFilterbank, GammatoneFilterbank
from amt_export.report import measure_response
from amt_export.report.response import FORMULAS
from amt_export.verify.parity.cases import eager_runner
from support.filters import small_specs

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


DOUBLE = torch.float64


@pytest.mark.parametrize(
    "module",
    [
        GammatoneFilterbank((200.0, 4000.0), 16000, dtype=DOUBLE),
        GammatoneFilterbank((200.0, 4000.0), 16000, n=2, betamul=0.7, dtype=DOUBLE),
        GammatoneFilterbank((600.0, 4000.0), 16000, dtype=DOUBLE, implementation="poly"),
        DRNLFilterbank((300.0, 4000.0), 16000, n_channels=4),
        DRNLFilterbank((300.0, 4000.0), 16000, n_channels=4, model="jepsen2008"),
        DRNLFilterbank((300.0, 7900.0), 16000, n_channels=4, subject="HIx"),
        FastDRNLFilterbank((800.0, 4000.0), 16000, n_channels=3, dtype=DOUBLE),
    ],
    ids=lambda module: module.extra_repr()[:60],
)
def test_modules_have_the_responses_of_theory(module, published):
    """Long enough for every filter to die away, the float64 module is the formula."""
    name = type(module).__name__
    manifest = load_manifest(published("gammatone"))
    port, out = manifest.inputs[0], manifest.outputs[0]
    manifest = replace(
        manifest,
        module=name,
        precision="float64",
        inputs=(replace(port, shape=(1, 16000), dtype="float64"),),
    )
    response = measure_response(module, manifest, eager_runner(module.eval(), [out.name]))
    peak = np.abs(response.analytic).max(axis=1, keepdims=True)
    error = np.abs(response.found - response.analytic) / peak
    assert error.max() < 1e-9
    assert response.deviation.max() < 1e-6
    assert response.found.shape == (module.num_channels, 8001)


def test_a_wrong_filter_is_not_the_analytic_one(published):
    manifest = load_manifest(published("gammatone"))
    right = build_module(small_specs()["gammatone"], DOUBLE)
    low, high = small_specs()["gammatone"].parameters["fc"]
    wrong = GammatoneFilterbank((1.02 * low, high), 16000).freeze(2000)
    response = measure_response(right, manifest, eager_runner(wrong, ["subbands"]))
    assert response.deviation[0] > 1.0
    assert response.deviation[-1] < 0.1


def test_modules_that_are_no_filterbanks_have_none(published):
    manifest = replace(load_manifest(published("gammatone")), module="MultiResolutionFFT")
    assert measure_response(None, manifest, lambda _: {}) is None
