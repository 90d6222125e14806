"""A recording piece by piece is the recording as a whole."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.audio.reader import AudioReader
from amt_export.errors import AudioError, MissingDependencyError
from support.cli import noise
from support.manifests import MONO, STEREO, manifest


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


def independently(path, ears, level):
    """The whole file at once, from the formulas."""
    samples, fs = soundfile.read(path, always_2d=True)
    heard = samples if ears else samples.mean(axis=1, keepdims=True)
    pascal = heard * np.sqrt(2) * 2e-5 * 10 ** (93.98 / 20)
    if level is not None:
        # A level leaves the mean of each channel out.
        pascal = heard / np.sqrt(np.mean(heard.var(axis=0))) * 2e-5 * 10 ** (level / 20)
    pascal = pascal if fs == 16000 else soxr.resample(pascal, fs, 16000, quality="VHQ")
    return pascal.T[None] if ears else pascal.T


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
            AudioReader(path, model, level)
        return
    recorder = AudioReader(path, model, level)
    expected = independently(path, ears, level)
    joined = np.concatenate(list(recorder.pieces(size)), axis=-1)
    assert joined.shape == expected.shape
    assert recorder.samples == joined.shape[-1]
    np.testing.assert_allclose(joined, expected, rtol=1e-12, atol=1e-15)
    assert (recorder.fs, recorder.file_fs, recorder.channels) == (16000, fs, channels)
    # and once more, from the start
    again = np.concatenate(list(recorder.pieces(size)), axis=-1)
    np.testing.assert_array_equal(again, joined)


def test_what_a_recording_cannot_be(wav, tmp_path):
    nothing = tmp_path / "empty.wav"
    nothing.touch()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for path, message in {
        wav(np.zeros(0), name="none.wav"): "holds no samples",
        nothing: r"empty\.wav: the file is empty \(0 bytes\)",
        wav(np.zeros(1), fs=44100, name="short.wav"): "too short for a single sample at 16000 Hz",
        tmp_path / "gone.wav": "no such file",
        tmp_path / "loop.wav": "no such file",
        tmp_path / "null\0.wav": "no such file",
        tmp_path: "is a folder",
    }.items():
        with pytest.raises(AudioError, match=message):
            AudioReader(path, manifest())
    text = tmp_path / "text.wav"
    text.write_text("no audio", encoding="utf-8")
    with pytest.raises(AudioError, match="give a WAV, FLAC, AIFF, OGG or MP3 file"):
        AudioReader(text, manifest())
    with pytest.raises(AudioError, match="takes psd, not audio"):
        AudioReader(wav(noise(100)), manifest(name="psd"))
    odd = replace(manifest(), sampling_rate=16000.5)
    with pytest.raises(AudioError, match=r"runs at 16000\.5 Hz, and sounds .* whole rates"):
        AudioReader(wav(noise(100)), odd)
    with pytest.raises(AudioError, match="silence cannot"):
        AudioReader(wav(np.zeros(100)), manifest(), 60.0)


def test_a_name_that_no_file_can_have_is_not_a_missing_file(tmp_path):
    # From Python 3.14 on, Path.is_file is silent about it.
    with pytest.raises(OSError, match="name too long"):
        AudioReader(tmp_path / f"{'long' * 70}.wav", manifest())


def test_a_bad_sample_is_named_by_its_time(wav):
    samples = noise(16000)
    samples[12345] = np.inf
    recorder = AudioReader(wav(samples), manifest())
    pieces = recorder.pieces(1000)
    for _ in range(12):
        next(pieces)
    with pytest.raises(AudioError, match=r"a sample is NaN or infinite at 0\.772 s"):
        next(pieces)


def test_a_file_that_ends_early(wav):
    path = wav(noise(16000))
    recorder = AudioReader(path, manifest())
    soundfile.write(path, noise(4000), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"ends at 0\.250 s of 1\.000 s"):
        list(recorder.pieces(1000))


@pytest.mark.parametrize("level", [None, 60.0])
def test_a_damaged_file(level, tmp_path):
    path = tmp_path / "damaged.flac"
    soundfile.write(path, noise(48000), 16000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        AudioError, match=r"damaged\.flac: damaged after .* of 3\.000 s \("
    ) as caught:
        list(AudioReader(path, manifest(), level).pieces(4000))
    assert str(caught.value).endswith("; --truncated (truncated=True) takes what is there")
    assert caught.value.command_line.endswith("; --truncated takes what is there")


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_packages_that_are_not_there(package, wav, monkeypatch):
    path = wav(noise(100), fs=22050)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=f"needs {package}"):
        AudioReader(path, manifest())


# ---------------------------------------------------------------- formats, and files that end early


@pytest.mark.parametrize(
    ("suffix", "subtype", "error"),
    [
        ("wav", "FLOAT", 1e-7),
        ("wav", "PCM_16", 1e-4),
        ("flac", "PCM_24", 1e-6),
        ("aiff", "PCM_16", 1e-4),
        ("ogg", None, 0.1),
    ],
)
def test_common_formats(tmp_path, suffix, subtype, error):
    path = tmp_path / f"tone.{suffix}"
    tone = 0.5 * np.sin(np.arange(16000) / 3)
    soundfile.write(path, tone, 16000, subtype=subtype)
    reader = AudioReader(path, manifest(unit="full scale"))
    assert (reader.fs, reader.name, reader.remarks) == (16000, path.name, [])
    found = reader.read()
    assert found.dtype == np.float64
    assert found.shape == (1, 16000)
    assert np.abs(found - tone).max() < error


@pytest.mark.parametrize("content", [b"not audio at all", b"RIFF\0\0\0\0WAVEfmt "])
def test_not_audio(tmp_path, content):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"broken\.wav: .*give a WAV"):
        AudioReader(path, manifest())


def test_samples_without_a_header(tmp_path):
    path = tmp_path / "samples.raw"
    path.write_bytes(bytes(1000))
    with pytest.raises(AudioError, match=r"samples\.raw: states no sampling rate; give a WAV"):
        AudioReader(path, manifest())


FORMATS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "extensible.wav": {"format": "WAVEX", "subtype": "PCM_24"},
    "rf64": {"format": "RF64", "subtype": "PCM_16"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_no_truncated_file_is_read_as_a_shorter_one(tmp_path, kind):
    whole = tmp_path / f"whole.{kind}"
    soundfile.write(whole, noise(8000), 16000, **FORMATS[kind])
    content = whole.read_bytes()
    assert AudioReader(whole, manifest()).read().shape == (1, 8000)
    path = tmp_path / f"cut.{kind}"
    sizes = {
        1,
        30,
        44,
        60,
        len(content) // 3,
        len(content) // 2,
        len(content) - 100,
        len(content) - 1,
    }
    for size in sizes:
        path.write_bytes(content[:size])
        with pytest.raises(AudioError):
            AudioReader(path, manifest()).read()


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_there_of_a_truncated_file_is_taken_on_request(tmp_path, kind):
    path = tmp_path / f"cut.{kind}"
    soundfile.write(path, noise(48000), 16000, **FORMATS[kind])
    whole = AudioReader(path, manifest()).read()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    reader = AudioReader(path, manifest(), truncated=True)
    found = reader.read()
    assert found.shape == (1, reader.samples)
    assert 10000 < reader.samples < 30000
    np.testing.assert_array_equal(found, whole[:, : reader.samples])
    assert reader.remarks
    assert "truncated" in reader.remarks[0] or " of 3.000 s" in reader.remarks[0]


def test_how_much_is_missing_is_said(tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, noise(1000), 16000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(AudioError, match=r"is truncated, 500 of 2000 bytes of samples missing"):
        AudioReader(path, manifest())


def test_a_wav_from_a_pipe_does_not_know_its_size(tmp_path):
    path = tmp_path / "pipe.wav"
    soundfile.write(path, noise(1000), 16000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = b"\xff" * 4
    path.write_bytes(content)
    assert AudioReader(path, manifest()).samples == 1000


def test_chunks_around_the_samples_are_no_samples(tmp_path):
    path = tmp_path / "notes.wav"
    soundfile.write(path, noise(1001), 16000, subtype="PCM_U8")
    content = path.read_bytes()
    note = b"LIST" + (5).to_bytes(4, "little") + b"hello\0"
    path.write_bytes(content[:12] + note + content[12:] + b"\0" * (len(content) % 2) + note)
    assert AudioReader(path, manifest()).samples == 1001


@pytest.mark.parametrize("fs", [1, 500])
def test_a_rate_that_no_recording_has(tmp_path, fs):
    path = tmp_path / "slow.wav"
    soundfile.write(path, noise(1000), fs)
    with pytest.raises(AudioError, match=f"has {fs} Hz; give a file of 1000 Hz or more"):
        AudioReader(path, manifest())
