"""From files to what models take."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soundfile as sf

from amt_export.audio.calibration import (
    FULL_SCALE_DB,
    Recording,
    for_model,
    full_scale_db,
    read_audio,
    resample,
)
from amt_export.audio.reader import Recorder
from amt_export.errors import AudioError, MissingDependencyError
from support.manifests import FS, MONO, STEREO, manifest


def sine(fs=FS, frequency=1000.0, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(fs * seconds)) / fs)


def rms(x):
    return np.sqrt(np.mean(x**2))


def db_spl(x):
    return 20 * np.log10(rms(x) / 2e-5)


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("suffix", "subtype", "error"),
    [
        ("wav", "FLOAT", 1e-7),
        ("wav", "PCM_16", 1e-4),
        ("flac", "PCM_24", 1e-6),
        ("ogg", None, 0.1),
    ],
)
def test_reads_common_formats(tmp_path, suffix, subtype, error):
    path = tmp_path / f"tone.{suffix}"
    stereo = np.stack([0.5 * sine(), 0.25 * sine()])
    sf.write(path, stereo.T, FS, subtype=subtype)
    recording = read_audio(path)
    assert (recording.fs, recording.name) == (FS, path.name)
    assert recording.samples.dtype == np.float64
    assert recording.samples.shape == (2, FS)
    assert np.abs(recording.samples - stereo).max() < error


def test_no_such_file(tmp_path):
    for path in (tmp_path / "nothing.wav", tmp_path):
        with pytest.raises(AudioError, match="no such file; give a WAV, FLAC or OGG"):
            read_audio(path)


@pytest.mark.parametrize("content", [b"", b"not audio at all", b"RIFF\0\0\0\0WAVEfmt "])
def test_not_audio(tmp_path, content):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"broken\.wav: .*give a WAV"):
        read_audio(path)


def test_empty(tmp_path):
    path = tmp_path / "empty.wav"
    sf.write(path, np.zeros(0), FS)
    with pytest.raises(AudioError, match=r"empty\.wav: holds no samples"):
        read_audio(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path, value):
    path = tmp_path / "bad.wav"
    samples = np.zeros((FS, 2))
    samples[FS // 2, 1] = value
    sf.write(path, samples, FS, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"bad\.wav: a sample is NaN or infinite at 0\.500 s"):
        read_audio(path)


@pytest.mark.parametrize("module", ["soundfile", "soxr"])
def test_packages_not_installed(tmp_path, monkeypatch, module):
    path = tmp_path / "tone.wav"
    sf.write(path, sine(22050), 22050)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'amt_export\[audio\]'"):
        for_model(read_audio(path), manifest())


# ---------------------------------------------------------------- rate and channels


@pytest.mark.parametrize("fs", [8000, 22050, 44100, 48000])
def test_resampling_keeps_the_tone(fs):
    y = resample(sine(fs)[None], fs, FS)
    assert abs(y.shape[-1] - FS) <= 1
    middle = slice(2000, -2000)  # without the onset's ringing
    np.testing.assert_allclose(y[0, middle], sine(FS)[: y.shape[-1]][middle], atol=1e-5)


def test_equal_rates_change_nothing():
    x = sine()[None]
    assert resample(x, FS, FS) is x


def test_one_ear_hears_the_mean():
    stereo = np.stack([sine(), sine(frequency=500)])
    heard = for_model(Recording(stereo, FS, "x.wav"), manifest(unit="full scale"))
    assert heard.samples.shape == (1, FS)
    np.testing.assert_allclose(heard.samples[0], stereo.mean(axis=0))


def test_two_ears_hear_their_own():
    stereo = np.stack([sine(), sine(frequency=500)])
    heard = for_model(Recording(stereo, FS, "x.wav"), manifest(STEREO, "full scale"))
    np.testing.assert_array_equal(heard.samples, stereo[None])


def test_resampled_stereo_keeps_its_sides():
    stereo = np.stack([sine(48000), np.zeros(48000)])
    heard = for_model(Recording(stereo, 48000, "x.wav"), manifest(STEREO))
    assert heard.samples.shape == (1, 2, FS)
    assert not heard.samples[0, 1].any()


@pytest.mark.parametrize(("channels", "words"), [(1, "1 channel,"), (3, "3 channels,")])
def test_two_ears_need_two_channels(channels, words):
    recording = Recording(np.ones((channels, FS)), FS, "x.wav")
    with pytest.raises(AudioError, match=f"x.wav: {words} but the model has two ears"):
        for_model(recording, manifest(STEREO))


def written(tmp_path, channels):
    path = tmp_path / "voice.wav"
    sf.write(path, np.stack([0.5 * sine(seconds=0.1)] * channels, axis=1), FS)
    return path


def test_one_channel_is_played_to_both_ears_on_request_only(tmp_path):
    path = written(tmp_path, 1)
    with pytest.raises(AudioError, match="two ears; give a stereo file, or --diotic"):
        Recorder(path, manifest(STEREO, "full scale"))
    recording = Recorder(path, manifest(STEREO, "full scale"), diotic=True)
    audio = np.concatenate(list(recording.pieces()), axis=-1)
    assert audio.shape == (1, 2, 1600)
    np.testing.assert_allclose(audio[0, 0], 0.5 * sine(seconds=0.1), atol=1e-4)
    np.testing.assert_array_equal(audio[0, 0], audio[0, 1])
    loud = Recorder(path, manifest(STEREO, "full scale"), 80.0, diotic=True)
    level = 93.98 + 20 * np.log10(rms(np.concatenate(list(loud.pieces()), axis=-1)) * 2**0.5)
    assert level == pytest.approx(80.0, abs=0.01)


@pytest.mark.parametrize(("channels", "diotic"), [(3, True), (3, False)])
def test_other_numbers_of_channels_are_no_two_ears(tmp_path, channels, diotic):
    with pytest.raises(
        AudioError, match=r"3 channels, but the model has two ears; give a stereo file$"
    ):
        Recorder(written(tmp_path, channels), manifest(STEREO, "full scale"), diotic=diotic)


def test_diotic_changes_nothing_where_it_says_nothing(tmp_path):
    for channels, axes in ((2, STEREO), (1, MONO), (2, MONO)):
        path = written(tmp_path, channels)
        plain, diotic = (
            np.concatenate(list(Recorder(path, manifest(axes), diotic=flag).pieces()), axis=-1)
            for flag in (False, True)
        )
        np.testing.assert_array_equal(plain, diotic)


def test_model_must_take_audio():
    with pytest.raises(AudioError, match="tiny takes psd, not audio"):
        for_model(Recording(sine()[None], FS, "x.wav"), manifest(name="psd"))


def test_too_short_to_resample():
    with pytest.raises(AudioError, match="too short for a single sample at 16000 Hz"):
        for_model(Recording(np.ones((1, 1)), 192000, "x.wav"), manifest())


# ---------------------------------------------------------------- calibration


def test_full_scale_sine_in_pascal():
    heard = for_model(Recording(sine()[None], FS, "x.wav"), manifest())
    assert db_spl(heard.samples) == pytest.approx(93.98, abs=1e-9)
    assert heard.calibration == "full-scale sine = 93.98 dB SPL"
    assert rms(heard.samples) == pytest.approx(1.0, abs=3e-4)  # 1 Pa


def test_full_scale_models_get_the_file_as_it_is():
    recording = Recording(sine()[None], FS, "x.wav")
    heard = for_model(recording, manifest(unit="full scale"))
    np.testing.assert_array_equal(heard.samples[0], recording.samples[0])


@pytest.mark.parametrize("level", [-20.0, 0.0, 65.0, 120.0])
def test_level_in_pascal(level):
    heard = for_model(Recording(0.01 * sine()[None], FS, "x.wav"), manifest(), level)
    assert db_spl(heard.samples) == pytest.approx(level, abs=1e-9)
    assert heard.calibration == f"file = {level:g} dB SPL RMS"


@pytest.mark.parametrize(
    ("parameters", "db_max"),
    [({}, 93.98), ({"db_max": 100.0}, 100.0), ({"spectrum_kwargs": {"db_max": 90.0}}, 90.0)],
)
def test_level_relative_to_full_scale(parameters, db_max):
    model = manifest(unit="full scale", parameters=parameters)
    assert full_scale_db(model) == db_max
    # A sine at db_max is full scale, so it keeps an amplitude of 1 whatever the file's own level.
    heard = for_model(Recording(0.1 * sine()[None], FS, "x.wav"), model, db_max)
    assert rms(heard.samples) == pytest.approx(np.sqrt(0.5))


def test_both_conventions_mean_the_same_sound():
    recording = Recording(sine()[None], FS, "x.wav")
    pascal = for_model(recording, manifest(), 70.0).samples
    relative = for_model(recording, manifest(unit="full scale"), 70.0).samples
    full_scale = np.sqrt(2) * 2e-5 * 10 ** (FULL_SCALE_DB / 20)
    np.testing.assert_allclose(pascal, full_scale * relative)


def test_silence_has_no_level():
    silent = Recording(np.zeros((1, FS)), FS, "x.wav")
    assert not for_model(silent, manifest()).samples.any()
    with pytest.raises(
        AudioError, match=r"x\.wav: is silent, so it cannot be brought to 65 dB SPL"
    ):
        for_model(silent, manifest(), 65.0)


@pytest.mark.parametrize("level", [np.nan, np.inf, -101.0, 201.0, 5000.0])
def test_impossible_levels(level):
    with pytest.raises(AudioError, match="give one from -100 to 200"):
        for_model(Recording(sine()[None], FS, "x.wav"), manifest(), level)
