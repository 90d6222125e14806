"""`--quiet`: standard output and progress bars are dropped; errors and warnings stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

_quiet = False


@contextmanager
def silenced(wanted: bool = True) -> Iterator[None]:
    """Drop what the block prints on standard output, and its progress bars, if `wanted`."""
    global _quiet
    if not wanted:
        yield
        return
    _quiet = True
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        _quiet = False


def is_quiet() -> bool:
    """Whether a command runs with `--quiet`."""
    return _quiet
