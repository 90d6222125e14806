"""Writers and workers that are killed: nothing is lost, nothing half-written stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amt_export import corpus
from amt_export.cli.main import main
from amt_export.corpus import Extractor, Shards
from amt_export.corpus.temporary import leftovers, writing
from support.cli import environment
from support.corpus import contents, finish


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
