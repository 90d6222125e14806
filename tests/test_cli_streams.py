"""`run`, `live` and `bench` with streams: pieces on disk, pictures in a terminal, times."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_checks import INTERRUPTIBLE, ROOT, SMALL, SPEECH, environment, without
from stream_checks import publish_fir, publish_frames

from amt_export import recording, runtime
from amt_export.audio import for_model, read_audio
from amt_export.cli import sinks
from amt_export.cli.cochlea import INK, LABELS, SCALE, Picture
from amt_export.cli.main import main
from amt_export.cli.sources import Microphone
from amt_export.errors import AudioError
from amt_export.manifest import load_manifest

BLOCK = 640


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Three gammatone channels with a streaming form, ONNX only."""
    root = tmp_path_factory.mktemp("streams")
    path = root / "small.toml"
    path.write_text(f"{SMALL}\n[stream]\nblock = {BLOCK}\n", encoding="utf-8")
    assert main(["build", str(path), "--format", "onnx", "--out", str(root)]) == 0
    return root / "small"


@pytest.fixture
def wav(tmp_path):
    """Write a WAV file and return its path."""

    def write(samples, fs=16000, name="input.wav"):
        soundfile.write(tmp_path / name, samples, fs, subtype="FLOAT", format="WAV")
        return tmp_path / name

    return write


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


def processed(folder: Path, path: Path, level: float | None = None) -> np.ndarray:
    """What the whole form answers to a recording, in windows."""
    model = runtime.load(folder)
    audio = for_model(read_audio(path), model.manifest, level)
    return model.process(audio.samples)["subbands"]


# ---------------------------------------------------------------- run


@pytest.mark.parametrize("level", [None, 65.0])
def test_run_writes_the_same_numbers_in_either_file(level, small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recording, "PIECE", 5000)  # thirty pieces, not one
    options = [] if level is None else ["--level", str(level)]
    for name in ("a.npz", "a.npy"):
        command = ["run", str(small), str(SPEECH), "-o", str(tmp_path / name), *options]
        assert main(command) == 0
    expected = processed(small, SPEECH, level)
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


def test_run_draws_without_keeping_the_numbers(small, tmp_path):
    png = tmp_path / "speech.png"
    assert main(["run", str(small), str(SPEECH), "--plot", str(png)]) == 0
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


def failed(capsys, *arguments) -> str:
    """Return the one line with which a command has failed."""
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    return error


def test_what_does_not_fit_is_said_before_anything_is_done(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sinks, "free_memory", lambda: 1000)
    out = tmp_path / "out"
    out.mkdir()
    error = failed(capsys, "run", small, SPEECH, "-o", out / "x.npz")
    assert "an .npz of 1.29 MB is made in memory, of which 1 kB are free; give -o x.npy" in error
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(sinks.shutil, "disk_usage", lambda _path: usage)
    error = failed(capsys, "run", small, SPEECH, "-o", out / "x.npy")
    assert "x.npy: needs 1.29 MB, the disk has 1 kB free" in error
    assert not list(out.iterdir())


def test_a_recording_that_goes_wrong_in_the_middle_leaves_nothing(small, wav, tmp_path, capsys):
    samples = noise(200000)
    samples[150000] = np.nan
    path = wav(samples)
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.npy").write_bytes(b"earlier")
    error = failed(capsys, "run", small, path, "-o", out / "x.npy", "--plot", out / "x.png")
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


def test_memory_does_not_grow_with_the_recording(small, wav, tmp_path):
    """Ten minutes take what half a minute takes, though the array on disk has 115 MB."""
    peaks = []
    for seconds in (30, 600):
        path = wav(np.resize(noise(16000), 16000 * seconds), name=f"{seconds}.wav")
        command = ["run", small, path, "-o", tmp_path / f"{seconds}.npy"]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *map(str, command)],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert (tmp_path / "600.npy").stat().st_size > 100e6
    # The map that is written through is opened anew after every 64 MB.
    assert peaks[1] - peaks[0] < 80e6


# ---------------------------------------------------------------- live


