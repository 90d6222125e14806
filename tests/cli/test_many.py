"""`run` over many recordings: a result each, bad ones reported and skipped, a summary."""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amt_export.cli import batch, workers
from amt_export.cli.convert import Settings, Task
from amt_export.cli.main import main
from amt_export.cli.workers import convert_in_workers
from support.cli import INTERRUPTIBLE, environment, failed, noise, run
from support.loudness import publish_loudness
from support.streams import publish_levels
from support.terminal import on_a_terminal, plain
from support.workers import convert_or_die


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return publish_levels(tmp_path_factory.mktemp("levels") / "tiny")


@pytest.fixture
def day(tmp_path):
    """Three good recordings and four bad ones."""
    folder = tmp_path / "day"
    (folder / "deep").mkdir(parents=True)
    for seed, name in enumerate(("a.wav", "a.flac", "deep/b.wav")):
        soundfile.write(folder / name, noise(3000 + 1000 * seed, seed=seed), 16000)
    (folder / "text.wav").write_text("no sound", encoding="utf-8")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "deep" / "nan.wav", np.array([0.1, np.nan] * 99), 16000, "FLOAT")
    soundfile.write(folder / "none.wav", np.zeros(0), 16000)
    return folder


GOOD = ("a.flac", "a.wav", "deep/b")
BAD = ("text.wav", "empty.wav", "nan.wav", "none.wav")


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_good_recording_has_a_result_and_each_bad_one_a_line(model, day, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(model, day, "-o", out, "--plot") == 3
    made = [f"{name}.{suffix}" for name in GOOD for suffix in ("npz", "png")]
    assert files(out) == sorted([*made, "summary.csv"])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == len(BAD)
    for name in BAD:
        (line,) = [line for line in lines if name in line]
        assert line.startswith("amt-export: skipped: ")
        assert line.count(name) == 1
    assert "3 recordings, 0.8 s, in " in captured.out
    assert ", 4 skipped" in captured.out
    assert run(model, day / "deep" / "b.wav", "-o", tmp_path / "alone.npz") == 0
    with np.load(out / "deep" / "b.npz") as many, np.load(tmp_path / "alone.npz") as alone:
        for name in alone.files:
            np.testing.assert_array_equal(many[name], alone[name])


def test_the_summary_has_a_row_for_each_recording_in_their_order(model, day, tmp_path):
    out = tmp_path / "out"
    assert run(model, day, "-o", out, "--level", "60", "--format", "csv") == 3
    found = rows(out / "summary.csv")
    assert [Path(row["recording"]).name for row in found] == [
        *("a.flac", "a.wav", "b.wav", "nan.wav", "empty.wav", "none.wav", "text.wav")
    ]
    good = {row["result"]: row for row in found if row["result"]}
    assert list(good) == ["a.flac.csv", "a.wav.csv", "deep/b.csv"]
    assert good["deep/b.csv"]["seconds"] == "0.312"
    assert {row["level_db_spl"] for row in good.values()} == {"60.00"}
    # No columns of loudness where there is none.
    assert list(found[0]) == ["recording", "result", "seconds", "level_db_spl", "remarks", "error"]
    assert all(bool(row["error"]) != bool(row["result"]) for row in found)


def test_averaged_channels_are_said(model, wav, tmp_path, capsys):
    paths = wav(noise(3000, 2), name="two.wav"), wav(noise(3000), name="one.wav")
    assert run(model, *paths, "-o", tmp_path / "out") == 0
    assert "1 recording of several channels: averaged for the model's one ear" in (
        capsys.readouterr().out
    )
    two, one = rows(tmp_path / "out" / "summary.csv")
    assert (two["remarks"], one["remarks"]) == ("2 channels averaged", "")


def test_loudness_of_many_recordings_is_a_table(tmp_path, wav, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = publish_loudness(tmp_path / "tiny")
    long_name = f"{'recording-with-a-long-name-' * 3}.wav"
    paths = [wav(noise(4000, 2, seed=seed), name=name) for seed, name in ((0, long_name), (1, "b"))]
    out = tmp_path / "out"
    assert run(folder, *paths, "-o", out, "--level", "60") == 0
    text = capsys.readouterr().out
    header = text.splitlines()[0]
    assert header.split() == ["recording", "length", "dB", "SPL", "sone", "phon", "N5", "N10"]
    assert max(map(len, text.splitlines()[:-1])) <= 80
    for row in rows(out / "summary.csv"):
        with np.load(out / row["result"]) as data:
            assert float(row["loudness_sone"]) == pytest.approx(data["loudest"][0], rel=1e-5)
            assert float(row["n5_sone"]) == pytest.approx(data["N5"], rel=1e-5)
            assert float(row["n10_sone"]) == pytest.approx(data["N10"], rel=1e-5)
            slow = data["slow"][0].sum(axis=1)
            when = data["time"][slow.argmax()]
            assert float(row["maximum_at_s"]) == pytest.approx(when, abs=6e-4)


def test_workers_make_the_same_files(model, day, tmp_path, capsys):
    texts = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        options = ("--format", "csv", "--jobs", jobs)
        assert run(model, day, day / "gone.wav", "-o", out, *options) == 3
        texts.append({name: (out / name).read_bytes() for name in files(out)})
        assert len(capsys.readouterr().err.splitlines()) == len(BAD) + 1
    assert texts[0] == texts[1]


def test_a_recording_that_kills_its_worker_is_one_bad_recording(model, day, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_convert", convert_or_die)
    (day / "a.wav").rename(day / "deadly.wav")
    names = ("deadly.wav", "a.flac", "deep/b.wav")
    tasks = [Task(day / name, tmp_path / f"{Path(name).stem}.npz") for name in names]
    shares = []
    found = {
        outcome.source.name: outcome.error
        for outcome in convert_in_workers(
            Settings(model), tasks, 1, lambda what, share: shares.append(share)
        )
    }
    assert "the process that read it was killed" in found.pop("deadly.wav")
    assert found == {"a.flac": "", "b.wav": ""}
    assert shares[-1] == pytest.approx(2 / 3)


def test_what_every_recording_would_be_refused_for_is_said_once(
    model, small_stream, day, tmp_path, capsys
):
    shutil.copytree(model, tmp_path / "broken")
    (tmp_path / "broken" / "tiny.stream.onnx").write_bytes(b"")
    for folder, options, message in (
        (tmp_path / "gone", (), "gone"),
        (tmp_path / "broken", ("--jobs", "1"), "is empty"),
        (tmp_path / "broken", ("--jobs", "2"), "is empty"),
        (small_stream, ("--format", "csv"), "csv holds frames"),
        (model, ("--level", "500"), "give one from -100 to 200"),
    ):
        assert message in failed(capsys, "run", folder, day, "-o", tmp_path / "x", *options)
        assert not files(tmp_path / "x")


def test_a_name_that_is_no_text_is_written_as_one(model, tmp_path):
    (tmp_path / "old").mkdir()
    strange = Path(os.fsdecode(os.fsencode(tmp_path / "old") + b"/caf\xe9.wav"))
    soundfile.write(os.fsencode(strange), noise(3000), 16000)
    for suffix in ("npz", "npy", "csv", "parquet"):
        assert run(model, strange.parent, "-o", tmp_path / suffix, "--format", suffix) == 0
        (row,) = rows(tmp_path / suffix / "summary.csv")
        assert row["recording"].endswith(r"caf\udce9.wav")
    result = np.load(tmp_path / "npz" / strange.with_suffix(".npz").name)
    assert str(result["source"]).endswith(r"caf\udce9.wav")


def test_a_recording_called_summary_keeps_its_table(model, wav, tmp_path):
    recordings = [wav(noise(3000), name=name) for name in ("a.wav", "summary.wav")]
    assert run(model, *recordings, "-o", tmp_path / "out", "--format", "csv") == 0
    first, second = rows(tmp_path / "out" / "summary.csv")
    assert (first["result"], second["result"]) == ("a.csv", "summary.wav.csv")
    assert "time" in rows(tmp_path / "out" / "summary.wav.csv")[0]


def test_tables_of_two_recordings_of_one_name_are_refused(tmp_path, wav, capsys):
    loudness = publish_loudness(tmp_path / "ears")
    recordings = [wav(noise(4000, 2), name=name) for name in ("a.density.wav", "a.wav")]
    command = ("run", loudness, *recordings, "-o", tmp_path / "out", "--format")
    assert "would both write" in failed(capsys, *command, "csv")
    assert not (tmp_path / "out").exists()
    assert main([*map(str, command), "npz"]) == 0


def test_a_full_disk_leaves_no_picture_without_its_numbers(
    model, wav, tmp_path, capsys, monkeypatch
):
    def fail(*_args, **_arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    command = ("run", model, wav(noise(3000)), "-o", tmp_path / "out.npz", "--plot")
    assert "out.npz: No space left" in failed(capsys, *command)
    assert not list(tmp_path.glob("*out*"))


def test_places_that_results_must_not_go_to(model, wav, day, tmp_path, capsys):
    recording = wav(noise(1000), name="sound.npz")
    before = recording.read_bytes()
    (tmp_path / "results").write_text("a file")
    for out, message in (
        (tmp_path, "sound.npz: would replace a recording"),
        (tmp_path / "results", "is a file; give a folder"),
        (tmp_path / "no" / "results", "there is no folder"),
        (model, "would change"),
        (model / "results", "would change"),
    ):
        assert message in failed(capsys, "run", model, recording, day, "-o", out)
    assert recording.read_bytes() == before
    assert not (model / "results").exists()


@pytest.mark.parametrize(
    ("jobs", "interrupt"),
    [("1", os.kill), ("2", os.kill), ("3", os.killpg)],
    ids=["alone", "workers", "terminal"],
)
def test_an_interruption_leaves_whole_results_and_nothing_else(jobs, interrupt, model, tmp_path):
    """Also as a terminal sends it: to all processes at once."""
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", noise(16000 * (1 if name == "a" else 60)), 16000)
    out = tmp_path / "out"
    command = ["run", model, tmp_path, "-o", out, "--jobs", jobs, "--format", "csv"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *map(str, command)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (out / "a.csv").exists() and list(out.glob(".*.part")):
            break
        time.sleep(0.02)
    interrupt(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    done = "[12] of 3 recordings done"  # the machine may have been fast
    expected = f"interrupted; {done}, the results are in {out}; summary.csv is not written"
    assert re.fullmatch(f"amt-export: error: {expected}\n", error), error
    assert "a.csv" in files(out)
    assert not [name for name in files(out) if name.endswith(".part")]
    assert not _children_of(process.pid)


def _children_of(pid: int) -> list[str]:
    """Processes that are left of a process group; where /proc tells."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and int(path.parent.name) != os.getpid():
            found.append(path.parent.name)
    return found


def test_bars_and_lines_share_a_terminal(model, day, tmp_path):
    """Pictures are drawn while a bar is up, also by workers, who leave the terminal alone."""
    one, code = on_a_terminal("run", model, day / "a.wav", "--plot", tmp_path / "a.png")
    assert code == 0, one
    some = (day / "a.wav", day / "text.wav")
    text, code = on_a_terminal("run", model, *some, "-o", tmp_path / "out", "--plot", "--jobs", "2")
    assert code == 3, text
    lines = plain(text)
    assert sum("amt-export: skipped: " in line for line in lines) == 1
    assert "1 recording, 0.2 s, in " in text
    assert any("tiny, 2 recordings" in line for line in lines)
    assert files(tmp_path / "out") == ["a.npz", "a.png", "summary.csv"]


def test_a_place_that_cannot_be_written_is_one_line(model, day, tmp_path, monkeypatch, capsys):
    def read_only(path, *_arguments, **_options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", read_only)
    error = failed(capsys, "run", model, day, "-o", tmp_path / "ro")
    assert error.endswith(f"{tmp_path / 'ro'}: Read-only file system; give another place\n")


@pytest.mark.parametrize("before", [False, True], ids=["new folder", "earlier results"])
def test_an_interruption_before_the_first_result_says_so(
    before, model, wav, tmp_path, monkeypatch, capsys
):
    paths = [wav(noise(3000), name=name) for name in ("a.wav", "b.wav")]
    out = tmp_path / "out"
    if before:
        assert run(model, *paths, "-o", out) == 0
    earlier = files(out)
    convert = batch.convert_each

    def interrupted(settings, tasks, report):
        yield from convert(settings, tasks[:done], report)
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "convert_each", interrupted)
    capsys.readouterr()
    done = 0
    assert run(model, *paths, "-o", out) == 130
    assert capsys.readouterr().err == "amt-export: error: interrupted; nothing was written\n"
    assert out.exists() == before
    assert files(out) == earlier
    done = 1
    assert run(model, *paths, "-o", out) == 130
    assert f"interrupted; 1 of 2 recordings done, the results are in {out}" in (
        capsys.readouterr().err
    )


def test_pictures_of_many_recordings_have_a_range_in_common(small, wav, tmp_path, capsys):
    tone = 0.1 * np.sin(2 * np.pi * 1000 / 16000 * np.arange(8000))
    paths = [wav(tone, name="loud.wav"), wav(tone / 10, name="soft.wav")]
    assert run(small, *paths, "-o", tmp_path / "out", "--plot") == 0
    line = capsys.readouterr().out.splitlines()[-1]
    low, high = map(float, re.search(r"--range (\S+) (\S+)$", line).groups())
    assert high == pytest.approx(93.98 - 20, abs=0.5)  # that of the louder one
    assert high - low == pytest.approx(70, abs=0.11)
    options = ("--plot", "--range", str(low), str(high))
    assert run(small, *paths, "-o", tmp_path / "out", *options) == 0
    assert "colours" not in capsys.readouterr().out
