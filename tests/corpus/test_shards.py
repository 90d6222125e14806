"""Plan, run, check: each recording once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from amt_export import corpus
from amt_export.cli.main import main
from amt_export.corpus import Extractor, Shards
from amt_export.corpus.temporary import leftovers, writing
from amt_export.errors import AudioError, PublishError
from corpus.test_extractor import bad_files
from support.cli import environment, failed

SECOND = 1 / 60


@pytest.fixture
def planned(recordings):
    """Four shards."""
    return corpus.plan([recordings], minutes=1.2 * SECOND)


@pytest.fixture
def plan_file(planned, tmp_path):
    corpus.write_plan(planned, tmp_path / "plan.parquet")
    return tmp_path / "plan.parquet"


def contents(folder):
    """All that is in a folder of shards, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finish(shards, planned, **options):
    return list(corpus.run(shards, planned.shards, **options))


def test_a_plan_shares_out_all_recordings(planned, recordings):
    paths = [path for shard in planned.shards for path in shard]
    assert paths == sorted(map(str, recordings.iterdir()))
    assert len(planned.shards) == len(planned.seconds) == 4
    assert all(0 < seconds <= 1.2 for seconds in planned.seconds)
    assert sum(planned.seconds) == pytest.approx(3.15 + 0.8)


def test_a_plan_of_lists_and_files_has_each_once(recordings, tmp_path):
    (tmp_path / "list.txt").write_text("# two\nrecordings/0.wav\n\nrecordings/1.wav\n")
    planned = corpus.plan([tmp_path / "list.txt", recordings / "1.wav", recordings / "gone"[:0]])
    assert sum(map(len, planned.shards)) == 9
    planned = corpus.plan([tmp_path / "list.txt", recordings / "1.wav"])
    assert planned.shards == [[str(recordings / "0.wav"), str(recordings / "1.wav")]]


def test_one_source_is_a_plan(recordings):
    assert corpus.plan(str(recordings)) == corpus.plan(recordings) == corpus.plan([recordings])


def test_a_plan_is_read_as_it_was_written(planned, plan_file):
    again = corpus.read_plan(plan_file)
    assert again.shards == planned.shards
    assert again.seconds == planned.seconds
    plan_file.write_bytes(b"no plan")
    with pytest.raises(AudioError, match="is no plan"):
        corpus.read_plan(plan_file)
    for shard in (1, {"a": 1}, [["a.wav"]]):
        pq.write_table(pa.table({"shard": [shard], "seconds": [1.0]}), plan_file)
        with pytest.raises(AudioError, match="is no plan"):
            corpus.read_plan(plan_file)
    with pytest.raises(AudioError, match="no such file"):
        corpus.read_plan(plan_file.with_name("gone.parquet"))


def test_a_plan_replaces_no_recording(recordings, capsys):
    before = (recordings / "0.wav").read_bytes()
    with pytest.raises(SystemExit):
        main(["corpus", "plan", str(recordings), "-o", str(recordings / "0.wav")])
    assert r"must end in .parquet" in capsys.readouterr().err
    assert (recordings / "0.wav").read_bytes() == before


def test_samples_without_a_header_are_in_a_plan(tmp_path):
    (tmp_path / "samples.raw").write_bytes(bytes(1000))
    assert corpus.plan([tmp_path / "samples.raw"]).unknown == 1


def test_no_recordings_is_an_error(tmp_path):
    for source, words in [(tmp_path, "no recordings"), (tmp_path / "gone", "no such file")]:
        with pytest.raises(AudioError, match=words):
            corpus.plan([source])


def test_a_name_that_is_no_text_is_left_out(recordings):
    strange = os.fsdecode(os.fsencode(recordings) + b"/\xff.wav")
    shutil.copy(recordings / "0.wav", strange)
    planned = corpus.plan([recordings])
    assert planned.nameless == (strange,)
    assert sum(map(len, planned.shards)) == 9


def test_shards_hold_the_rows(extract, planned, tmp_path):
    reports = finish(Shards(extract, tmp_path / "out"), planned)
    assert sum(report["rows"] for report in reports) == 9
    table = pq.read_table(tmp_path / "out")
    assert sorted(table["path"].to_pylist()) == sorted(
        path for shard in planned.shards for path in shard
    )
    for row in table.to_pylist():
        (expected,) = extract({"path": [row["path"]]})["levels"]
        assert row["start"] == 0
        np.testing.assert_array_equal(np.array(row["levels"], np.float16), expected)
    file = tmp_path / "out" / reports[0]["file"]
    metadata = pq.read_metadata(file).metadata
    settings = json.loads(metadata[b"amt_export.corpus"])
    assert settings["hop"] == 0.01
    assert settings["columns"] == ["500.0 Hz", "1000.0 Hz", "4000.0 Hz"]
    assert json.loads(metadata[b"amt_export.manifest"])["name"] == "small"


