"""Files that appear as a whole, and what a killed writer leaves behind."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from amt_export.errors import PublishError

if sys.platform != "win32":
    import fcntl

SUFFIX = ".part"

ABANDONED = 24 * 3600.0
"""s without a change after which a temporary file is taken to be nobody's, where locks do not tell."""


@contextmanager
def writing(file: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes `file` when the block ends well, on disk by then.

    Its name begins with a dot, so that readers of folders leave it out, and is of this writer alone. The lock
    on it ends with this process, however that ends.

    Raises
    ------
    PublishError
        If it cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}{SUFFIX}")
    try:
        try:
            with temporary.open("xb") as stream:
                _lock(stream)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                temporary.replace(file)
            _sync_folder(file.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except PublishError:
        raise
    except OSError as error:
        raise PublishError(f"{file}: {error.strerror or error}; give another place") from error


def leftovers(folder: Path) -> list[Path]:
    """Return temporary files that no process writes any more."""
    return sorted(path for path in folder.glob(f".*{SUFFIX}") if not _in_use(path))


def _lock(stream: BinaryIO) -> bool:
    """Lock an open file for as long as it is open; False where that cannot be had at once."""
    if sys.platform == "win32":
        return False
    else:  # noqa: RET505, mypy needs it
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _in_use(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            free = _lock(stream)
        return not free and time.time() - path.stat().st_mtime < ABANDONED
    except OSError:  # it is gone by now
        return True


def _sync_folder(folder: Path) -> None:
    """Make a renamed file's new name last, where folders can be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
