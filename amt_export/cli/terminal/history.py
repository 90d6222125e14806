"""A loudness level that scrolls in a terminal: time to the left, phon upwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment

from amt_export.cli.terminal.time_axis import DIM, LABELS, SCALE, time_axis

TOP = 120.0
"""Phon at the upper edge, where the table of `runtime.phon` ends."""

TICK = 20.0
"""Phon between labels."""

BLOCKS = " ▁▂▃▄▅▆▇█"
"""Eighths of a character."""


class History:
    """The last few seconds of a loudness level.

    Parameters
    ----------
    width, height : int
        Of the whole picture in characters.
    seconds : float
        From its left edge to its right one.
    """

    def __init__(self, width: int, height: int, seconds: float) -> None:
        self.columns = max(8, width - LABELS - SCALE)
        self.rows = max(4, height - 2)  # without the time axis and its labels
        self.seconds = seconds
        self._levels = np.zeros(self.columns)

    def add(self, levels: NDArray[np.float64]) -> None:
        """Move on by some columns.

        Parameters
        ----------
        levels : ndarray [shape=(1, k)]
            In phon; NaN is drawn as nothing.
        """
        fresh = np.nan_to_num(levels[0], nan=0.0)
        self._levels = np.concatenate([self._levels, fresh])[-self.columns :]

    def lines(self) -> list[list[Segment]]:
        """Return the picture, top line first, and the time axis below it."""
        eighths = np.round(self._levels / TOP * self.rows * 8).astype(int)
        lines = []
        for row in range(self.rows):
            filled = np.clip(eighths - 8 * (self.rows - 1 - row), 0, 8)
            text = "".join(BLOCKS[count] for count in filled)
            lines.append([Segment(self._label(row), DIM), Segment(text)])
        return [*lines, *time_axis(self.columns, self.seconds, "phon")]

    def _label(self, row: int) -> str:
        """Return the axis, with a number where a multiple of `TICK` lies in the row."""
        size = TOP / self.rows
        low = (self.rows - 1 - row) * size
        level = np.ceil(low / TICK) * TICK
        if level < low + size or (row == 0 and level == TOP):
            return f"{level:>{LABELS - 1}.0f}┤"
        return " " * (LABELS - 1) + "│"