def on_a_terminal(*arguments, stop_after: float | None = None, colour: bool = True, first=()):
    """Run amt-export on a terminal of 80 x 24; what it wrote and its exit code."""
    master, slave = pty.openpty()
    env = environment(*first) | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LINES": "24"}
    env |= {} if colour else {"NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(slave)
    written = bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # what Linux says when the other end is closed
                return
            if not part:
                return
            written.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    if stop_after is not None:
        deadline = time.monotonic() + 60
        while b"x real time" not in written and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(stop_after)
        process.send_signal(signal.SIGINT)
    code = process.wait(timeout=60)
    reader.join(timeout=10)
    os.close(master)
    return written.decode(), code


def plain(text: str) -> list[str]:
    """Lines without their colours and movements."""
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    return [line for line in bare.splitlines() if line.strip()]


def test_live_draws_a_file_in_real_time(small, wav):
    started = time.monotonic()
    path = wav(noise(16000))
    text, code = on_a_terminal("live", small, path, "--seconds", "2")
    assert code == 0, text
    assert time.monotonic() - started > 1.0
    assert "\x1b[38;2;" in text  # 24-bit colours
    lines = plain(text)
    assert max(map(len, lines)) <= 80
    picture = [line for line in lines if "▀" in line]
    assert len(picture) % 18 == 0  # 24 lines, less title, axis, labels, status, last line, cursor
    assert any(line.startswith("   1k┤▀") for line in picture)
    assert any(line.startswith("  500┤▀") for line in picture)
    assert any(re.search(r"-1\.5 s +-1 s +-0\.5 s +now dB SPL", line) for line in lines)
    assert any("small, subbands: input.wav" in line and "1.0 of 1.0 s" in line for line in lines)
    assert any("block 40 ms, latency 0 ms, Ctrl-C stops" in line for line in lines)
    assert "ended after 1.0 s of input.wav" in lines[-1]
    assert "x real time" in lines[-1]


def test_live_ends_cleanly_on_ctrl_c(small, wav):
    text, code = on_a_terminal("live", small, wav(noise(16000 * 30)), stop_after=0.3)
    assert code == 0, text
    assert "stopped after" in plain(text)[-1]
    assert "Traceback" not in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


def test_live_without_colours_draws_with_characters(small, wav):
    text, code = on_a_terminal("live", small, wav(noise(8000)), colour=False)
    assert code == 0, text
    assert "38;2" not in text
    assert "▀" not in text
    assert re.search(r"┤.*[*#%@]{3}", text)


def test_live_needs_a_terminal_a_stream_and_one_signal(small, tmp_path, wav, capsys):
    path = wav(noise(100))
    assert "live draws on a terminal" in failed(capsys, "live", small, path)
    toml = tmp_path / "small.toml"
    toml.write_text(SMALL, encoding="utf-8")
    out = tmp_path / "whole"
    assert main(["build", str(toml), "--format", "onnx", "--out", str(out)]) == 0
    capsys.readouterr()
    for folder, message in (
        (out / "small", "has no streaming form; give its model file a [stream] block"),
        (publish_fir(tmp_path / "two", batch=2), "was built for several signals at once"),
        (publish_frames(tmp_path / "frames"), "no output over time and frequency to draw"),
    ):
        text, code = on_a_terminal("live", folder, wav(noise(100, 2)))
        assert code == 1
        assert message in text
        assert "Traceback" not in text


def test_live_without_sounddevice_is_one_line(small, tmp_path):
    text, code = on_a_terminal("live", small, first=[without(tmp_path, "sounddevice")])
    assert code == 1
    assert len(plain(text.strip())) == 1
    assert "Listening to a microphone needs sounddevice (no sounddevice here)" in text
    assert "pip install 'amt_export[live]'" in text


class Device:
    """A sound device that records what it is told, in a thread of its own."""

    def __init__(self, callback, channels, samplerate, **_options):
        self.callback, self.channels = callback, channels
        self.thread = threading.Thread(target=self.record)

    def record(self):
        for k in range(3):
            frames = np.full((160, self.channels), k + 1.0, np.float32)
            self.callback(frames, 160, None, "overflow" if k == 1 else "")
            frames[:] = 99.0  # the library uses its buffer again

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()


def fake_sounddevice(folder: Path, text: str) -> None:
    (folder / "sounddevice.py").write_text(text, encoding="utf-8")


@pytest.fixture
def sounddevice(monkeypatch):
    module = type(sys)("sounddevice")
    module.InputStream, module.PortAudioError = Device, OSError
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_the_microphone_gives_what_was_recorded_in_the_unit_of_the_model(small, sounddevice):
    manifest = load_manifest(small)
    microphone = Microphone(None, manifest)
    heard = np.zeros((1, 0))
    with microphone.opened() as pieces:
        while heard.shape[1] < 480:
            heard = np.concatenate([heard, next(pieces)], axis=1)
    full_scale = 2e-5 * 10 ** (93.98 / 20) * np.sqrt(2)
    expected = np.repeat([1.0, 2.0, 3.0], 160) * full_scale
    np.testing.assert_allclose(heard[0], expected, rtol=1e-6)
    assert microphone.lost == 1


def test_a_model_that_cannot_keep_up_hears_what_is_now(small, sounddevice):
    microphone = Microphone(None, load_manifest(small))
    for k in range(200):
        microphone._take(np.full((160, 1), float(k), np.float32), 160, None, "")
    piece = next(microphone._pieces())
    assert piece.shape == (1, 160)
    assert microphone.lost == 1


def test_a_microphone_that_does_not_open_is_one_line(small, sounddevice):
    def refuse(**_options):
        raise OSError("Invalid sample rate")

    sounddevice.InputStream = refuse
    with (
        pytest.raises(AudioError, match=r"Invalid sample rate \(at 16000 Hz\); --device chooses"),
        Microphone("3", load_manifest(small)).opened(),
    ):
        pass


# ---------------------------------------------------------------- the picture by itself


def picture(columns=40, rows=10, colours=True) -> Picture:
    frequencies = np.array([200.0, 400.0, 800.0, 1600.0, 3200.0])
    width = columns + LABELS + SCALE
    return Picture(frequencies, width, rows + 2, 2.0, "dB SPL", colours)


def text_of(lines) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


def test_the_loudest_place_is_where_its_frequency_is():
    shown = picture(colours=False)
    levels = np.full((5, 40), 10.0)
    levels[3] = 70.0  # 1600 Hz
    shown.add(levels)
    lines = text_of(shown.lines())
    brightest = max(range(10), key=lambda row: INK.index(lines[row][20]))
    (labelled,) = [row for row, line in enumerate(lines) if line.startswith("   2k┤")]
    assert brightest - labelled in (1, 2)  # 1600 Hz is a little below
    assert lines[0].rstrip().endswith("70")
    assert lines[9].rstrip().endswith("10")


def test_time_moves_to_the_left():
    shown = picture(colours=False)
    shown.add(np.full((5, 1), 60.0))
    shown.add(np.full((5, 3), 45.0))
    row = text_of(shown.lines())[5][6:46]
    assert row[:37] == " " * 36 + "@"
    assert row[37] == row[38] == row[39] != "@"
    shown.add(np.full((5, 100), 45.0))  # more than fits
    assert text_of(shown.lines())[5][6:46] == 40 * row[39]


def test_the_scale_moves_by_whole_steps_and_not_for_silence():
    shown = picture()
    shown.add(np.full((5, 1), -np.inf))
    assert shown.top is None
    shown.lines()
    shown.add(np.full((5, 1), 61.0))
    assert shown.top == 70.0
    shown.add(np.full((5, 40), 45.0))
    assert shown.top == 70.0
    shown.add(np.full((5, 40), 31.0))
    assert shown.top == 40.0
    shown.add(np.full((5, 2), np.nan))
    assert shown.top == 40.0
    assert all(len(line) <= 40 + LABELS + SCALE for line in text_of(shown.lines()))


def test_a_tone_between_two_rows_is_seen():
    """A thousand bins on ten rows: each row shows the loudest of its own."""
    shown = Picture(np.linspace(0.0, 16000.0, 1025), 56, 12, 2.0, "dB SPL/Hz", colours=False)
    levels = np.zeros((1025, 40))
    levels[700] = 60.0
    shown.add(levels)
    assert sum("@" in line[LABELS:46] for line in text_of(shown.lines())[:10]) == 1


# ---------------------------------------------------------------- bench and list


def test_bench_measures_streams(small, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["bench", str(small), "--repeats", "2", "--no-peer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (header,) = [line for line in lines if line.startswith("stream")]
    assert header.split() == [
        *("stream", "size", "block", "latency", "x", "real", "added", "per", "push"),
    ]
    row = lines[lines.index(header) + 1].split()
    assert row[0] == "onnx"
    assert "640 (40 ms)" in " ".join(row)
    assert "0 (0 ms)" in " ".join(row)
    assert float(row[-3]) > 1
    assert 0 < float(row[-2]) < 10


def test_list_sees_another_block(small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "small.toml"
    for block, word in ((BLOCK, "yes"), (BLOCK // 2, "old")):
        path.write_text(f"{SMALL}\n[stream]\nblock = {block}\n", encoding="utf-8")
        assert main(["list", "--out", str(small.parent)]) == 0
        text = capsys.readouterr().out
        (row,) = [line for line in text.splitlines() if line.startswith("small")]
        assert word in row.split()
