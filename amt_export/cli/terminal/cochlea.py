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

from amt_export.plot import TICKS, cams

Array = NDArray[np.float64]

RANGE = 60.0
"""dB from the darkest to the brightest colour: what speech in a room fills."""

STEP = 10.0
"""dB; the top of the scale moves by whole steps, so that colours stay what they are."""

SHADES = 64
"""Colours told apart; with more, a terminal gets more to read and the eye no more to see."""

# matplotlib's magma at 13 equal steps (CC0).
MAGMA = (
    *("000004", "100b2d", "2c115f", "51127c", "721f81", "932b80", "b73779"),
    *("d8456c", "f1605d", "fc8961", "feb078", "fed799", "fcfdbf"),
)
INK = " .:-=+*#%@"
"""Levels where there are no colours."""

LABELS = 6
"""Characters to the left of the picture: five for a frequency, one for the axis."""

SCALE = 10
"""Characters to its right: a gap, the colours, a gap, six for a level, and below them the unit."""

DIM = Style(dim=True)


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
    """

    def __init__(
        self,
        frequencies: Array,
        width: int,
        height: int,
        seconds: float,
        unit: str,
        colours: bool = True,
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
        self.top: float | None = None

    def add(self, levels: Array) -> None:
        """Move on by some columns.

        Parameters
        ----------
        levels : ndarray [shape=(F, k)]
            In dB; NaN is drawn as nothing.
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
        self._scale()

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
        return [*lines, *self._time_axis()]

    def _scale(self) -> None:
        """Let the top of the scale follow the loudest that is to be seen."""
        loudest = float(self._levels.max())
        if not np.isfinite(loudest) or loudest <= -1e3:
            return
        top = STEP * np.ceil(loudest / STEP)
        # Downwards only when the picture has become too dark.
        if self.top is None or top > self.top or top < self.top - 2 * STEP:
            self.top = float(top)

    def _shades(self, levels: Array, count: int) -> NDArray[np.intp]:
        top = 0.0 if self.top is None else self.top
        share = np.clip((levels - top + RANGE) / RANGE, 0.0, 1.0)
        return np.round(share * (count - 1)).astype(np.intp)

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
        if self.top is None:
            return {}
        labels = {}
        for level in np.arange(self.top, self.top - RANGE - 1, -2 * STEP):
            share = (level - self.top + RANGE) / RANGE
            labels[min(self.rows - 1, round((1 - share) * (self.rows - 1)))] = f"{level:.0f}"
        return labels

    def _time_axis(self) -> list[list[Segment]]:
        """Return the axis with a tick each second (or two, or five ...), and its labels."""
        step = next(s for s in (0.5, 1, 2, 5, 10, 30, 60, 600) if self.seconds / s <= 6)
        axis, names = ["─"] * self.columns, [" "] * (self.columns + LABELS)
        back = 0.0
        while back <= self.seconds:
            at = self.columns - 1 - round(back / self.seconds * self.columns)
            name = "now" if not back else f"-{back:g} s"
            first = LABELS + at + 1 - len(name) if not back else LABELS + at - len(name) // 2
            if at >= 0 and first >= 0:
                axis[at] = "┴"
                names[first : first + len(name)] = name
            back += step
        line = " " * (LABELS - 1) + "└" + "".join(axis)
        text = "".join(names[: self.columns + LABELS])
        return [[Segment(line, DIM)], [Segment(f"{text} {self.unit}"[: len(line) + SCALE], DIM)]]


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
