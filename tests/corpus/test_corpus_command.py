"""The command line from recordings to a checked folder."""

from __future__ import annotations

import os

import pytest

from amt_export import corpus
from amt_export.cli.main import main
from corpus.test_extractor import bad_files
from support.cli import failed


def test_the_command_line_from_recordings_to_a_check(small_stream, recordings, tmp_path, capsys):
    bad = bad_files(recordings)
    no_files = ("gone.wav", "folder.wav", "fifo.wav", "samples.raw", "loop.wav")
    bad_in_plan = [name for name in bad if name not in no_files and "long" not in name]
    plan, out = str(tmp_path / "plan.parquet"), str(tmp_path / "out")
    for name in ("fifo.wav", "loop.wav"):
        (recordings / name).unlink()
    assert main(["corpus", "plan", str(recordings), "-o", plan]) == 0
    assert f"{9 + len(bad_in_plan)} recordings" in capsys.readouterr().out
    assert main(["corpus", "run", str(small_stream), plan, "-o", out]) == 3
    said = capsys.readouterr().out
    assert f"{len(bad_in_plan)} bad recordings" in said
    assert "hours of audio per core-hour" in said
    assert main(["corpus", "check", out, plan]) == 3
    said = capsys.readouterr().out
    assert "1 of 1 shard done" in said
    for name in bad_in_plan:
        assert str(recordings / name) in said


def test_parts_of_a_plan_make_the_whole(small_stream, plan_file, planned, tmp_path, capsys):
    out = tmp_path / "out"
    run = ["corpus", "run", str(small_stream), str(plan_file), "-o", str(out), "--shard"]
    assert main([*run, "1/2"]) == 0
    assert main(["corpus", "check", str(out), str(plan_file)]) == 1
    assert "2 shards missing" in capsys.readouterr().out
    assert main([*run, "2/2"]) == 0
    assert main(["corpus", "check", str(out), str(plan_file)]) == 0
    for text in ("0/2", "3/2", "x", "1"):
        with pytest.raises(SystemExit):
            main([*run, text])


def test_a_folder_that_cannot_be_written(small_stream, plan_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = ("corpus", "run", small_stream, plan_file, "-o", tmp_path / "file")
    assert "give another folder" in failed(capsys, *arguments)
    assert "holds no shards" in failed(capsys, "corpus", "check", tmp_path, plan_file)


def test_a_shard_of_recordings_that_have_changed_is_warned_of(
    small_stream, recordings, tmp_path, capsys
):
    """Readers of the folder would take its rows twice."""
    plan, out = str(tmp_path / "plan.parquet"), tmp_path / "out"
    path = recordings / "0.wav"
    main(["corpus", "plan", str(path), "-o", plan])
    run = ["corpus", "run", str(small_stream), plan, "-o", str(out)]
    assert main(run) == 0
    assert "warning" not in capsys.readouterr().err
    (old,) = out.glob("*.parquet")
    os.utime(path, ns=(0, 0))
    assert main(run) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert (
        f"1 file in {out} is not of this plan, and 1 recording of this plan is there twice"
        in warning
    )
    assert warning.endswith(f"`amt-export corpus check {out} {plan}` names it")
    assert main(["corpus", "check", str(out), plan]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if old.name in line]
    assert line.endswith("; remove it")
    old.unlink()
    assert main(["corpus", "check", str(out), plan]) == 0


def test_the_log_of_a_batch_job_has_a_line_for_each_shard(
    small_stream, plan_file, planned, tmp_path, capsys
):
    run = ["corpus", "run", str(small_stream), str(plan_file), "-o", str(tmp_path / "out")]
    assert main(run) == 0
    lines = capsys.readouterr().err.splitlines()
    for number, (line, shard) in enumerate(zip(lines, planned.shards, strict=True), 1):
        assert f".parquet: {len(shard)} recording" in line
        assert line.endswith(f"({number} of {len(planned.shards)} shards)")
    assert main(run) == 0
    assert not capsys.readouterr().err, "they are there already"


def test_an_interrupted_run_says_how_it_is_resumed(
    small_stream, plan_file, tmp_path, capsys, monkeypatch
):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "run", interrupted)
    run = ["corpus", "run", str(small_stream), str(plan_file), "-o", str(tmp_path / "out")]
    assert main(run) == 130
    error = capsys.readouterr().err
    assert "interrupted; shards that are done stay; start the same command again" in error


def test_diotic_and_one_ear_is_a_warning(small_stream, plan_file, tmp_path, capsys):
    run = ["corpus", "run", str(small_stream), str(plan_file), "-o", str(tmp_path / "out")]
    assert main([*run, "--diotic"]) == 0
    assert "warning: --diotic has no effect, as small has one ear" in capsys.readouterr().err


def test_progress_fits_into_80_columns_with_bar_and_time(monkeypatch):
    from amt_export.cli.commands.corpus import progress

    monkeypatch.setattr(progress.time, "perf_counter", iter((0.0, 3600.0)).__next__)
    done = progress.Done(3.6e7, 1000)
    done.add(
        {
            "file": "x.parquet",
            "rows": 9,
            "bad": 0,
            "skipped": False,
            "seconds": 36000.0,
            "cpu_seconds": 3600.0,
        }
    )
    said = []
    done.show(lambda text, share: said.append((text, share)))
    ((text, share),) = said
    assert text.startswith("1 of 1000 shards, ")
    assert text.endswith(" left")
    assert len(text) <= 80 - len("⠧ ") - 16 - len(" 0:00:00 ")
    assert share == 0.001
