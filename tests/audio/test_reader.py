"""A recording piece by piece is the recording as a whole."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.audio.calibration import for_model, read_audio
from amt_export.audio.reader import Recorder
from amt_export.errors import AudioError, MissingDependencyError
from support.manifests import MONO, STEREO, manifest


def noise(*shape: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(shape)


@pytest.fixture
def wav(tmp_path):
    """Write a WAV file and return its path."""

    def write(samples, fs=16000, name="input.wav"):
        soundfile.write(tmp_path / name, samples, fs, subtype="FLOAT", format="WAV")
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Mono and stereo files at three sampling rates."""
    folder = tmp_path_factory.mktemp("files")
    paths = {}
    for fs in (16000, 22050, 8000):
        for channels in (1, 2):
            path = folder / f"{fs}_{channels}.wav"
            soundfile.write(path, noise(4321, channels), fs, subtype="FLOAT")
            paths[fs, channels] = path
    return paths


@settings(max_examples=40, deadline=None)
@given(
    fs=st.sampled_from([16000, 22050, 8000]),
    channels=st.sampled_from([1, 2]),
    size=st.integers(50, 6000),
    level=st.sampled_from([None, 65.0]),
    ears=st.booleans(),
)
def test_pieces_join_to_the_whole(files, fs, channels, size, level, ears):
    path = files[fs, channels]
    model = manifest(STEREO if ears else MONO)
    if ears and channels == 1:
        with pytest.raises(AudioError, match="1 channel, but the model has two ears"):
            Recorder(path, model, level)
        return
    recorder = Recorder(path, model, level)
    expected = for_model(read_audio(path), model, level)
    joined = np.concatenate(list(recorder.pieces(size)), axis=-1)
    assert joined.shape == expected.samples.shape
    assert recorder.samples == joined.shape[-1]
    np.testing.assert_allclose(joined, expected.samples, rtol=1e-12, atol=1e-15)
    assert recorder.calibration == expected.calibration
    assert (recorder.fs, recorder.file_fs, recorder.channels) == (16000, fs, channels)
    # and once more, from the start
    again = np.concatenate(list(recorder.pieces(size)), axis=-1)
    np.testing.assert_array_equal(again, joined)


def test_what_a_recording_cannot_be(wav, tmp_path):
    for path, message in {
        wav(np.zeros(0), name="empty.wav"): "holds no samples",
        wav(np.zeros(1), fs=44100, name="short.wav"): "too short for a single sample at 16000 Hz",
        tmp_path / "gone.wav": "no such file",
        tmp_path: "is a folder",
    }.items():
        with pytest.raises(AudioError, match=message):
            Recorder(path, manifest())
    text = tmp_path / "text.wav"
    text.write_text("no audio", encoding="utf-8")
    with pytest.raises(AudioError, match="give a WAV, FLAC or OGG file"):
        Recorder(text, manifest())
    with pytest.raises(AudioError, match="takes psd, not audio"):
        Recorder(wav(noise(100)), manifest(name="psd"))
    odd = replace(manifest(), sampling_rate=16000.5)
    with pytest.raises(AudioError, match=r"runs at 16000\.5 Hz, and sounds .* whole rates"):
        Recorder(wav(noise(100)), odd)
    with pytest.raises(AudioError, match="is silent"):
        Recorder(wav(np.zeros(100)), manifest(), 60.0)


def test_a_bad_sample_is_named_by_its_time(wav):
    samples = noise(16000)
    samples[12345] = np.inf
    recorder = Recorder(wav(samples), manifest())
    pieces = recorder.pieces(1000)
    for _ in range(12):
        next(pieces)
    with pytest.raises(AudioError, match=r"a sample is NaN or infinite at 0\.772 s"):
        next(pieces)


def test_a_file_that_ends_early(wav):
    path = wav(noise(16000))
    recorder = Recorder(path, manifest())
    soundfile.write(path, noise(4000), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"ends at 0\.250 s of 1\.000 s"):
        list(recorder.pieces(1000))


@pytest.mark.parametrize("level", [None, 60.0])
def test_a_damaged_file(level, tmp_path):
    path = tmp_path / "damaged.flac"
    soundfile.write(path, noise(48000), 16000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"damaged\.flac: damaged behind .* of 3\.000 s \("):
        list(Recorder(path, manifest(), level).pieces(4000))


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_packages_that_are_not_there(package, wav, monkeypatch):
    path = wav(noise(100), fs=22050)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=f"needs {package}"):
        Recorder(path, manifest())
