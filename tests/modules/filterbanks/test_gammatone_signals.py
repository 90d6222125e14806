"""Gammatone filterbank, signal truths: gain, bandwidth, delays, and nothing meets what it should not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from amt_export.erb import audfiltbw
from amt_export.modules import GammatoneFilterbank
from support.filters import noise, relative
from support.gammatone import FLOAT64, FORMS, SPEECH


@pytest.mark.parametrize(
    ("fc", "fs", "n"),
    [((100.0, 8000.0), 16000, 4), ((80.0, 16000.0), 44100, 4), ((80.0, 20000.0), 48000, 3)],
)
def test_every_channel_peaks_at_its_frequency_at_0_db(fc, fs, n):
    module = GammatoneFilterbank(fc, fs, n=n, dtype=FLOAT64)
    click = torch.zeros(1, 2**15, dtype=FLOAT64)
    click[0, 0] = 1.0
    responses = module(click)[0].numpy()
    bins = np.fft.rfftfreq(2**18, 1.0 / fs)
    checked = 0
    for centre, response in zip(module.fc.tolist(), responses, strict=True):
        if centre >= 0.85 * fs / 2:
            continue
        checked += 1
        turn = np.exp(-2j * np.pi * centre / fs * np.arange(response.size))
        assert abs(20.0 * np.log10(abs(response @ turn))) < 0.1, centre
        best = bins[np.abs(np.fft.rfft(response, 2**18)).argmax()]
        bandwidth = float(audfiltbw(torch.tensor(centre)))
        assert abs(best - centre) < 0.01 * bandwidth, centre
    assert checked > 20


def test_the_bandwidth_is_one_erb():
    module = GammatoneFilterbank(torch.tensor([1000.0]), 16000, dtype=FLOAT64)
    click = torch.zeros(2**13, dtype=FLOAT64)
    click[0] = 1.0
    power = np.abs(np.fft.rfft(module(click)[0].numpy(), 2**16)) ** 2
    width = power.sum() / power.max() * 16000 / 2**16
    # betamul makes it so for the continuous-time filter; 1 % are left to sampling.
    assert width == pytest.approx(24.7 + 1000.0 / 9.265, rel=0.01)


@pytest.mark.parametrize("implementation", FORMS)
def test_linear(implementation):
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64, implementation=implementation)
    one, two = noise(1, 1000, seed=1), noise(1, 1000, seed=2)
    assert relative(module(3.0 * one - 0.01 * two), 3.0 * module(one) - 0.01 * module(two)) < 1e-12


@pytest.mark.parametrize("shift", [1, 31, 32, 333])
def test_a_delayed_sound_gives_a_delayed_answer(shift):
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
    audio = noise(1, 1000)
    later = torch.cat([torch.zeros(1, shift, dtype=FLOAT64), audio], dim=1)
    answer = module(later)
    assert relative(answer[..., shift:], module(audio)) < 1e-11
    assert torch.count_nonzero(answer[..., : shift // 32 * 32]) == 0
    assert float(answer[..., :shift].abs().max()) < 1e-15


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_in_its_row_and_shows(value):
    module = GammatoneFilterbank(**SPEECH)
    audio = noise(3, 1000, dtype=torch.float32)
    clean = module(audio)
    audio[1, 500] = value
    damaged = module(audio)
    assert torch.equal(damaged[[0, 2]], clean[[0, 2]])
    until = min(1000, 500 + module.warm_up())
    assert not torch.isfinite(damaged[1, :, 500:until]).any()


def test_rows_of_a_batch_do_not_meet():
    module = GammatoneFilterbank(**SPEECH, dtype=FLOAT64)
    batch = torch.stack([noise(700, seed=1), 1e6 * noise(700, seed=2), torch.zeros(700)])
    together = module(batch)
    for row, audio in enumerate(batch[:2]):
        assert relative(together[row], module(audio)) < 1e-12
    assert torch.count_nonzero(together[2]) == 0
