"""Names of files that are no UTF-8, such as Latin-1 on an old disk, and names of no file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Errors that say that there is no file; ELOOP: a link to itself."""


def name_for_libsndfile(path: Path) -> str | bytes:
    """Return a name that soundfile opens: it encodes a str itself, and fails where that is no UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def as_text(name: str | Path) -> str:
    r"""Return a name that any file of text can hold: bytes that are no UTF-8 become e.g. ``\udce9``."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def mode_of(path: Path) -> int:
    """Return the mode of what is at a path, 0 where nothing is.

    `Path.is_file` answers the same question, but from Python 3.14 on it hides other errors: it calls a file
    missing whose name is too long, or whose folder must not be read.

    Raises
    ------
    OSError
        If the system cannot say whether there is a file.
    """
    try:
        return path.stat().st_mode
    except ValueError:  # a name with a null character
        return 0
    except OSError as error:
        if error.errno not in MISSING:
            raise
        return 0
