"""A cochleagram in a terminal: frequency upwards, time to the left, level as colour.

Each character is two pixels, the upper half block in one colour on the lower pixel's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from amt_export.cli.terminal.scale import DecibelScale, Scale
from amt_export.cli.terminal.time_axis import DIM, LABELS, SCALE, time_axis
from amt_export.plot import TICKS, cams

Array = NDArray[np.float64]

SHADES = 64
"""Distinguishable colours; with more, a terminal gets more to read and the eye no more to see."""

# matplotlib's magma at 13 equal steps (CC0).
MAGMA = (
    *("000004", "100b2d", "2c115f", "51127c", "721f81", "932b80", "b73779"),
    *("d8456c", "f1605d", "fc8961", "feb078", "fed799", "fcfdbf"),
)
INK = " .:-=+*#%@"
"""Levels where there are no colours."""


class Picture:
    """The last few seconds of one output.

    Parameters
    ----------
    frequencies : ndarray [shape=(F,)]
        Centre frequencies in Hz, in the order of the channels.
    width, height : int
        Of the whole picture in characters.
    seconds : float
        From its left edge to its right one.
    unit : str
        Of the levels.
    colours : bool
        Whether the terminal has them.
    scale : Scale, optional
        From levels to colours; default: 60 dB.
    """

    def __init__(
        self,
        frequencies: Array,
        width: int,
        height: int,
        seconds: float,
        unit: str,
        colours: bool = True,
        scale: Scale | None = None,
    ) -> None:
        self.columns = max(8, width - LABELS - SCALE)
        self.rows = max(4, height - 2)  # without the time axis and its labels
        self.seconds = seconds
        self.unit = unit
        self._colours = colours
        self._order = np.argsort(frequencies)
        places = cams(np.sort(frequencies))
        # Half a channel beyond the outermost centres, as in the pictures on paper.
        gaps = np.diff(places) if len(places) > 1 else np.ones(1)
        self._low, self._high = places[0] - gaps[0] / 2, places[-1] + gaps[-1] / 2
        pixels = 2 * self.rows if colours else self.rows
        edges = np.linspace(self._low, self._high, pixels + 1)
        starts, stops = np.searchsorted(places, edges[:-1]), np.searchsorted(places, edges[1:])
        # Pixels that hold several channels show the loudest, or a tone might fall between two rows.
        self._crowded = [
            (row, slice(*ends))
            for row, ends in enumerate(zip(starts, stops, strict=True))
            if ends[1] - ends[0] > 1
        ]
        centres = (edges[:-1] + edges[1:]) / 2
        position = np.interp(centres, places, np.arange(len(places)))
        self._below = np.floor(position).astype(int)
        self._above = np.minimum(self._below + 1, len(places) - 1)
        self._share = (position - self._below)[:, None]
        self._levels = np.full((pixels, self.columns), -np.inf)
        self.scale = DecibelScale() if scale is None else scale

    def add(self, levels: Array) -> None:
        """Move on by some columns.

        Parameters
        ----------
        levels : ndarray [shape=(F, k)]
            In the unit; NaN is drawn as nothing.
        """
        if not levels.shape[1]:
            return
        ordered = np.nan_to_num(levels[self._order], nan=-np.inf, neginf=-np.inf)
        # -inf times 0 would be NaN.
        ordered = np.maximum(ordered, -1e3)
        fresh = (1 - self._share) * ordered[self._below] + self._share * ordered[self._above]
        for row, channels in self._crowded:
            fresh[row] = ordered[channels].max(axis=0)
        kept = self.columns - min(self.columns, fresh.shape[1])
        self._levels = np.concatenate(
            [self._levels[:, self.columns - kept :], fresh[:, -self.columns :]], axis=1
        )
        largest = float(self._levels.max())
        if np.isfinite(largest) and largest > -1e3:
            self.scale.follow(largest)

    def lines(self) -> list[list[Segment]]:
        """Return the picture, top line first, and the time axis below it."""
        labels, legend = self._frequency_labels(), self._level_labels()
        lines = []
        for row in range(self.rows):
            line = [Segment(labels.get(row, " " * (LABELS - 1) + "│"), DIM)]
            line += self._pixels(row)
            line += [Segment(" "), *self._legend(row)]
            line.append(Segment(f" {legend.get(row, ''):<6}", DIM))
            lines.append(line)
        return [*lines, *time_axis(self.columns, self.seconds, self.unit)]

    def _shades(self, levels: Array, count: int) -> NDArray[np.intp]:
        return np.round(self.scale.share(levels) * (count - 1)).astype(np.intp)

    def _pixels(self, row: int) -> list[Segment]:
        if not self._colours:
            shades = self._shades(self._levels[self.rows - 1 - row], len(INK))
            return [Segment("".join(INK[shade] for shade in shades))]
        lower = 2 * (self.rows - 1 - row)
        shades = self._shades(self._levels[lower : lower + 2], SHADES)
        return _runs([(int(below), int(above)) for below, above in shades.T])

    def _legend(self, row: int) -> list[Segment]:
        share = 1 - (row + 0.5) / self.rows
        if not self._colours:
            return [Segment(2 * INK[round(share * (len(INK) - 1))])]
        half = 0.25 / self.rows
        pair = (round((share - half) * (SHADES - 1)), round((share + half) * (SHADES - 1)))
        return _runs([pair, pair])

    def _row_of(self, frequency: float) -> int:
        share = (float(cams(frequency)) - self._low) / (self._high - self._low)
        return self.rows - 1 - min(self.rows - 1, int(share * self.rows))

    def _frequency_labels(self) -> dict[int, str]:
        """Return the labels by row; of two that fall together, the round thousand stays."""
        labels: dict[int, str] = {}
        inside = [hz for hz in TICKS if self._low <= cams(hz) <= self._high]
        for hz in sorted(inside, key=lambda hz: (hz not in (1000, 100), hz)):
            row = self._row_of(hz)
            if row not in labels:
                name = f"{hz // 1000}k" if hz >= 1000 else str(hz)
                labels[row] = f"{name:>{LABELS - 1}}┤"
        return labels

    def _level_labels(self) -> dict[int, str]:
        last = self.rows - 1
        return {min(last, round((1 - at) * last)): text for at, text in self.scale.labels()}


def _runs(pairs: Sequence[tuple[int, int]]) -> list[Segment]:
    """Return half blocks, equal neighbours in one segment: less for the terminal to read."""
    segments: list[Segment] = []
    start = 0
    for index in range(1, len(pairs) + 1):
        if index == len(pairs) or pairs[index] != pairs[start]:
            segments.append(Segment("▀" * (index - start), _style(*pairs[start])))
            start = index
    return segments


@cache
def _style(below: int, above: int) -> Style:
    return Style(color=_colour(above), bgcolor=_colour(below))


@cache
def _colour(shade: int) -> Color:
    """Return one of SHADES colours between the anchors."""
    anchors = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in MAGMA])
    position = shade / (SHADES - 1) * (len(MAGMA) - 1)
    parts = [np.interp(position, np.arange(len(MAGMA)), anchors[:, part]) for part in range(3)]
    return Color.from_rgb(*parts)
