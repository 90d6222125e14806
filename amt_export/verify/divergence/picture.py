"""The error growing from node to node, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from amt_export.errors import require
from amt_export.plot.draw import INK, PALE, STYLE
from amt_export.verify.divergence.search import MOST_ROUNDING, Divergence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE = "#1d4ed8"
# Smaller differences, zero among them, are drawn here: below the last digit of a float32.
LOWEST = 1e-10
HIGHEST = 1e2


def picture(found: Divergence, title: str, tolerance: float) -> Figure:
    """Draw what every value is off, in the order of the graph.

    Parameters
    ----------
    found : Divergence
    title : str
    tolerance : float

    Returns
    -------
    Figure
        `amt_export.plot.save` writes it.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "plot", "Drawing pictures")
    figures = require("matplotlib.figure", "plot", "Drawing pictures")
    order = np.arange(len(found.steps))
    with matplotlib.rc_context(STYLE):
        figure: Figure = figures.Figure(figsize=(11, 5), layout="constrained")
        ax = figure.add_subplot()
        errors = np.clip([step.error for step in found.steps], LOWEST, HIGHEST)
        rounding = np.array([step.rounding for step in found.steps])
        # Where rounding explains nothing, float64 has another value: that is no distance.
        rounding = np.where(rounding < MOST_ROUNDING, np.clip(rounding, LOWEST, HIGHEST), np.nan)
        ax.plot(order, rounding, ".", color=PALE, ms=3, alpha=0.6, label="eager torch from float64")
        ax.plot(order, errors, ".", color=BLUE, ms=4, label="artifact from eager torch")
        ax.plot(order, np.maximum.accumulate(errors), color=BLUE, lw=1.0, label="largest so far")
        ax.axhline(tolerance, color="#15803d", ls="--", lw=1.0, label=f"allowed: {tolerance:.0e}")
        if found.first is not None:
            at = found.steps.index(found.first)
            height = float(np.clip(found.first.error, LOWEST, HIGHEST))
            ax.plot([at], [height], "o", color="#b91c1c", ms=6)
            right = at < 0.7 * len(order)
            ax.annotate(
                f"first departs: {found.first.name} ({found.first.op})",
                (at, height),
                xytext=(10 if right else -10, 12),
                textcoords="offset points",
                ha="left" if right else "right",
                color="#b91c1c",
                parse_math=False,
            )
        ax.set_yscale("log")
        ax.set_ylim(LOWEST, max(1e-2, *(min(s.error, HIGHEST) * 10 for s in found.steps)))
        # What stands at the lower edge is mostly no difference at all.
        decade = ax.yaxis.get_major_formatter()
        ax.yaxis.set_major_formatter(lambda y, at: "0" if y <= LOWEST else decade(y, int(at or 0)))
        ax.set_xlim(0, max(len(order) - 1, 1))
        ax.set_xlabel("values in the order of the graph")
        ax.set_ylabel("largest difference, relative to the largest value")
        ax.grid(axis="y", color=PALE, alpha=0.2)
        ax.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)
        figure.legend(loc="outside lower left", frameon=False, ncols=4)
    return figure
