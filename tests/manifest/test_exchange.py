"""A folder is replaced as a whole whatever happens, and nothing is left lying about."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from amt_export.manifest import exchange
from amt_export.manifest.exchange import put_in_place, repair, staging
from support.cli import environment


def made(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(content)
    (folder / f"{content}.onnx").write_text(content)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["at once", "in two steps"])
def way(request, monkeypatch):
    """Systems that can exchange folders, and others."""
    if request.param == "in two steps":
        monkeypatch.setattr(exchange.ctypes, "CDLL", lambda *_, **_options: object())
    return request.param


def publish(out: Path, content: str) -> None:
    with staging(out, "m") as temporary:
        put_in_place(made(temporary / "m", content), out / "m")


def test_the_new_folder_is_there_and_nothing_else(way, tmp_path):
    for content in ("one", "two", "three"):
        publish(tmp_path, content)
        assert names(tmp_path) == ["m"]
        assert names(tmp_path / "m") == ["manifest.json", f"{content}.onnx"] or content == "one"
        assert (tmp_path / "m" / "manifest.json").read_text() == content


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "renameat2"), reason="this system exchanges no folders"
)
def test_whoever_reads_finds_a_whole_folder_at_every_moment(tmp_path):
    publish(tmp_path, "one")
    missing, done = [], threading.Event()

    def read():
        while not done.is_set():
            try:
                (tmp_path / "m" / "manifest.json").read_text()
            except FileNotFoundError as error:
                missing.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for k in range(100):
        publish(tmp_path, "one" if k % 2 else "two")
    done.set()
    reader.join()
    assert not missing


def test_a_failure_leaves_the_old_one(way, tmp_path):
    publish(tmp_path, "one")
    with pytest.raises(OSError), staging(tmp_path, "m") as temporary:  # noqa: PT011
        put_in_place(temporary / "gone", tmp_path / "m")
    assert names(tmp_path) == ["m"]
    assert (tmp_path / "m" / "manifest.json").read_text() == "one"


KILLED = """
import os, sys
from pathlib import Path
from amt_export.manifest import exchange
exchange.ctypes.CDLL = lambda *_, **_options: object()  # of a system that exchanges no folders
rename, count = Path.rename, []
def dying(self, target):
    if len(count) == 1:
        os._exit(9)
    count.append(target)
    return rename(self, target)
Path.rename = dying
out = Path(sys.argv[1])
with exchange.staging(out, "m") as temporary:
    folder = temporary / "m"
    folder.mkdir()
    (folder / "manifest.json").write_text("two")
    exchange.put_in_place(folder, out / "m")
"""


def test_a_kill_between_the_renames_is_repaired(tmp_path):
    publish(tmp_path, "one")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(command, env=environment(), check=False).returncode == 9
    assert not (tmp_path / "m").exists(), "killed at another place"
    repair(tmp_path)
    assert (tmp_path / "m" / "manifest.json").read_text() == "one"
    publish(tmp_path, "three")
    assert names(tmp_path) == ["m"]


def test_repair_touches_nothing_else(tmp_path):
    publish(tmp_path, "one")
    made(tmp_path / ".m.previous", "old")
    (tmp_path / ".x.previous").symlink_to(tmp_path / "m")
    before = names(tmp_path)
    repair(tmp_path)
    repair(tmp_path / "missing")
    assert names(tmp_path) == before
    assert (tmp_path / "m" / "manifest.json").read_text() == "one"


HOLDING = """
import sys
from pathlib import Path
from amt_export.manifest.exchange import staging
with staging(Path(sys.argv[1]), "other"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_build_left_is_swept_and_what_is_held_is_not(tmp_path):
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    builds = [
        subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for build in builds:
        assert build.stdout.readline() == "held\n"
    assert len(names(tmp_path)) == 2
    builds[0].kill()
    builds[0].communicate()
    assert len(names(tmp_path)) == 2
    publish(tmp_path, "one")
    assert len(names(tmp_path)) == 2, "the live one, and what was published"
    builds[1].communicate("")
    assert names(tmp_path) == ["m"]


def test_all_of_it_is_on_the_disk_before_it_appears(tmp_path, monkeypatch):
    synced, appeared = set(), []
    sync = os.fsync

    def fsync(opened):
        synced.add(os.fstat(opened).st_ino)
        appeared.append((tmp_path / "m").exists())
        sync(opened)

    monkeypatch.setattr(os, "fsync", fsync)
    publish(tmp_path, "one")
    files = [tmp_path / "m", *(tmp_path / "m").rglob("*"), tmp_path]
    assert {file.stat().st_ino for file in files} == synced
    assert appeared == [False] * 3 + [True]
