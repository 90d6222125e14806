"""Impulse responses of the ears against scipy's designs and the toolbox's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from amt_export.design.ears import (
    OUTER_EAR,
    both_ears_gain,
    linear_phase_response,
    middle_ear_response,
    minimum_phase,
    outer_ear_response,
    stapes_velocity,
)

RATES = [300.0, 8000.0, 16000.0, 20000.0, 20001.0, 32000.0, 44100.0, 96000.0]


def gain_db(taps: np.ndarray, hertz: float, fs: float) -> float:
    response = np.exp(-2j * np.pi * hertz / fs * np.arange(taps.size)) @ taps
    return float(20.0 * np.log10(np.abs(response)))


@pytest.mark.parametrize("order", [2, 64, 512, 1022])
@pytest.mark.parametrize("fs", RATES)
def test_both_are_what_scipy_designs(fs, order):
    below = OUTER_EAR[OUTER_EAR[:, 0] < fs / 2]
    outer = np.vstack([(0.0, 0.0), below, (fs / 2, 0.0)])
    expected = signal.firwin2(order + 1, *outer.T, fs=fs, nfreqs=1025)
    np.testing.assert_allclose(outer_ear_response(fs, order), expected, rtol=0, atol=1e-12)
    linear = signal.firwin2(order + 1, *stapes_velocity(fs).T, fs=fs, nfreqs=1025)
    amplitude = np.abs(np.fft.fft(linear))
    phase = np.imag(signal.hilbert(np.log(amplitude)))
    expected = np.fft.ifft(amplitude * np.exp(-1j * phase)).real / 20e-6
    found = middle_ear_response(fs, order)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("fs", [44100, 48000])
def test_golden(golden, fs):
    case = golden("ears")
    for name, found, share in (
        ("outer", outer_ear_response(fs, 512), 3e-4),
        ("middle", middle_ear_response(fs, 512), 2e-3),
    ):
        expected = case[f"{name}_ear_fir_{fs}"].numpy()
        assert np.abs(found - expected).max() < share * np.abs(expected).max(), name


@pytest.mark.parametrize(
    ("hertz", "outer", "middle"), [(250, 0.0, -76.9), (1000, -0.04, -67.5), (4000, 1.58, -82.2)]
)
def test_gains(hertz, outer, middle):
    assert gain_db(outer_ear_response(44100, 512), hertz, 44100) == pytest.approx(outer, abs=0.05)
    assert gain_db(middle_ear_response(44100, 512), hertz, 44100) == pytest.approx(middle, abs=0.1)


def test_the_ear_canal_resonates_at_2_7_khz():
    hertz = np.arange(100.0, 10000.0, 20.0)
    gains = [gain_db(outer_ear_response(44100, 512), f, 44100) for f in hertz]
    assert hertz[np.argmax(gains)] == pytest.approx(2720.0, abs=80.0)
    assert max(gains) == pytest.approx(20 * np.log10(2.82), abs=0.5)


def test_points_of_the_middle_ear():
    points = stapes_velocity(44100.0)
    assert (np.diff(points[:, 0]) > 0).all()
    at = dict(points)
    # 0.15136 um at 104 dB SPL and 1 kHz, in m/s at 0 dB SPL.
    assert at[1000.0] == pytest.approx(2**0.5 * 2 * np.pi * 1e3 * 0.15136e-6 * 10**-5.2)
    # 1.1 less every 1000 Hz above 10 kHz, and in proportion up to fs/2.
    assert at[11000.0] == pytest.approx(0.6e-9 / 1.1)
    assert at[22000.0] == pytest.approx(0.6e-9 / 1.1**12)
    assert at[22050.0] == pytest.approx(at[22000.0] / 1.005)
    # Up to 20 kHz only the points below fs/2 count.
    narrow = stapes_velocity(20000.0)
    assert narrow[-1] == pytest.approx((10000.0, 0.624e-9 / 1.05))
    assert stapes_velocity(48000.0)[-1, 0] == 24000.0
    assert (np.diff(stapes_velocity(48000.0)[:, 0]) > 0).all()


def test_minimum_phase_keeps_the_amplitude_and_comes_first():
    linear = linear_phase_response(stapes_velocity(44100.0), 512)
    early = minimum_phase(linear)
    np.testing.assert_allclose(
        np.abs(np.fft.fft(early)), np.abs(np.fft.fft(linear)), rtol=1e-9, atol=0
    )
    energy = np.cumsum(early**2)
    assert energy[64] > 0.99 * energy[-1]
    np.testing.assert_allclose(linear, linear[::-1], atol=1e-20)


def test_gain_of_both_ears():
    for hertz, expected in ((1000.0, -67.49), (4000.0, -80.59)):
        assert 20 * np.log10(both_ears_gain(hertz, 44100)) == pytest.approx(expected, abs=0.05)
    assert both_ears_gain(50.0, 200.0) == 4.2e-4
