"""Panels on paper: one figure, one colour scale, one strip with the sound itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import PublishError, require
from amt_export.manifest import Manifest, Port
from amt_export.plot.columns import Columns, gathered
from amt_export.plot.level_columns import Outline
from amt_export.plot.panels import Drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

DYNAMIC_RANGE = 70.0
"""dB below the maximum that the colours span: speech from its vowels down to a quiet room."""

SILENCE = -150.0
"""dB; levels below are those of silence: the floor of `plot.level_columns` is 206 dB below 20 µPa."""

Limits = tuple[float, float]

FORMATS: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}
"""By suffix, the metadata that is left out: equal pictures are equal files."""

FILE_STYLE = {
    "pdf.fonttype": 42,  # TrueType; journals refuse matplotlib's default, Type 3
    "svg.hashsalt": "amt_export",  # or the ids in the file differ from run to run
}

INK, PALE = "#22223b", "#6c6c80"

STYLE = {
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.grid": False,  # whatever the user's style says: lines would lie on the images
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
    limits: Limits | None = None,
) -> Figure:
    """Draw what a model answers, one panel below the other.

    Parameters
    ----------
    outputs : dict of ndarray
        Outputs by name, as `Model.process` and `Model.process_file` return them.
    manifest : Manifest
        Of the model that computed them.
    fs : float
        Sampling rate of the model in Hz.
    title : str
        Heading, e.g. the name of the recording.
    audio : ndarray [shape=(..., T)], optional
        The model's input, for a strip above.
    limits : tuple of two float, optional
        Lowest and highest level that has a colour of its own, in dB as the colour bar says it; the same for
        several pictures, so that they compare. Default: `DYNAMIC_RANGE` dB below the maximum.

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
    return picture(gathered(outputs, manifest, fs, heard), fs, title, limits)


def picture(columns: Columns, fs: float, title: str, limits: Limits | None = None) -> Figure:
    """Draw what was gathered from a model's outputs; see `cochleagram`."""
    matplotlib = require("matplotlib", "plot", "Drawing pictures")
    figures = require("matplotlib.figure", "plot", "Drawing pictures")
    manifest, shown = columns.manifest, columns.panels()
    heights = [panel.height for panel in shown]
    above = 0.7 if columns.samples else 0.05  # inches for the waveform; the heading stands on it
    with matplotlib.rc_context(STYLE):
        # A Figure of its own, not pyplot's: no display, no global state. Saving takes Agg for PNG.
        figure: Figure = figures.Figure(
            figsize=(11, 1.2 + above + sum(heights)), layout="constrained"
        )
        grid = figure.add_gridspec(
            1 + len(shown), 2, height_ratios=[above, *heights], width_ratios=[1, 0.016]
        )
        axes = [figure.add_subplot(grid[1 + i, 0]) for i in range(len(shown))]
        for scale in dict.fromkeys(panel.scale for panel in shown):
            _draw_scale(scale, shown, axes, grid, limits, silent=columns.is_silent())
        for panel, ax in zip(shown, axes, strict=True):
            ax.sharex(axes[0])
            ax.label_outer()
            if len(shown) > 1:
                ax.set_title(panel.name.replace("_", " "), loc="left", fontsize=9.5)
        end = max(panel.times[1] for panel in shown)
        axes[0].set_xlim(0, columns.samples / fs if columns.samples else end)
        axes[-1].set_xlabel("time (s)")
        strip = figure.add_subplot(grid[0, 0], sharex=axes[0])
        strip.axis("off")
        if columns.samples:
            beside_bar = len(figure.axes) > len(shown) + 1
            _draw_waveform(columns.outline, fs, manifest.inputs[0], strip, beside_bar=beside_bar)
        # A file name may hold dollar signs, and is no mathematics.
        strip.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=20, parse_math=False)
        strip.text(
            0,
            1.0 + 0.07 / above,
            manifest.description,
            color=PALE,
            transform=strip.transAxes,
            parse_math=False,
        )
    return figure


