"""The signals that parity is measured on."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.verify.parity.cases import audio_cases
from amt_export.verify.parity.signals import suite


@pytest.mark.parametrize(("samples", "fs"), [(16000, 16000), (4000, 44100), (7, 32000)])
def test_the_suite_is_the_same_every_time_and_in_both_precisions(samples, fs):
    signals, again = suite(samples, fs), suite(samples, fs)
    assert list(signals) == [
        *("noise_20dB", "noise_60dB", "noise_94dB", "noise_120dB", "click", "tone_1k", "tone_4k"),
        *("sweep", "silence", "tiny_noise", "speech"),
    ]
    for name, values in signals.items():
        assert values.shape == (samples,), name
        assert values.dtype == np.float64, name
        assert np.array_equal(values, again[name]), name
        assert np.array_equal(values, values.astype(np.float32)), name
        assert np.isfinite(values).all(), name


def test_levels_are_db_spl():
    fs = 16000
    signals = suite(fs, fs)
    middle = slice(fs // 4, 3 * fs // 4)

    def level(name):
        return 20 * np.log10(np.sqrt(np.mean(signals[name][middle] ** 2)) / 2e-5)

    for name, expected in (("noise_20dB", 20), ("noise_60dB", 60), ("noise_120dB", 120)):
        assert level(name) == pytest.approx(expected, abs=0.2), name
    for name in ("tone_1k", "tone_4k", "sweep"):
        assert level(name) == pytest.approx(70.0, abs=0.01), name
    whole = 20 * np.log10(np.sqrt(np.mean(signals["speech"] ** 2)) / 2e-5)
    assert whole == pytest.approx(65.0, abs=0.5)
    assert level("noise_94dB") - level("noise_60dB") == pytest.approx(34.0, abs=1e-4)
    assert np.std(signals["tiny_noise"]) == pytest.approx(1e-8, rel=0.02)
    assert np.count_nonzero(signals["silence"]) == 0
    assert np.count_nonzero(signals["click"]) == 1
    assert signals["click"].max() == 1.0


def test_tones_are_where_they_say():
    signals = suite(16000, 16000)
    for name, frequency in (("tone_1k", 1000), ("tone_4k", 4000)):
        assert np.abs(np.fft.rfft(signals[name])).argmax() == frequency
    early, late = (
        np.abs(np.fft.rfft(signals["sweep"][part])).argmax() * 10
        for part in (slice(1000, 2600), slice(13400, 15000))
    )
    assert early < 150
    assert late > 3000


def test_ramps_are_raised_cosines_of_20_ms():
    fs = 16000
    loud = suite(fs, fs)["noise_94dB"]
    raw = np.random.default_rng(20600).standard_normal(fs)
    shape = loud / raw
    count = int(0.02 * fs)
    envelope = shape / shape[fs // 2]
    expected = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)
    np.testing.assert_allclose(envelope[:count], expected, atol=1e-5)
    np.testing.assert_allclose(envelope[-count:], expected[::-1], atol=1e-5)
    np.testing.assert_allclose(envelope[count:-count], 1.0, atol=1e-6)


def test_rows_and_ears_get_different_sounds():
    cases = audio_cases((3, 2, 500), 32000.0, "Pa")
    for name, batch in cases.items():
        assert batch.shape == (3, 2, 500)
        rows = {row.tobytes() for row in batch.reshape(6, 500)}
        assert len(rows) >= 5, name  # silence is silence at half the level too
    one = audio_cases((1, 500), 32000.0, "Pa")
    np.testing.assert_array_equal(one["click"][0], suite(500, 32000.0)["click"])


def test_full_scale_is_94_db():
    pascal = audio_cases((1, 2, 500), 32000.0, "Pa")["tone_1k"]
    scaled = audio_cases((1, 2, 500), 32000.0, "full scale")["tone_1k"]
    ratio = 20 * np.log10(np.abs(pascal).max() / np.abs(scaled).max())
    assert ratio == pytest.approx(20 * np.log10(2**0.5 * 2e-5) + 93.98, abs=1e-3)


def test_a_stapes_moves_as_it_does_behind_both_ears():
    """-67.5 dB re 1 (m/s)/Pa at 1 kHz, -80.6 at 4 kHz, in the middle of the tones."""
    fs = 44100
    middle = slice(fs // 4, fs // 2)
    pascal = audio_cases((1, fs), fs, "Pa")
    velocity = audio_cases((1, fs), fs, "m/s")
    for name, gain in (("tone_1k", -67.49), ("tone_4k", -80.59)):
        ratio = velocity[name][0, middle].std() / pascal[name][0, middle].std()
        assert 20 * np.log10(ratio) == pytest.approx(gain, abs=0.05), name
    assert not velocity["silence"].any()
    # Without the outer ear's delay: a short signal is heard.
    short = audio_cases((1, 200), fs, "m/s")["noise_94dB"]
    assert np.abs(short[0, 100:]).max() > 1e-5
    # No ear is known at such rates.
    slow = audio_cases((1, 200), 200.0, "m/s")["click"]
    assert slow.max() == pytest.approx(4.2e-4, rel=1e-6)
