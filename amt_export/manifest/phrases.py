"""Numbers of a manifest as people read them: what terminals, cards and pages share."""

from __future__ import annotations

UNITS = {"db": " dB", "absolute": " MU"}
"""Of a difference, by its kind; relative ones and frequencies have none."""


def count(number: int, noun: str) -> str:
    """Return a number of things: ``1 model``, ``2 models``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def number(value: float) -> str:
    """Return three digits of a number, or all before the point, never an exponent of ten."""
    return f"{value:.3g}" if 1e-3 < value < 999.5 else f"{value:.0f}"


def size(amount: float) -> str:
    """Return a number of bytes: ``1.22 MB``."""
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{number(amount)} {unit}"
        amount /= 1000
    return f"{number(amount)} GB"


def magnitude(value: float, kind: str) -> str:
    """Return a finite difference with its unit: ``1.2e-6``, ``3.0e-4 dB``."""
    text = "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")
    return text + UNITS.get(kind, "")
