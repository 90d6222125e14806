"""What the parts of ``amt-export corpus`` share."""

from __future__ import annotations

from amt_export.cli.terminal.tables import number

BAD_ROWS = 3
"""Exit code: finished, but some recordings were bad."""


def hours(seconds: float) -> str:
    """Return a duration as text."""
    return f"{number(seconds / 3600)} h" if seconds >= 360 else f"{number(seconds / 60)} min"
