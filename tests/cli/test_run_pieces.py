"""`run`: a recording goes to disk piece by piece, whatever its length, or leaves nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amt_export import runtime
from amt_export.audio import reader as recording
from amt_export.audio.reader import AudioReader
from amt_export.cli.main import main
from amt_export.cli.sinks import arrays
from support.cli import SPEECH, environment, failed, noise
from support.process import succeeded
from support.streams import publish_fir, publish_frames


def processed(folder: Path, path: Path, level: float | None = None) -> np.ndarray:
    """What the whole form answers to a recording, in windows."""
    model = runtime.load(folder)
    return model.process(AudioReader(path, model.manifest, level).read())["subbands"]


@pytest.mark.parametrize("level", [None, 65.0])
def test_run_writes_the_same_numbers_in_either_file(
    level, small_stream, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(recording, "PIECE", 5000)  # thirty pieces, not one
    options = [] if level is None else ["--level", str(level)]
    for name in ("a.npz", "a.npy"):
        command = ["run", str(small_stream), str(SPEECH), "-o", str(tmp_path / name), *options]
        assert main(command) == 0
    expected = processed(small_stream, SPEECH, level)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert mapped.dtype == np.float32
    assert mapped.shape == expected.shape
    peak = np.abs(expected).max()
    assert np.abs(mapped - expected).max() < 1e-6 * peak
    with np.load(tmp_path / "a.npz") as data:
        np.testing.assert_array_equal(data["subbands"], mapped)
    about = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert about["fs"] == 16000
    assert about["manifest"]["name"] == "small"
    np.testing.assert_allclose(about["centre_frequencies"], [500, 1000, 4000], rtol=1e-6)
    text = capsys.readouterr().out
    assert "a.npy (" in text
    assert "a.json (" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.npy", "a.npz"]


def test_run_draws_without_keeping_the_numbers(small_stream, tmp_path):
    png = tmp_path / "speech.png"
    assert main(["run", str(small_stream), str(SPEECH), "--plot", str(png)]) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["speech.png"]


def test_models_with_several_outputs_write_several_arrays(tmp_path, wav, monkeypatch):
    path = wav(noise(1000))
    folder = publish_fir(tmp_path / "fir")
    out = tmp_path / "out"
    out.mkdir()
    assert main(["run", str(folder), str(path), "-o", str(out / "x.npy")]) == 0
    # One output along time has the name that was given; a constant one is beside it.
    assert sorted(p.name for p in out.iterdir()) == ["x.freqs.npy", "x.json", "x.npy"]
    assert np.load(out / "x.npy").shape == (1, 3, 1000)
    np.testing.assert_array_equal(np.load(out / "x.freqs.npy"), [1, 2, 3])


def test_frames_of_two_ears(tmp_path, wav):
    path = wav(noise(1001, 2))
    folder = publish_frames(tmp_path / "frames")
    assert main(["run", str(folder), str(path), "-o", str(tmp_path / "x.npy")]) == 0
    frames = np.load(tmp_path / "x.npy")
    assert frames.shape == (1, 2, 1 + (1001 - 12) // 4)
    samples = soundfile.read(path)[0]
    np.testing.assert_allclose(frames[0, :, 7], samples[28:40].sum(axis=0), atol=1e-5)


def test_what_does_not_fit_is_said_before_anything_is_done(
    small_stream, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(arrays, "free_memory", lambda: 1000)
    out = tmp_path / "out"
    out.mkdir()
    error = failed(capsys, "run", small_stream, SPEECH, "-o", out / "x.npz")
    assert "an .npz of 1.29 MB is made in memory, of which 1 kB are free; give -o x.npy" in error
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(arrays.shutil, "disk_usage", lambda _path: usage)
    error = failed(capsys, "run", small_stream, SPEECH, "-o", out / "x.npy")
    assert "x.npy: needs 1.29 MB, the disk has 1 kB free" in error
    assert not list(out.iterdir())


def test_a_recording_that_goes_wrong_in_the_middle_leaves_nothing(
    small_stream, wav, tmp_path, capsys
):
    samples = noise(200000)
    samples[150000] = np.nan
    path = wav(samples)
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.npy").write_bytes(b"earlier")
    error = failed(capsys, "run", small_stream, path, "-o", out / "x.npy", "--plot", out / "x.png")
    assert "a sample is NaN or infinite at 9.375 s" in error
    assert (out / "x.npy").read_bytes() == b"earlier"
    assert [p.name for p in out.iterdir()] == ["x.npy"]


def test_a_recording_too_short_for_a_frame(tmp_path, wav, capsys):
    folder = publish_frames(tmp_path / "frames")
    error = failed(capsys, "run", folder, wav(noise(11, 2)), "-o", tmp_path / "x.npy")
    assert "11 samples; this model needs at least 12" in error


PEAK = """
import sys
from amt_export.cli.memory import _peak
from amt_export.cli.main import main
code = main(sys.argv[1:])
print(_peak())
sys.exit(code)
"""


def test_memory_does_not_grow_with_the_recording(small_stream, wav, tmp_path):
    """Ten minutes take what half a minute takes, though the array on disk has 115 MB."""
    peaks = []
    for seconds in (30, 600):
        path = wav(np.resize(noise(16000), 16000 * seconds), name=f"{seconds}.wav")
        command = ["run", small_stream, path, "-o", tmp_path / f"{seconds}.npy"]
        said = succeeded(sys.executable, "-c", PEAK, *command, env=environment())
        peaks.append(int(said.splitlines()[-1]))
    assert (tmp_path / "600.npy").stat().st_size > 100e6
    # The map that is written through is opened anew after every 64 MB.
    assert peaks[1] - peaks[0] < 80e6
