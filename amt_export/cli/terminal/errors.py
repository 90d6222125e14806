"""Errors and warnings, each as one line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from amt_export.errors import AmtExportError


def print_error(message: object, kind: str = "error") -> None:
    """Print one line, also when the reason that a library gave has several."""
    text = message.command_line if isinstance(message, AmtExportError) else str(message)
    print(f"amt-export: {kind}: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201


def warn_all(remarks: Iterable[str]) -> None:
    """Print what a user should know of a recording, a line each; `--quiet` leaves warnings as they are."""
    for remark in remarks:
        print_error(remark, "warning")


def about(path: str | Path, reason: str) -> str:
    """Return what is wrong with a file, its path once in front, whether or not the reason begins with it."""
    for name in (str(path), Path(path).name):
        reason = reason.removeprefix(f"{name}: ")
    return f"{path}: {reason}"
