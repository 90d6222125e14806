"""What goes wrong, as one line on standard error."""

from __future__ import annotations

import sys


def complain(message: object, kind: str = "error") -> None:
    """Print one line, also when the reason that a library gave has several."""
    print(f"amt-export: {kind}: {' '.join(str(message).split())}", file=sys.stderr)  # noqa: T201
