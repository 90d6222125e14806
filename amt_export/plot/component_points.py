"""Components of a sparse spectrum as dots of a picture: the loudest of every small cell, however many come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_COLUMNS = 420
"""Columns of cells: a dot is three pixels wide."""

CELL = 0.2
"""Cams; the height of a cell, three pixels too. Below 500 Hz every component has its own."""


class Dots:
    """One list of components, reduced to what a picture shows.

    Parameters
    ----------
    name : str
        Of the list.
    unit : str
        Of the levels.
    frames : int
        That will come; they make at most `MAX_COLUMNS` columns.

    Attributes
    ----------
    count : int
        Frames so far.
    """

    def __init__(self, name: str, unit: str, frames: int) -> None:
        self.name, self.unit = name, unit
        self.width = max(1, -(-frames // MAX_COLUMNS))
        self.count = 0
        self._pieces: list[tuple[Array, Array, Array]] = []

    def add(self, freqs: NDArray[Any], levels: NDArray[Any]) -> None:
        """Go on with the list.

        Parameters
        ----------
        freqs, levels : ndarray [shape=(B, S, N) or (S, N)]
            Of a batch, the first is taken; a frequency of 0 is no component, nor is one whose level is
            not finite.
        """
        hertz, decibels = ((x[0] if x.ndim == 3 else x).astype(np.float64) for x in (freqs, levels))
        frame, slot = np.nonzero((hertz > 0) & np.isfinite(decibels))
        f, level = hertz[frame, slot], decibels[frame, slot]
        column = (self.count + frame) // self.width
        # The same scale as `amt_export.plot`'s.
        row = np.floor(9.2645 * np.log(1 + 0.00437 * f) / CELL).astype(np.int64)
        order = np.lexsort((level, row, column))
        last = np.ones(len(order), bool)
        last[:-1] = (np.diff(row[order]) != 0) | (np.diff(column[order]) != 0)
        kept = order[last]
        middle = column[kept] * self.width + (self.width - 1) / 2
        self._pieces.append((middle, f[kept], level[kept]))
        self.count += len(hertz)

    def points(self) -> tuple[Array, Array, Array]:
        """Return frame (the middle of a cell), frequency in Hz and level of every dot."""
        if not self._pieces:
            return np.empty(0), np.empty(0), np.empty(0)
        frames, hertz, levels = (np.concatenate(part) for part in zip(*self._pieces, strict=True))
        return frames, hertz, levels
