"""Files that a command writes: whole or not at all, and errors that have their names."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from amt_export.cli.terminal.files import replacing
from amt_export.errors import PublishError


def test_an_error_names_the_file_and_not_its_temporary_one(tmp_path, monkeypatch):
    def refuse(path, *_args, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)  # as on a disk that is mounted read only
    with pytest.raises(PublishError) as error, replacing(tmp_path / "out.npz") as temporary:
        refuse(temporary)
    assert str(error.value) == f"{tmp_path / 'out.npz'}: Read-only file system; give another place"


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    with replacing(tmp_path / "out.csv") as temporary:
        temporary.write_text("a")
        assert not (tmp_path / "out.csv").exists()
    with pytest.raises(UnicodeEncodeError), replacing(tmp_path / "out.csv") as temporary:
        temporary.write_text("b\udce9", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "a"
