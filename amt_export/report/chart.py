"""Line charts as SVG text: a few hundred points, light and dark, readable without colours.

Written out by hand and not drawn by a library, so that building a model needs none, the same numbers
give the same bytes, and a picture follows the page it is put in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 560, 290
# Room for labels around the axes.
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 44
LEGEND = 22  # height of a line of the legend

# Colours that differ in lightness too, dark ones on light ground and the other way round.
STYLE = """
.chart{--ink:#1f2330;--pale:#8a90a2;--grid:#e3e6ee;--c0:#6b7280;--c1:#b45309;--c2:#0e7490;--c3:#1d4ed8;--c4:#a21caf;
--ok:#15803d;font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;max-width:100%;height:auto}
@media(prefers-color-scheme:dark){.chart{--ink:#e6e8ef;--pale:#8b93a7;--grid:#2c3242;--c0:#9aa3b5;--c1:#fbbf24;
--c2:#67e8f9;--c3:#93b4ff;--c4:#f0abfc;--ok:#4ade80}}
.chart text{fill:var(--ink);stroke:none}.chart .pale{fill:var(--pale)}
.chart .grid{stroke:var(--grid);stroke-width:1}.chart .axis{stroke:var(--pale);stroke-width:1}
.chart path{fill:none;stroke-width:1.6;stroke-linejoin:round}
.chart .c0{stroke:var(--c0)}.chart .c1{stroke:var(--c1)}.chart .c2{stroke:var(--c2)}
.chart .c3{stroke:var(--c3)}.chart .c4{stroke:var(--c4)}
.chart circle{stroke-width:0}
.chart circle.c0{fill:var(--c0)}.chart circle.c1{fill:var(--c1)}.chart circle.c2{fill:var(--c2)}
.chart circle.c3{fill:var(--c3)}.chart circle.c4{fill:var(--c4)}
.chart .limit{stroke:var(--ok);stroke-dasharray:6 4;stroke-width:1.4}
.chart .wide{stroke:var(--c1);stroke-width:5;stroke-opacity:.4}
"""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Parameters
    ----------
    low, high : float
        What its ends stand for.
    label : str
    ticks : sequence of (float, str)
        Where to draw a line, and what to write there.
    logarithmic : bool
    """

    low: float
    high: float
    label: str
    ticks: Sequence[tuple[float, str]]
    logarithmic: bool = False

    def share(self, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Where a value lies, from 0 to 1; what lies beyond an end is drawn there."""
        values = np.clip(np.asarray(value, np.float64), self.low, self.high)
        if self.logarithmic:
            return np.log(values / self.low) / math.log(self.high / self.low)
        return (values - self.low) / (self.high - self.low)


@dataclass
class Chart:
    """A chart, made of pieces.

    Parameters
    ----------
    name : str
        Unique in a page; letters, digits, hyphens.
    title, description : str
        For those who cannot see it.
    x, y : Axis
    """

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    _body: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)

    def line(
        self,
        xs: npt.ArrayLike,
        ys: npt.ArrayLike,
        style: str,
        label: str = "",
        dash: str = "",
        hint: str = "",
    ) -> None:
        """Draw a line, with gaps where ys are NaN.

        A label brings it into the legend, a hint is shown under the mouse.
        """
        points, pen = "", "M"
        for x, y in zip(*self._at(xs, ys), strict=True):
            points += "" if math.isnan(y) else f"{pen}{x:.1f},{y:.1f}"
            pen = "M" if math.isnan(y) else " "
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        if points:
            self._body.append(f'<path class="{style}"{dashed} d="{points}">{title}</path>')
        self._name(label, f'<path class="{style}"{dashed} d="M0,-4 h22"/>')

    def dots(
        self,
        xs: npt.ArrayLike,
        ys: npt.ArrayLike,
        style: str,
        hints: Sequence[str],
        label: str = "",
    ) -> None:
        """Draw dots, each of which says something under the mouse."""
        for x, y, hint in zip(*self._at(xs, ys), hints, strict=True):
            if math.isnan(y):
                continue
            self._body.append(
                f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="2.4">'
                f"<title>{escape(hint)}</title></circle>"
            )
        self._name(label, f'<circle class="{style}" cx="11" cy="-4" r="3"/>')

    def limit(self, value: float, label: str) -> None:
        """Draw a horizontal line across."""
        self.line([self.x.low, self.x.high], [value, value], "limit", label)

    def svg(self) -> str:
        """The picture, with its style in it."""
        rows, legend = self._laid_out()
        height = HEIGHT + LEGEND * rows
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="{self.name}-t {self.name}-d">'
            f'<title id="{self.name}-t">{escape(self.title)}</title>'
            f'<desc id="{self.name}-d">{escape(self.description)}</desc><style>{STYLE}</style>'
        )
        return "\n".join([head, *self._frame(), *self._body, *legend, "</svg>"]) + "\n"

    def _name(self, label: str, sample: str) -> None:
        if label:
            self._legend.append((label, sample))

    def _at(
        self, xs: npt.ArrayLike, ys: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        across = LEFT + self.x.share(xs) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - self.y.share(ys) * (HEIGHT - TOP - BOTTOM)
        return across, down

    def _frame(self) -> list[str]:
        left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
        pieces = []
        for value, text in self.x.ticks:
            x = float(self._at(value, self.y.low)[0])
            pieces.append(f'<path class="grid" d="M{x:.1f},{TOP} V{bottom}"/>')
            pieces.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
        for value, text in self.y.ticks:
            y = float(self._at(self.x.low, value)[1])
            pieces.append(f'<path class="grid" d="M{left},{y:.1f} H{right}"/>')
            pieces.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        pieces.append(f'<path class="axis" d="M{left},{TOP} V{bottom} H{right}"/>')
        middle = (TOP + bottom) / 2
        pieces.append(
            f'<text class="pale" x="{(left + right) / 2}" y="{bottom + 34}" text-anchor="middle">'
            f"{escape(self.x.label)}</text>"
        )
        pieces.append(
            f'<text class="pale" transform="translate(13,{middle}) rotate(-90)" '
            f'text-anchor="middle">{escape(self.y.label)}</text>'
        )
        return pieces

    def _laid_out(self) -> tuple[int, list[str]]:
        """Number of lines of the legend, and its pieces, wrapped at the width."""
        pieces, x, row = [], LEFT, 0
        for label, sample in self._legend:
            room = 46 + round(6.6 * len(label))  # of system fonts at 12 px, rather too much
            if x + room > WIDTH and x > LEFT:
                x, row = LEFT, row + 1
            y = HEIGHT + LEGEND * row + 10
            pieces.append(
                f'<g transform="translate({x},{y})">{sample}<text x="28">{escape(label)}</text></g>'
            )
            x += room
        return (row + 1 if pieces else 0), pieces


def frequency_axis(low: float, high: float) -> Axis:
    """A logarithmic axis in Hz."""
    marks = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
    ticks = [
        (float(hz), f"{hz // 1000}k" if hz >= 1000 else str(hz))
        for hz in marks
        if low <= hz <= high
    ]
    return Axis(low, high, "frequency (Hz)", ticks, logarithmic=True)


def decade_axis(low: float, high: float, label: str) -> Axis:
    """A logarithmic axis from one power of ten to another."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [(10.0**k, f"1e{k}" if k else "1") for k in range(first, last + 1)]
    return Axis(10.0**first, 10.0**last, label, ticks, logarithmic=True)
