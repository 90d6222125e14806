"""The adaptation loops: sweeps against a loop over samples, and what adaptation does to sounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export.errors import SpecError
from amt_export.modules import AdaptationLoops, Dau1997, DauHairCell, GammatoneFilterbank
from amt_export.verify.contraction import (
    LIMIT,
    check_contraction,
    contraction,
    onset_inputs,
)
from support.representation import (
    CASP_TAU,
    DAU_TAU,
    hard_envelopes,
    of_peak,
    sequential_loops,
    sine,
)

MINIMUM = np.array([114.6e-6, 1.17e-6])


def rows(fs: float) -> np.ndarray:
    """The envelopes as channels (10, T)."""
    return np.stack(list(hard_envelopes(fs).values()))


@pytest.mark.parametrize("fs", [16000.0, 44100.0])
def test_sweeps_are_the_loop_over_samples(fs):
    """Up to 120 dB SPL, at the default sweeps."""
    envelopes = rows(fs)[:, :4410]
    expected = torch.from_numpy(sequential_loops(envelopes, fs))
    reference = AdaptationLoops(fs, dtype=torch.float64)(torch.from_numpy(envelopes))
    single = AdaptationLoops(fs)(torch.from_numpy(envelopes).float())
    for found, allowed in ((reference, 5e-7), (single, 1e-6)):
        assert of_peak(found, expected) < allowed


@pytest.mark.parametrize("limit", [2.0, 5.0])
def test_default_sweeps_are_enough_for_low_limits(limit):
    """5 is the limit of Osses and Kohlrausch (2021)."""
    fs = 16000.0
    envelopes = rows(fs)[:, :3200]
    expected = torch.from_numpy(sequential_loops(envelopes, fs, limit=limit))
    loops = AdaptationLoops(fs, limit=limit, dtype=torch.float64)
    assert of_peak(loops(torch.from_numpy(envelopes)), expected) < 1e-7


def test_sweeps_of_casp_are_enough_for_every_potential():
    """Potentials up to 58 mV, in the channels with the largest and the smallest minimum."""
    fs = 44100.0
    envelopes = np.minimum(0.058 * rows(fs)[:, None, :4410], 0.058).repeat(2, axis=1)
    expected = torch.from_numpy(sequential_loops(envelopes, fs, MINIMUM, CASP_TAU))
    minimum = torch.from_numpy(MINIMUM)
    loops = AdaptationLoops(fs, minimum, CASP_TAU, sweeps=(6, 8, 7, 5, 5))
    assert of_peak(loops(torch.from_numpy(envelopes).float()), expected) < 1e-6


@pytest.mark.parametrize(
    ("minlvl", "tau"), [(1e-5, DAU_TAU), (torch.from_numpy(MINIMUM), CASP_TAU)]
)
def test_sweeps_contract(minlvl, tau):
    loops = AdaptationLoops(16000, minlvl, tau, dtype=torch.float64)
    assert max(contraction(loops, onset_inputs(loops))) <= LIMIT
    envelopes = torch.from_numpy(rows(16000.0))[:, None].expand(-1, loops.minlvl.numel(), -1)
    assert max(contraction(loops, envelopes)) <= LIMIT


def test_loops_that_are_not_solved_yet_get_more_sweeps(monkeypatch):
    loops = AdaptationLoops(16000, dtype=torch.float64)
    found = contraction(loops, onset_inputs(loops))
    monkeypatch.setattr("amt_export.verify.contraction.FEW", 3)
    assert contraction(loops, onset_inputs(loops)) == pytest.approx(found, rel=1e-6)


def test_a_model_that_does_not_contract_is_refused(monkeypatch):
    model = Dau1997(16000, flow=950.0, fhigh=1050.0, dtype=torch.float64)
    check_contraction(model, "models/dau.toml")
    monkeypatch.setattr("amt_export.verify.contraction.LIMIT", 1e-3)
    with pytest.raises(SpecError, match=r"models/dau.toml: loop 1 .* 0.001 is allowed"):
        check_contraction(model, "models/dau.toml")


def test_silence_stays_silent():
    second = torch.zeros(1, 16000)
    assert float(AdaptationLoops(16000)(second).abs().max()) < 5e-4
    assert float(AdaptationLoops(16000, dtype=torch.float64)(second.double()).abs().max()) < 1e-8


def test_steady_sounds_are_compressed_to_their_level_and_onsets_stand_out():
    """A tone of 1 kHz in Dau's chain at 0, 10 ... 100 dB SPL."""
    fs = 44100
    bank = GammatoneFilterbank(torch.tensor([1000.0]), fs, dtype=torch.float64)
    cell, loops = (stage(fs, dtype=torch.float64) for stage in (DauHairCell, AdaptationLoops))
    tones = np.stack([sine(1000.0, level, 2 * fs, fs) for level in range(0, 101, 10)])
    adapted = loops(cell(0.5 * bank(torch.from_numpy(tones))))[:, 0]
    steady = [0.044, 3.908, 11.125, 19.733, 28.845, 38.272, 48.021, 58.098, 68.508, 79.252, 90.323]
    onset = [15.7, 353.6, 811.9, 1189.9, 1366.4, 1422.0, 1437.3, 1441.0, 1442.9, 1443.6, 1443.7]
    np.testing.assert_allclose(adapted[:, -fs // 10 :].mean(-1), steady, atol=0.01)
    np.testing.assert_allclose(adapted.amax(-1), onset, atol=0.5)


def test_what_follows_a_loud_sound_is_held_down():
    """Forward masking: a probe 10 ms behind a masker makes less than alone, 200 ms behind almost the same."""
    fs = 16000
    time = np.arange(int(0.6 * fs)) / fs
    masker = 0.03 * (time < 0.2)
    peaks = []
    for start in (0.21, 0.4):
        probe = 0.001 * ((time > start) & (time < start + 0.01))
        found = AdaptationLoops(fs)(torch.from_numpy(np.stack([probe, probe + masker])))
        peaks.append(found[:, int(start * fs) :].amax(-1))
    assert peaks[0][1] < 0.05 * peaks[0][0]
    assert peaks[1][1] > 3.0 * peaks[0][1]


def test_gradients_are_those_of_the_loop():
    """Of a random projection, by central differences of the loop over samples."""
    loops = AdaptationLoops(16000, sweeps=(14, 14, 10, 8, 6), dtype=torch.float64)
    generator = np.random.default_rng(3)
    x = torch.from_numpy(0.01 + 0.01 * generator.random((1, 200))).requires_grad_()
    weight = generator.standard_normal(200)
    (loops(x)[0] * torch.from_numpy(weight)).sum().backward()
    for place in (0, 5, 120):
        ends = []
        for sign in (1.0, -1.0):
            moved = x.detach().numpy().copy()
            moved[0, place] += sign * 1e-8
            ends.append(float((sequential_loops(moved, 16000.0)[0] * weight).sum()))
        expected = (ends[0] - ends[1]) / 2e-8
        assert float(x.grad[0, place]) == pytest.approx(expected, rel=1e-4, abs=1.0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_stays_in_its_row(wrong):
    loops = AdaptationLoops(16000)
    signal = torch.rand(2, 3, 500)
    clean = loops(signal)
    signal[1, 1, 200] = wrong
    nonfinite = loops(signal)
    assert torch.equal(nonfinite[0], clean[0])
    assert not torch.isfinite(nonfinite[1, 1, 200:]).any()
