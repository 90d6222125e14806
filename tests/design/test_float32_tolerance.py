"""The estimate of what float32 leaves of a tone: never too small, for banks that hardly hear it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export.design.drnl import MODELS
from amt_export.modules import CASPFrontEnd, DRNLFilterbank, GammatoneFilterbank
from amt_export.verify.parity.metric import difference
from amt_export.verify.parity.signals import suite, tones

FS, SAMPLES = 16000, 4000


def banks(dtype):
    for fc in ([300.0], [150.0, 6000.0], [500.0, 2200.0, 3000.0]):
        yield GammatoneFilterbank(torch.tensor(fc), FS, dtype=dtype)
        for model in MODELS:
            yield DRNLFilterbank(torch.tensor(fc), FS, model=model, dtype=dtype)


def left_of_tones(single, double) -> float:
    """Largest difference of float32 from float64 on the suite's tones, at everyday velocities for a DRNL."""
    level = 1.0 if isinstance(single, GammatoneFilterbank) else 4e-4
    worst = 0.0
    for name in ("tone_1k", "tone_4k"):
        tone = torch.from_numpy(level * suite(SAMPLES, FS)[name]).float()[None]
        found, reference = single.freeze(SAMPLES)(tone), double.freeze(SAMPLES)(tone.double())
        worst = max(worst, difference(found.numpy(), reference.numpy(), single.output_ports[0]))
    return worst


@torch.no_grad()
def test_the_estimate_covers_what_is_left():
    ratios = []
    for single, double in zip(banks(torch.float32), banks(torch.float64), strict=True):
        allowed = max(1e-5, double.expected_rounding(tones(SAMPLES, FS, SAMPLES)))
        ratios.append(left_of_tones(single, double) / allowed)
    assert max(ratios) < 1.0
    assert max(ratios) > 0.02, "an estimate that allows anything proves nothing"


def test_a_bank_that_hears_the_tones_is_allowed_less():
    near, far = (
        GammatoneFilterbank(torch.tensor(fc), FS).expected_rounding([1000.0, 4000.0])
        for fc in ([1000.0, 4000.0], [200.0])
    )
    assert near < 1e-4 < 1e-2 < far


@pytest.mark.parametrize("samples", [16000, 4000])
def test_the_sweep_is_a_tone_too(samples):
    *_, reached = tones(samples, FS, samples // 4)
    assert reached == pytest.approx(50.0 * (0.45 * FS / 50.0) ** 0.25)
    assert np.isclose(tones(samples, FS, samples)[-1], 0.45 * FS)


def test_a_sweep_that_has_passed_a_channel_has_its_peak_there():
    reached = tones(16000, FS, 4000)[-1]
    assert tones(16000, FS, 4000, [2 * reached]) == tones(16000, FS, 4000)
    assert tones(16000, FS, 4000, [0.4 * reached, 0.5 * reached, 2 * reached])[-1] == 0.5 * reached
    assert tones(16000, FS, 4000, [0.5 * reached]) == [1000.0, 4000.0]


def test_a_bank_with_a_gap_around_the_tones_has_an_estimate_that_means_something():
    """Float32 leaves 1.6e-3 of the fainter channels here."""
    fc = torch.tensor([423.0, 7231.0, 9652.0, 11074.0, 13356.0])
    casp = CASPFrontEnd(fc, 44100, model="jepsen2008", dtype=torch.float64)
    estimate = casp.expected_rounding(tones(8000, 44100, 8000, casp.centre_frequencies()))
    assert 1.6e-3 < estimate < 5e-3
