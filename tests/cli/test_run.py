"""`amt-export run`, in a process of its own, with good and with bad input."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amt_export.cli.main import main
from amt_export.manifest import MANIFEST_NAME
from support.cli import SPEECH, amt, environment, failed, misused, noise, refused, run, without
from support.loudness import publish_loudness
from support.process import ran


def test_run_writes_numbers_and_a_picture(small, tmp_path):
    blocked = without(tmp_path, "torch", "onnx", "coremltools", "scipy")
    files = ("-o", "out.npz", "--plot", "out.png")
    done = amt("run", small, SPEECH, *files, cwd=tmp_path, first=[blocked])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "22050 Hz resampled to 16000 Hz" in done.stdout
    assert "full-scale sine = 93.98 dB SPL" in done.stdout
    assert "times real time" in done.stdout
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out.npz") as data:
        made = {"source", "sha256", "fs", "level", "pascals_per_full_scale", "hop", "time"}
        assert set(data.files) == {"subbands", *made, "centre_frequencies", "manifest"}
        assert data["fs"] == 16000
        assert data["subbands"].shape == (1, 3, round(soundfile.info(SPEECH).duration * 16000))
        np.testing.assert_allclose(data["centre_frequencies"], [500, 1000, 4000], rtol=1e-6)
        assert json.loads(str(data["manifest"]))["name"] == "small"


def test_run_is_named_after_the_recording_and_calibrated(small, tmp_path, wav):
    path = wav(np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000)), name="tone.wav")
    done = amt("run", small, path, "--level", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the recording has 60 dB SPL (RMS)" in done.stdout
    with np.load(tmp_path / "tone.small.npz") as data:
        rms = np.sqrt(np.mean(data["subbands"][0, 1, 8000:] ** 2))
    assert 20 * np.log10(rms / 2e-5) == pytest.approx(60, abs=0.1)


def test_default_names_hold_the_model(small, small_stream, wav, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = wav(np.zeros(1000), name="tone.wav")
    other = shutil.copytree(small_stream, tmp_path / "other")
    for folder in (small, other):
        assert run(folder, path, "--plot") == 0
    assert run(small, path, "--plot", "-o", "a.npz") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("a.npz", "a.png", "other", "tone.other.png", "tone.small.png", "tone.wav")
    ]


def test_what_only_reading_can_tell_is_said_once(small_stream, wav, tmp_path, capsys):
    tone = 0.01 * np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000))
    path = wav(np.stack([tone, tone], axis=1) + 0.1)
    for options in ((), ("--level", "60")):
        assert run(small_stream, path, "-o", tmp_path / "a.npz", *options) == 0
        text = capsys.readouterr()
        assert "input.wav: 1.00 s, 2 channels averaged, 16000 Hz\n" in text.out
        assert text.err.count("warning: input.wav has a DC offset") == 1
        with np.load(tmp_path / "a.npz") as data:
            rms = np.std(data["subbands"][0, 1, 8000:])
        level = 60 if options else 93.98 - 40
        assert 20 * np.log10(rms / 2e-5) == pytest.approx(level, abs=0.1)


def test_channels_that_cancel_leave_no_result(small_stream, wav, tmp_path, capsys):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000)
    path = wav(np.stack([noise, -noise], axis=1))
    for options in ((), ("--level", "60")):
        out = tmp_path / "out.npz"
        error = failed(capsys, "run", small_stream, path, "-o", out, *options)
        assert "input.wav: its 2 channels cancel" in error
        assert not out.exists()


def test_a_range_is_for_levels(small, wav, tmp_path, capsys):
    path = wav(np.zeros(1000))
    picture = ("--plot", tmp_path / "a.png")
    assert run(small, path, *picture, "--range", "-20", "40") == 0
    for options, words in (
        ((*picture, "--range", "40", "-20"), "give the lower level first"),
        ((*picture, "--range", "0", "nan"), "give the lower level first"),
        (("--range", "0", "60"), "is for pictures; add --plot"),
    ):
        assert words in misused(capsys, "run", small, path, *options)


BAD_AUDIO = {
    "no samples": lambda wav: wav(np.zeros(0)),
    "a sample is NaN": lambda wav: wav(np.array([0, np.nan, 0])),
    "infinite": lambda wav: wav(np.array([0.0, np.inf])),
    "give a WAV": lambda wav: Path(shutil.copy(__file__, wav(np.zeros(9)))),
    "no such file": lambda wav: Path("gone.wav"),
}


@pytest.mark.parametrize("message", BAD_AUDIO)
def test_bad_audio_is_one_line(message, small, wav, tmp_path, capsys):
    out = tmp_path / "out.npz"
    assert message in failed(capsys, "run", small, BAD_AUDIO[message](wav), "-o", out)
    assert not out.exists()


PYTHON = re.compile(r"\w=\w|\w=['\"]|\w\(\)|on_nonfinite")
"""What means nothing on a command line: a keyword argument, a call."""

TOO_LOUD = {
    "samples overflow": (1e38, ["--full-scale", "200"]),  # Pa that float32 cannot hold
    "outputs overflow": (3e38, ["--raw"]),
}


@pytest.mark.parametrize("kind", TOO_LOUD)
@pytest.mark.parametrize("form", ["small", "small_stream"])
def test_a_recording_too_loud_for_numbers_is_one_line_for_the_command_line(
    form, kind, request, wav, tmp_path, capsys
):
    peak, options = TOO_LOUD[kind]
    path = wav(peak * np.sign(np.sin(2 * np.pi * 500 / 16000 * np.arange(4000) + 0.1)))
    folder, out = request.getfixturevalue(form), tmp_path / "out.npz"
    error = failed(capsys, "run", folder, path, "-o", out, *options)
    assert "--level or --full-scale says how loud it was" in error
    assert not PYTHON.search(error)
    assert not out.exists()


def test_options_are_those_of_the_command_line(small, copied, wav, tmp_path, capsys):
    path = wav(np.zeros(1000))
    path.write_bytes(path.read_bytes()[:-1000])
    error = failed(capsys, "run", small, path, "-o", tmp_path / "out.npz")
    assert "--truncated takes what is there" in error
    assert not PYTHON.search(error)
    manifest = copied / MANIFEST_NAME
    manifest.write_text(manifest.read_text("utf-8").replace('"Pa"', '"m/s"'), "utf-8")
    error = failed(capsys, "run", copied, wav(np.zeros(1000)), "-o", tmp_path / "out.npz")
    assert "feed samples as they are with --raw" in error
    assert not PYTHON.search(error)


@pytest.mark.parametrize("level", ["nan", "1000", "60"])
def test_a_level_that_cannot_be(level, small, wav, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(small, wav(np.zeros(1000)), "--level", level) == 1
    assert "silence" in (error := capsys.readouterr().err) or "give one from" in error
    assert [path.name for path in tmp_path.iterdir()] == ["input.wav"]


def test_run_refuses_places_that_it_must_not_write_to(small, wav, tmp_path, capsys):
    path = wav(np.zeros(100), name="speech.npz")
    before = path.read_bytes()
    (tmp_path / "folder.npz").mkdir()
    for out, message in {
        path: "would change",
        small / "vectors.npz": "would change",
        tmp_path / "gone" / "x.npz": "there is no folder",
        tmp_path / "folder.npz": "is a folder",
    }.items():
        assert message in failed(capsys, "run", small, path, "-o", out)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.npz", "speech.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on file sizes")
def test_a_full_disk_leaves_the_earlier_result(small, tmp_path):
    earlier = tmp_path / "out.npz"
    earlier.write_bytes(b"earlier")
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000)); "
        "from amt_export.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = (sys.executable, "-c", limited, "run", small, SPEECH, "-o", earlier)
    done = ran(*command, env=environment())
    assert "out.npz: File too large" in refused(done)
    assert earlier.read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_run_of_a_damaged_folder(copied, wav, capsys):
    command = ("run", copied, wav(np.zeros(100)), "-o", copied.parent / "x.npz")
    (copied / "small.onnx").write_bytes((copied / "small.onnx").read_bytes()[:-1])
    assert "published with" in failed(capsys, *command)
    (copied / MANIFEST_NAME).write_text("{", encoding="utf-8")
    assert "not JSON" in failed(capsys, *command)


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("onnxruntime", "onnx", ("run", "DIR", SPEECH)),
        ("soundfile", "audio", ("run", "DIR", SPEECH)),
        ("matplotlib", "plot", ("run", "DIR", SPEECH, "--plot", "x.png")),
        ("torch", "export", ("build",)),
        ("torch", "export", ("run", "DIR", SPEECH, "--backend", "torchscript")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(module, extra, arguments, small, tmp_path):
    blocked = without(tmp_path, module)
    arguments = [small if argument == "DIR" else argument for argument in arguments]
    error = refused(amt(*arguments, cwd=tmp_path, first=[blocked]))
    assert f"no {module} here" in error
    assert error.endswith(f"pip install 'amt_export[{extra}]'")


def test_a_reader_that_leaves_early_sees_no_traceback(small):
    process = subprocess.Popen(
        [sys.executable, "-m", "amt_export", "info", str(small)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert error == ""


def test_a_result_does_not_go_into_a_published_folder_at_any_depth(small, wav, capsys):
    recording = wav(np.zeros(2000))
    for place in ("y.npz", "small.mlpackage/y.npz", "small.mlpackage/Data/y.npz"):
        assert "would change" in failed(capsys, "run", small, recording, "-o", small / place)
        assert not (small / place).exists()


@pytest.mark.parametrize("several", [False, True])
def test_a_reader_that_has_left_keeps_no_result_from_being_written(several, small, wav, tmp_path):
    """As `amt-export run ... | head -1` does after its first line."""
    recording = wav(noise(2000))
    out = tmp_path / ("out" if several else "out.npz")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "amt_export", "run", small, recording, "-o", out]
    command += ["--format", "npz"] if several else []
    streams = {"capture_output": False, "stdout": write, "stderr": subprocess.PIPE}
    done = ran(*command, env=environment(), timeout=120, **streams)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert (out / "summary.csv" if several else out).is_file()


def test_a_reader_that_has_left_in_the_middle_of_an_answer_is_no_failure(small):
    """141 as in every shell: 128 and the number of SIGPIPE."""
    command = f"{sys.executable} -m amt_export info {small} --json | true; exit ${{PIPESTATUS[0]}}"
    done = ran("bash", "-c", command, env=environment())
    assert (done.returncode, done.stderr) in ((0, ""), (141, ""))


def test_an_interrupted_run_of_one_recording_has_written_nothing(
    small, wav, tmp_path, monkeypatch, capsys
):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("amt_export.cli.convert.recording_pieces", interrupted)
    out = tmp_path / "x.npz"
    assert run(small, wav(noise(2000)), "-o", out) == 130
    assert capsys.readouterr().err == "amt-export: error: interrupted; nothing was written\n"
    assert not out.exists()


def test_diotic_and_one_ear_is_a_warning(small, wav, tmp_path, capsys):
    out = str(tmp_path / "x.npz")
    assert run(small, wav(noise(2000)), "-o", out, "--diotic") == 0
    assert capsys.readouterr().err == (
        "amt-export: warning: --diotic has no effect, as small has one ear\n"
    )


CLIPPED = 1.4 * np.sin(2 * np.pi * 500 / 16000 * np.arange(4000))
"""At full scale for half of the time once it is written as 16-bit numbers."""


@pytest.mark.parametrize("options", [(), ("-q",)], ids=["loud", "quiet"])
@pytest.mark.parametrize("out", ["x.npz", "many/"])
@pytest.mark.parametrize("level", [(), ("--level", "65")], ids=["full scale", "level"])
def test_warnings_go_to_standard_error_once_also_with_quiet(
    level, out, options, small, wav, tmp_path, capsys
):
    path = wav(np.clip(CLIPPED, -1, 1), name="clip.wav")
    assert run(small, path, "-o", f"{tmp_path}/{out}", *level, *options) == 0
    text = capsys.readouterr()
    assert text.err.startswith("amt-export: warning: clip.wav is clipped: ")
    assert text.err.count("\n") == 1
    assert "clipped" not in text.out
    assert bool(text.out) == (not options)


@pytest.mark.parametrize("out", ["x.npz", "many/"])
def test_diotic_and_two_channels_is_a_warning(out, wav, tmp_path, capsys):
    folder = publish_loudness(tmp_path / "ears")
    options = ("-o", f"{tmp_path}/{out}", "--diotic")
    assert run(folder, wav(noise(4000, 2)), *options) == 0
    assert capsys.readouterr().err == (
        "amt-export: warning: input.wav has two channels: each ear gets one, "
        "and --diotic has no effect\n"
    )
    assert run(folder, wav(noise(4000), name="mono.wav"), *options) == 0
    assert capsys.readouterr().err == ""


def test_run_says_the_range_of_colours_as_the_option_takes_it(
    small, wav, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    # 60 dB SPL in the channel at 1 kHz, all but the ripple of a short-time level.
    path = wav(0.1 * np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000)))
    for name in ("a.svg", "a.pdf", "a.png"):
        assert run(small, path, "--level", "60", "--plot", name) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-2].startswith(f"wrote {name} (")
        low, high = re.search(r"--range (\S+) (\S+)$", lines[-1]).groups()
        assert lines[-1].startswith(f"colours {low} to {high} dB")
        assert len(lines[-1]) <= 80
        assert float(high) == pytest.approx(60, abs=0.5)
        assert float(high) - float(low) == pytest.approx(70, abs=0.11)
    options = ("--plot", "b.png", "--range", low, high)
    assert run(small, path, "--level", "60", *options) == 0
    assert "colours" not in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("input")) == [
        *("a.pdf", "a.png", "a.svg", "b.png")
    ]


def test_a_loudness_beyond_the_table_has_no_number_of_phon(wav, tmp_path, capsys):
    folder = publish_loudness(tmp_path / "ears")
    path = wav(np.full((4000, 2), 0.5))
    # 4 |samples| of both ears: 400 Pa are far above the 305 sone of 120 phon.
    words = ["run", str(folder), str(path), "--full-scale", "155", "-o"]
    assert main([*words, str(tmp_path / "x.npz")]) == 0
    text = capsys.readouterr().out
    assert "sone (over 120 phon) at" in text
    assert "(120 phon)" not in text
    assert main([*words, f"{tmp_path}/many/"]) == 0
    assert ">120" in capsys.readouterr().out
    with (tmp_path / "many" / "summary.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["loudness_sone"]) > 305
    assert row["loudness_phon"] == ""
    assert row["remarks"].startswith("over 120 phon")
