"""The time axis below what scrolls in a terminal."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

LABELS = 6
"""Characters to the left of the picture: five for a label, one for the axis."""

SCALE = 10
"""Characters to its right: a gap, the colours, a gap, six for a level, and below them the unit."""

DIM = Style(dim=True)


def time_axis(columns: int, seconds: float, unit: str) -> list[list[Segment]]:
    """Return the axis with a tick each second (or two, or five ...), and its labels, each followed by the unit.

    Parameters
    ----------
    columns : int
        Characters of the picture.
    seconds : float
        From its left edge to its right one.
    unit : str
        Of what is drawn.
    """
    step = next(s for s in (0.5, 1, 2, 5, 10, 30, 60, 600) if seconds / s <= 6)
    axis, names = ["─"] * columns, [" "] * (columns + LABELS)
    back = 0.0
    while back <= seconds:
        at = columns - 1 - round(back / seconds * columns)
        name = "now" if not back else f"-{back:g} s"
        first = LABELS + at + 1 - len(name) if not back else LABELS + at - len(name) // 2
        if at >= 0 and first >= 0:
            axis[at] = "┴"
            names[first : first + len(name)] = name
        back += step
    line = " " * (LABELS - 1) + "└" + "".join(axis)
    text = "".join(names[: columns + LABELS])
    return [[Segment(line, DIM)], [Segment(f"{text} {unit}"[: len(line) + SCALE], DIM)]]
