"""Pictures of what an ear model answers, over time and frequency.

`panels` turns outputs into levels over time and frequency, `cochleagram` draws them: frequency on
the ERB-rate scale, on which equal distances are about equal distances along the cochlea.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_export.errors import PublishError, require
from amt_export.manifest import Manifest, Port
from amt_export.meter import WAVES, Columns, Outline, gathered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[np.float64]

P0 = 2e-5
"""Pa; the reference of dB SPL."""

DYNAMIC_RANGE = 70.0
"""dB below the maximum that the colours span: speech from its vowels down to a quiet room."""

FLOOR = 1e-30
"""Energy that stands for none, far below every dynamic range, so that silence has a level."""

SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
"""Over five columns of 2 ms: 10 ms, a period of 100 Hz, so that low channels do not ripple."""

ROWS = 480
"""Rows of an image: channels are interpolated to about the pixels of a panel."""

TICKS = (20, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000)
"""Hz; those inside the picture are labelled."""

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


@dataclass(frozen=True)
class Panel:
    """Levels over time and frequency.

    Parameters
    ----------
    name : str
        Of the output.
    times : tuple of two float
        Where the first column begins and the last one ends, in s.
    frequencies : ndarray [shape=(F,)]
        Centre frequencies in Hz, ascending.
    levels : ndarray [shape=(F, columns)]
        In ``unit``.
    unit : str
        As the colour bar says it, e.g. ``"dB SPL"``.
    """

    name: str
    times: tuple[float, float]
    frequencies: Array
    levels: Array
    unit: str


def cams(frequency: ArrayLike) -> Array:
    """Return the place on the ERB-rate scale, in Cams, of a frequency in Hz.

    References
    ----------
    .. [1] Glasberg & Moore, "Derivation of auditory filter shapes from notched-noise data" (1990).
    """
    # The numpy form of amt_export.erb.fc2erb, so that a picture needs no torch.
    return 9.2645 * np.log(1 + 0.00437 * np.asarray(frequency, np.float64))


def panels(outputs: Mapping[str, NDArray[Any]], manifest: Manifest, fs: float) -> list[Panel]:
    """Return one panel for each output that runs over time and channels.

    Parameters
    ----------
    outputs : mapping of ndarray
        By name, with or without the batch axis; of a batch, the first is taken.
    manifest : Manifest
        Of the model.
    fs : float
        The model's sampling rate in Hz.

    Raises
    ------
    InputError
        If there is no such output.
    """
    return column_panels(gathered(outputs, manifest, fs, np.empty(0)), fs)


def column_panels(columns: Columns, fs: float) -> list[Panel]:
    """Return one panel for each output that was gathered."""
    manifest = columns.manifest
    order = np.argsort(manifest.centre_frequencies)
    frequencies = np.asarray(manifest.centre_frequencies, np.float64)[order]
    found = []
    for name, meter in columns.meters.items():
        means, port = columns.means(name), meter.port
        if port.axes == WAVES:
            levels, unit = _levels(means, port)
            times = (0.0, meter.count / fs)
        else:
            levels, unit = means, port.unit
            times = _frame_times(meter.count, manifest, fs)
        found.append(Panel(name, times, frequencies, levels[order], unit))
    return found


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
        top = max(float(panel.levels.max()) for panel in shown)
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


def _levels(means: Array, port: Port) -> tuple[Array, str]:
    """Return short-time levels of waveforms from mean squares (F, k), and their unit."""
    energy = np.stack([np.convolve(row, SMOOTHING)[2:-2] for row in means])
    energy /= np.convolve(np.ones(means.shape[1]), SMOOTHING)[2:-2]  # fewer at the ends
    # Only pressure has a reference of its own; a velocity's zero is the picture's maximum.
    reference, unit = (P0**2, "dB SPL") if port.unit == "Pa" else (energy.max(), "dB re maximum")
    return 10 * np.log10(np.maximum(energy, FLOOR) / max(reference, FLOOR)), unit


def _frame_times(frames: int, manifest: Manifest, fs: float) -> tuple[float, float]:
    """Return where the first frame begins and the last ends, in s, each as wide as the hop."""
    # A frame stands for the middle of the samples that it depends on.
    middle = (manifest.look_ahead - manifest.warm_up) / 2
    first = (middle - manifest.hop / 2) / fs
    return first, first + frames * manifest.hop / fs


def _draw(panel: Panel, ax: Axes, top: float) -> AxesImage:
    """Draw the image of a panel, its colours ending at ``top``."""
    places = cams(panel.frequencies)
    # Half a channel (or, for a single one, half a Cam) beyond the outermost centres.
    gaps = np.diff(places) if len(places) > 1 else np.ones(1)
    low, high = places[0] - gaps[0] / 2, places[-1] + gaps[-1] / 2
    height = (high - low) / ROWS
    rows = low + height * (np.arange(ROWS) + 0.5)
    image = ax.imshow(
        _interpolated(rows, places, panel.levels),
        cmap="magma",
        vmin=top - DYNAMIC_RANGE,
        vmax=top,
        extent=(*panel.times, low, high),
        origin="lower",
        aspect="auto",
        interpolation="antialiased",
    )
    ticks = [hz for hz in TICKS if low <= cams(hz) <= high]
    ax.set_yticks(cams(ticks), [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks])
    ax.set_ylabel("frequency (Hz)")
    return image


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
