"""Panels on paper: one figure, one colour scale, one strip with the sound itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import PublishError, require
from amt_export.manifest import Manifest
from amt_export.plot.level_columns import Columns, Outline, gathered
from amt_export.plot.panels import Array, Cloud, Panel, cams, column_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

DYNAMIC_RANGE = 70.0
"""dB below the maximum that the colours span: speech from its vowels down to a quiet room."""

ROWS = 480
"""Rows of an image: channels are interpolated to about the pixels of a panel."""

DOT = 2.5
"""Points; the diameter of a component's dot, one and a half cells of `plot.component_points`: no gaps
between neighbours that are not there, and below 500 Hz room between components."""

TICKS = (20, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000)
"""Hz; those inside the picture are labelled, from above, as long as there is room."""

ROOM = 0.035
"""Share of a panel's height that a label needs."""

COLOURS = "magma"
"""Dark is soft, bright is loud, in print and for the colour-blind too."""

INK, PALE = "#22223b", "#6c6c80"

STYLE = {
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


def cochleagram(
    outputs: Mapping[str, NDArray[Any]],
    manifest: Manifest,
    fs: float,
    title: str,
    audio: NDArray[Any] | None = None,
) -> Figure:
    """Draw what a model answers, one panel below the other, on one colour scale.

    Parameters
    ----------
    outputs, manifest, fs
        As `panels` takes them.
    title : str
        Heading, e.g. the name of the recording.
    audio : ndarray [shape=(..., T)], optional
        The model's input, for a strip above.

    Returns
    -------
    Figure
        `save` writes it.

    Raises
    ------
    InputError
        If there is nothing to draw.
    MissingDependencyError
        If matplotlib is not installed.
    """
    heard = np.empty(0) if audio is None else np.asarray(audio)
    return picture(gathered(outputs, manifest, fs, heard), fs, title)


def picture(columns: Columns, fs: float, title: str) -> Figure:
    """Draw what was gathered from a model's outputs; see `cochleagram`."""
    matplotlib = require("matplotlib", "plot", "Drawing pictures")
    figures = require("matplotlib.figure", "plot", "Drawing pictures")
    manifest, shown = columns.manifest, column_panels(columns, fs)
    with matplotlib.rc_context(STYLE):
        # A Figure of its own, not pyplot's: no display, no global state. Saving takes Agg for PNG.
        figure: Figure = figures.Figure(figsize=(11, 1.9 + 3.6 * len(shown)), layout="constrained")
        grid = figure.add_gridspec(
            1 + len(shown), 2, height_ratios=[0.7] + [3.6] * len(shown), width_ratios=[1, 0.016]
        )
        axes = [figure.add_subplot(grid[1 + i, 0]) for i in range(len(shown))]
        top = max(float(panel.levels.max(initial=-np.inf)) for panel in shown)
        top = top if np.isfinite(top) else 0.0  # no component at all
        for panel, ax in zip(shown, axes, strict=True):
            image = _draw(panel, ax, top)
            ax.sharex(axes[0])
            ax.label_outer()
            if len(shown) > 1:
                ax.set_title(panel.name.replace("_", " "), loc="left", fontsize=9.5)
        end = max(panel.times[1] for panel in shown)
        axes[0].set_xlim(0, columns.samples / fs if columns.samples else end)
        axes[-1].set_xlabel("time (s)")
        bar = figure.colorbar(image, cax=figure.add_subplot(grid[1:, 1]), extend="min")
        bar.set_label(f"level ({shown[0].unit})")
        bar.outline.set_visible(False)
        strip = figure.add_subplot(grid[0, 0], sharex=axes[0])
        strip.axis("off")
        if columns.samples:
            _draw_waveform(columns.outline, fs, manifest.inputs[0].unit, strip)
        # A file name may hold dollar signs, and is no mathematics.
        strip.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=20, parse_math=False)
        strip.text(
            0, 1.1, manifest.description, color=PALE, transform=strip.transAxes, parse_math=False
        )
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a picture as PNG, 150 dots per inch.

    Raises
    ------
    PublishError
        If the file cannot be written.
    """
    try:
        figure.savefig(path, format="png", dpi=150, metadata={"Software": None})
    except OSError as error:
        raise PublishError(f"{path}: {error.strerror or error}; give another place") from error


def _draw(panel: Panel | Cloud, ax: Axes, top: float) -> ScalarMappable:
    """Draw a panel, its colours ending at ``top``."""
    places = cams(panel.frequencies)
    # Half a channel (or, for a single one, half a Cam) beyond the outermost centres.
    gaps = np.diff(places) if len(places) > 1 else np.ones(1)
    low, high = places[0] - gaps[0] / 2, places[-1] + gaps[-1] / 2
    bottom = top - DYNAMIC_RANGE
    drawn: ScalarMappable
    if isinstance(panel, Cloud):
        ax.set_facecolor("black")
        drawn = ax.scatter(
            panel.seconds,
            cams(panel.hertz),
            c=panel.levels,
            s=DOT**2,
            marker="o",
            linewidths=0,
            cmap=COLOURS,
            vmin=bottom,
            vmax=top,
        )
        ax.set_xlim(*panel.times)
    else:
        height = (high - low) / ROWS
        rows = low + height * (np.arange(ROWS) + 0.5)
        drawn = ax.imshow(
            _interpolated(rows, places, panel.levels),
            extent=(*panel.times, low, high),
            origin="lower",
            aspect="auto",
            interpolation="antialiased",
            cmap=COLOURS,
            vmin=bottom,
            vmax=top,
        )
    ax.set_ylim(low, high)
    ticks: list[int] = []
    for hz in reversed([hz for hz in TICKS if low <= cams(hz) <= high]):
        if not ticks or cams(ticks[0]) - cams(hz) >= ROOM * (high - low):
            ticks.insert(0, hz)
    ax.set_yticks(cams(ticks), [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks])
    ax.set_ylabel("frequency (Hz)")
    numbers = ax.secondary_yaxis(1.0)
    numbers.set_ylabel("ERB number (Cam)")
    numbers.set_yticks(np.arange(np.ceil(low / 5) * 5, high, 5))
    return drawn


def _interpolated(rows: Array, places: Array, levels: Array) -> Array:
    """Return levels (F, columns) linearly interpolated from ``places`` to ``rows``."""
    position = np.interp(rows, places, np.arange(len(places)))
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, len(places) - 1)
    weight = (position - below)[:, None]
    blended: Array = (1 - weight) * levels[below] + weight * levels[above]
    return blended


def _draw_waveform(outline: Outline, fs: float, unit: str, ax: Axes) -> None:
    """Draw the envelope of the input, of all channels together, without axes."""
    lowest, highest = outline.edges()
    starts = outline.width * np.arange(len(lowest))
    ax.fill_between(starts / fs, lowest, highest, color=INK, linewidth=0.3)
    peak = max(float(highest.max()), -float(lowest.min()))
    ax.set_ylim(-peak or -1, peak or 1)
    label = ax.text(
        1.008, 0.5, f"peak\n{peak:.2g} {unit}", color=PALE, va="center", transform=ax.transAxes
    )
    label.set_in_layout(False)  # it lies above the colour bar, and needs no column of its own