def test_a_long_recording_has_rows_of_bounded_size(extract, planned, tmp_path, monkeypatch):
    monkeypatch.setattr("amt_export.corpus.shards.MOST_NUMBERS", 3 * 25)
    monkeypatch.setattr("amt_export.corpus.spool.IN_MEMORY", 100)
    (report,) = Shards(extract, tmp_path / "out")({"shard": planned.shards[:1]})["file"]
    file = pq.ParquetFile(tmp_path / "out" / report)
    assert all(
        file.metadata.row_group(k).num_rows in (1, 2) for k in range(file.metadata.num_row_groups)
    )
    rows = file.read().to_pylist()
    for path in planned.shards[0]:
        (expected,) = extract({"path": [path]})["levels"]
        parts = [row for row in rows if row["path"] == path]
        assert len(parts) == -(-len(expected) // 25) > 1
        assert [row["start"] for row in parts] == list(range(0, len(expected), 25))
        assert all(row["frames"] == len(row["levels"]) <= 25 for row in parts)
        levels = [frame for row in parts for frame in row["levels"]]
        np.testing.assert_array_equal(np.array(levels, np.float16), expected)
    assert corpus.check(tmp_path / "out", corpus.Plan(planned.shards[:1], [0.0])).complete


def test_two_workers_write_the_same_bytes(extract, planned, tmp_path):
    finish(Shards(extract, tmp_path / "one"), planned)
    finish(Shards(extract, tmp_path / "two"), planned, jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_is_there_is_skipped(extract, planned, tmp_path, monkeypatch):
    shards = Shards(extract, tmp_path / "out")
    first = finish(shards, planned)
    monkeypatch.setattr(Extractor, "row", None)
    again = finish(Shards(extract, tmp_path / "out"), planned)
    assert all(report["skipped"] for report in again)
    for key in ("file", "rows", "bad", "seconds"):
        assert [report[key] for report in again] == [report[key] for report in first]


def test_a_damaged_shard_is_made_again(extract, planned, tmp_path):
    shards = Shards(extract, tmp_path / "out")
    file = tmp_path / "out" / finish(shards, planned)[0]["file"]
    before = file.read_bytes()
    file.write_bytes(before[: len(before) // 2])
    assert [report["skipped"] for report in finish(shards, planned)].count(False) == 1
    assert file.read_bytes() == before


def test_names_change_with_all_that_numbers_depend_on(small_stream, planned, tmp_path):
    variants = [
        {},
        {"hop": 0.02},
        {"level": 60.0},
        {"level": 61.0},
        {"full_scale": 100.0},
        {"diotic": True},
    ]
    names = [
        Shards(Extractor(small_stream, **options), tmp_path / str(k)).shard(planned.shards[0])[
            "file"
        ]
        for k, options in enumerate(variants)
    ]
    other = shutil.copytree(small_stream, tmp_path / "model")
    manifest = other / "manifest.json"
    sha256 = Extractor(other).settings["artifacts"]["stream"]
    manifest.write_text(manifest.read_text().replace(sha256, "0" * 64))
    monkey = Shards(Extractor(other), tmp_path / "x")
    names.append(corpus.names.shard_name(monkey.settings, planned.shards[0], None))
    assert len(set(names)) == len(variants) + 1


def test_settings_are_not_mixed_in_a_folder(small_stream, planned, tmp_path):
    out = tmp_path / "out"
    Shards(Extractor(small_stream), out).shard(planned.shards[0])
    before = contents(out)
    with pytest.raises(PublishError, match=r"other settings \(hop 0.01, not 0.02\)"):
        Shards(Extractor(small_stream, hop=0.02), out).shard(planned.shards[0])
    assert contents(out) == before


def test_a_changed_recording_gets_another_name(extract, planned, tmp_path):
    path = planned.shards[0][0]
    by_time = Shards(extract, tmp_path / "time")
    by_content = Shards(extract, tmp_path / "content", hash=True)
    first = [s.shard(planned.shards[0])["file"] for s in (by_time, by_content)]
    os.utime(path, ns=(0, 0))
    second = [s.shard(planned.shards[0])["file"] for s in (by_time, by_content)]
    assert first[0] != second[0]
    assert first[1] == second[1]
    shutil.copy(planned.shards[1][0], path)
    assert by_content.shard(planned.shards[0])["file"] != first[1]


def test_check_tells_what_is_wrong(extract, planned, tmp_path):
    shards = Shards(extract, tmp_path / "out")
    files = [report["file"] for report in finish(shards, planned)]
    assert corpus.check(tmp_path / "out", planned).complete
    (tmp_path / "out" / files[0]).unlink()
    (tmp_path / "out" / files[1]).write_bytes(b"PAR1")
    os.utime(planned.shards[2][0], ns=(0, 0))
    shards.shard(planned.shards[2])
    found = corpus.check(tmp_path / "out", planned)
    assert found.missing == [0, 1]
    assert found.damaged == [files[1]]
    assert found.strange == [files[2]]
    assert found.twice == planned.shards[2]
    assert not found.complete


def test_check_finds_damage_between_header_and_footer(extract, planned, tmp_path):
    reports = finish(Shards(extract, tmp_path / "out"), planned)
    files = [tmp_path / "out" / report["file"] for report in reports]
    content = files[0].read_bytes()
    files[0].write_bytes(content[:4] + bytes(len(content) // 4) + content[4 + len(content) // 4 :])
    counts = pq.read_metadata(files[1]).metadata
    other = pa.table({"x": [1]}).replace_schema_metadata(counts)
    pq.write_table(other, tmp_path / "out" / "other.parquet")
    found = corpus.check(tmp_path / "out", planned)
    assert sorted(found.damaged) == sorted([files[0].name, "other.parquet"])
    assert found.missing == [0]


def test_temporary_files_of_the_dead_are_swept_and_no_others(extract, planned, tmp_path):
    out = tmp_path / "out"
    finish(Shards(extract, out), planned)
    (out / ".abandoned.parquet.1.part").write_bytes(b"half")
    with writing(out / "file.parquet") as stream:
        stream.write(b"")
        assert [path.name for path in leftovers(out)] == [".abandoned.parquet.1.part"]
        found = corpus.check(out, planned)
        assert found.swept == [".abandoned.parquet.1.part"]
        assert found.complete
    assert (out / "file.parquet").exists()


def test_a_run_that_is_killed_goes_on_where_it_was(small_stream, plan_file, planned, tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    finish(Shards(Extractor(small_stream), undisturbed), planned)
    command = [sys.executable, "-m", "amt_export", "corpus", "run", small_stream, plan_file]
    script = f"""
import sys
from amt_export.corpus import shards
class Slow(shards.Shards):
    made = 0
    def _write(self, *arguments):
        type(self).made += 1
        if type(self).made > 3:
            import os, time
            with shards.writing(arguments[0]) as stream:
                stream.write(b"half")
                stream.flush()
                print("waiting", flush=True)
                time.sleep(60)
        return super()._write(*arguments)
from amt_export import corpus
corpus.Shards = Slow
from amt_export.cli.main import main
main({[str(part) for part in command[3:]]!r} + ["-o", {str(out)!r}])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    done = [path for path in out.iterdir() if path.suffix == ".parquet"]
    assert len(done) == 3
    before = {path.name: path.stat().st_mtime_ns for path in done}
    half = leftovers(out)
    assert len(half) == 1
    assert len(pq.read_table(out)) == sum(pq.read_metadata(path).num_rows for path in done)

    assert main([str(part) for part in command[3:]] + ["-o", str(out)]) == 0
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert corpus.check(out, planned).swept == [half[0].name]
    assert contents(out) == contents(undisturbed)


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = """
import os, time
from amt_export.corpus.pool import ProcessPoolExecutor, begin_worker, get_context
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=begin_worker)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""
    (tmp_path / "parent.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    for _ in range(500):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if _zombie(worker):
            return
        time.sleep(0.02)
    pytest.fail("the worker lives on")


def _zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


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


def test_check_names_a_bad_recording_once(small_stream, tmp_path, capsys):
    """Also where the error begins with its name alone, without the folder."""
    path, plan, out = tmp_path / "silent.wav", str(tmp_path / "p.parquet"), str(tmp_path / "out")
    soundfile.write(path, np.zeros(8000), 16000)
    assert main(["corpus", "plan", str(path), "-o", plan]) == 0
    assert main(["corpus", "run", str(small_stream), plan, "-o", out, "--level", "60"]) == 3
    capsys.readouterr()
    assert main(["corpus", "check", out, plan]) == 3
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "silent.wav" in line)
    assert line == f"  {path}: is silent, so it cannot be brought to 60 dB SPL"


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
