"""Names of files that are no UTF-8, such as Latin-1 on an old disk: to open them, and to write them down."""

from __future__ import annotations

import os
from pathlib import Path


def name_for_libsndfile(path: Path) -> str | bytes:
    """Return a name that soundfile opens: it encodes a str itself, and fails where that is no UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def as_text(name: str | Path) -> str:
    r"""Return a name that any file of text can hold: bytes that are no UTF-8 become e.g. ``\udce9``."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")