def level_range(columns: Columns, limits: Limits | None = None) -> Limits | None:
    """Return the levels of the darkest and the brightest colour of a picture.

    Parameters
    ----------
    columns : Columns
        What was gathered.
    limits : tuple of two float, optional
        As for `picture`.

    Returns
    -------
    tuple of two float, or None
        In dB, as `limits` takes them; None for silence, and for pictures that have no levels, or levels of
        several units.
    """
    panels = [panel for panel in columns.panels() if panel.bottom is None and panel.unit]
    if len({panel.scale for panel in panels}) != 1:
        return None
    top = _loudest(panels)
    if columns.is_silent() or top < SILENCE:
        return None
    return limits or (top - DYNAMIC_RANGE, top)


def save(figure: Figure, path: str | Path, suffix: str | None = None) -> None:
    """Write a picture as PNG, PDF or SVG; images in it have 150 dots per inch.

    Parameters
    ----------
    figure : Figure
    path : str or Path
        The file.
    suffix : str, optional
        One of `FORMATS`, which says the format. Default: that of the path, or ``.png`` for any other path.

    Raises
    ------
    PublishError
        If the file cannot be written.
    """
    matplotlib = require("matplotlib", "plot", "Drawing pictures")
    ending = (suffix or Path(path).suffix).lower()
    chosen = ending if ending in FORMATS else ".png"
    try:
        with matplotlib.rc_context(FILE_STYLE):
            figure.savefig(path, format=chosen[1:], dpi=150, metadata=FORMATS[chosen])
    except OSError as error:
        raise PublishError(f"{path}: {error.strerror or error}; give another place") from error


def _draw_scale(
    scale: str,
    shown: list[Drawable],
    axes: list[Axes],
    grid: GridSpec,
    limits: Limits | None,
    *,
    silent: bool,
) -> None:
    """Draw the panels of one scale with the same colours, so that they compare, with their bar beside them."""
    places = [place for place, panel in enumerate(shown) if panel.scale == scale]
    first = shown[places[0]]
    top = _loudest([shown[place] for place in places])
    if first.bottom is None and first.unit and (silent or top < SILENCE):
        _draw_silence([shown[place] for place in places], [axes[place] for place in places], top)
        return
    bottom, extend = (-top, "neither") if first.signed else (first.bottom or 0.0, "neither")
    if first.bottom is None:
        bottom, extend = top - DYNAMIC_RANGE, "min"
        if limits is not None:
            (bottom, top), extend = limits, "both" if top > limits[1] else "min"
    # Silence on a scale that begins at zero: any top above it.
    top = top if top > bottom else bottom + 1.0
    drawn = [shown[place].draw(axes[place], bottom, top) for place in places]
    if drawn[-1] is None:
        return
    figure = axes[0].figure
    bar = figure.colorbar(
        drawn[-1],
        cax=figure.add_subplot(grid[1 + places[0] : 2 + places[-1], 1]),
        extend=extend,
    )
    bar.set_label(f"level ({first.unit})" if first.bottom is None else first.unit)
    bar.outline.set_visible(False)


def _loudest(panels: Sequence[Drawable]) -> float:
    """Return the largest value in the panels of one scale; 0 where there is no component at all."""
    top = max(panel.loudest() for panel in panels)
    return top if np.isfinite(top) else 0.0


def _draw_silence(panels: list[Drawable], axes: list[Axes], level: float) -> None:
    """Draw panels of levels in black, and say why; a colour bar would have nothing to tell."""
    for panel, ax in zip(panels, axes, strict=True):
        panel.draw(ax, level, level + DYNAMIC_RANGE)
        ax.text(
            *(0.5, 0.5, "silence"), color="white", ha="center", va="center", transform=ax.transAxes
        )


def _draw_waveform(outline: Outline, fs: float, port: Port, ax: Axes, *, beside_bar: bool) -> None:
    """Draw the envelope of the input, of all channels together, without axes."""
    lowest, highest = outline.edges()
    starts = outline.width * np.arange(len(lowest))
    ax.fill_between(starts / fs, lowest, highest, color=INK, linewidth=0.3)
    peak = max(float(highest.max()), -float(lowest.min()))
    ax.set_ylim(-peak or -1, peak or 1)
    words = f"peak\n{peak:.2g} {port.unit}" + "\nboth ears" * ("ear" in port.axes)
    label = ax.text(1.008, 0.5, words, color=PALE, va="center", transform=ax.transAxes)
    # It lies above the colour bar, and needs no room of its own beside one.
    label.set_in_layout(not beside_bar)
