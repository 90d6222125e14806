"""examples/node: a WAV through packages/js and onnxruntime-node, compared with Python."""

import numpy as np
import pytest

from support.apps import (
    EXAMPLES,
    FRAMES,
    LOUDNESS,
    SAMPLES,
    answer,
    app_model,
    installed,
    program,
    worst,
)
from support.process import ran

sf = pytest.importorskip("soundfile")
SCRIPT = EXAMPLES / "node" / "stream-wav.mjs"
FULL_SCALE = np.float32(2**0.5 * 2e-5 * 10 ** (93.98 / 20))


@pytest.fixture(scope="module", autouse=True)
def _is_installed():
    installed("node", "onnxruntime-node")
    installed("node", "amt-export")


def stream_wav(*arguments):
    return ran(program("node"), SCRIPT, *arguments)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_gives_what_python_gives(tmp_path, subtype):
    rng = np.random.default_rng(0)
    stereo = 0.1 * rng.standard_normal((5000, 2))  # no multiple of the block
    sf.write(tmp_path / "in.wav", stereo, 16000, subtype=subtype)
    done = stream_wav(app_model(SAMPLES), tmp_path / "in.wav", tmp_path / "out.npy")
    assert done.returncode == 0, done.stderr
    heard, _ = sf.read(tmp_path / "in.wav", dtype="float64")
    audio = (FULL_SCALE * heard.mean(1)).astype(np.float32)
    found = np.load(tmp_path / "out.npy", mmap_mode="r").T
    assert found.dtype == np.float32
    assert found.shape == (30, 5000)
    assert worst(np.asarray(found), answer(app_model(SAMPLES), audio)["subbands"]) < 2e-6


def test_levels_are_written_frame_by_frame(tmp_path):
    audio = 0.1 * np.random.default_rng(0).standard_normal(6000)
    sf.write(tmp_path / "in.wav", audio, 44100, subtype="FLOAT")
    done = stream_wav(app_model(FRAMES), tmp_path / "in.wav", tmp_path / "out.npy")
    assert done.returncode == 0, done.stderr
    expected = answer(app_model(FRAMES), FULL_SCALE * audio.astype(np.float32))["levels"]
    np.testing.assert_allclose(np.load(tmp_path / "out.npy").T, expected, atol=1e-3)


def test_loudness_of_a_mono_file_needs_to_be_asked_for(tmp_path):
    sf.write(tmp_path / "in.wav", 0.1 * np.random.default_rng(0).standard_normal(6400), 32000)
    arguments = [app_model(LOUDNESS), tmp_path / "in.wav", tmp_path / "out.npy"]
    refused = stream_wav(*arguments)
    assert refused.returncode == 1
    assert "has two ears; give a stereo file, or --diotic" in refused.stderr
    done = stream_wav(*arguments, "--diotic", "--output", "long_term")
    assert done.returncode == 0, done.stderr
    heard = FULL_SCALE * sf.read(tmp_path / "in.wav", dtype="float32")[0]
    expected = answer(app_model(LOUDNESS), np.stack([heard, heard]))
    found = np.load(tmp_path / "out.npy")
    assert worst(found.T, expected["long_term"].T) < 1e-5
    maximum = float(done.stdout.split("maximum ")[1].split(" sone")[0])
    assert maximum == pytest.approx(float(expected["loudness"]), rel=5e-3)


def test_the_level_is_that_of_a_full_scale_sine(tmp_path):
    sf.write(tmp_path / "in.wav", np.full(600, 0.25), 16000, subtype="FLOAT")
    for level in (60, 80):
        path = tmp_path / f"{level}.npy"
        done = stream_wav(app_model(SAMPLES), tmp_path / "in.wav", path, f"--full-scale={level}")
        assert done.returncode == 0, done.stderr
    low, high = (np.load(tmp_path / f"{level}.npy") for level in (60, 80))
    assert worst(10 * low.T, high.T) < 2e-6


@pytest.mark.parametrize(
    ("fs", "arguments", "complaint"),
    [
        (8000, [], "has 8000 Hz, gammatone_speech_16k needs 16000 Hz"),
        (16000, ["--full-scale=loud"], "usage: "),
        (16000, ["--full-scale=300"], "full scale 300 dB SPL: give one from -100 to 200"),
        (16000, ["--raw", "--full-scale=90"], "give either raw or a level"),
        (16000, ["--output=levels"], "no such output; gammatone_speech_16k gives subbands"),
        (None, [], "is no WAV file"),
    ],
)
def test_complaints_are_one_line(tmp_path, fs, arguments, complaint):
    path = tmp_path / "in.wav"
    if fs:
        sf.write(path, np.zeros(100), fs)
    else:
        path.write_text("this is text, and no sound at all")
    done = stream_wav(app_model(SAMPLES), path, tmp_path / "out.npy", *arguments)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_truncated_file_and_a_nan_are_refused(tmp_path):
    audio = np.zeros(2000, np.float32)
    sf.write(tmp_path / "whole.wav", audio, 16000, subtype="FLOAT")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:-400])
    audio[1234] = np.nan
    sf.write(tmp_path / "nan.wav", audio, 16000, subtype="FLOAT")
    for name, complaint in (
        ("cut", "is truncated, 400 of 8000 bytes of samples missing"),
        ("nan", "sample 1234 of the stream is NaN or infinite"),
    ):
        done = stream_wav(app_model(SAMPLES), tmp_path / f"{name}.wav", tmp_path / "out.npy")
        assert done.returncode == 1
        assert complaint in done.stderr
        assert not (tmp_path / "out.npy").exists()


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    sf.write(tmp_path / "in.wav", np.zeros(600), 16000)
    for paths, missing in (
        ((tmp_path / "gone.wav", tmp_path / "out.npy"), tmp_path / "gone.wav"),
        ((tmp_path / "in.wav", tmp_path / "gone" / "out.npy"), tmp_path / "gone" / "out.npy"),
    ):
        done = stream_wav(app_model(SAMPLES), *paths)
        assert done.returncode == 1
        assert done.stderr == f"{missing}: no such file or folder\n"
