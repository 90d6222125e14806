"""Panels of a picture over time and frequency: images, and dots of components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_export.manifest import Manifest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

Array = NDArray[np.float64]

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

SIGNED_COLOURS = "RdBu_r"
"""White is zero, red is positive, blue is negative."""

ABSENT = "#d8d8e0"
"""Where a channel has no value: a grey that is in no scale."""


class Drawable:
    """One panel of a picture, below the waveform.

    Attributes
    ----------
    name : str
        Its title.
    times : tuple of two float
        Where it begins and ends, in s.
    height : float
        In inches.
    unit : str
        What its colours mean; empty without colours.
    scale : str
        Panels of one scale share a colour bar.
    bottom : float or None
        Where its colours begin; None for levels in dB, which begin `DYNAMIC_RANGE` below the loudest.
    signed : bool
        Whether its values have both signs, so that colours run from minus to plus the largest.
    """

    name: str
    times: tuple[float, float]
    unit: str
    height: ClassVar[float] = 3.6
    bottom: float | None = None
    signed: bool = False

    @property
    def scale(self) -> str:
        """See above; that of one unit, unless a panel has its own."""
        return self.unit

    def loudest(self) -> float:
        """Return the largest value that has a colour; -inf if there is none."""
        raise NotImplementedError

    def draw(self, ax: Axes, bottom: float, top: float) -> ScalarMappable | None:
        """Draw the panel, its colours from bottom to top."""
        raise NotImplementedError


@dataclass(frozen=True)
class Panel(Drawable):
    """An image over time and frequency.

    Parameters
    ----------
    name : str
        Of the output.
    times : tuple of two float
        Where the first column begins and the last one ends, in s.
    frequencies : ndarray [shape=(F,)]
        Centre frequencies in Hz, ascending.
    levels : ndarray [shape=(F, columns)]
        In ``unit``; NaN where a channel has no value.
    unit : str
        As the colour bar says it, e.g. ``"dB SPL"``.
    bottom : float or None
    signed : bool
        See `Drawable`.
    own_scale : bool
        Whether it has a colour bar of its own.
    """

    name: str
    times: tuple[float, float]
    frequencies: Array
    levels: Array
    unit: str
    bottom: float | None = None
    signed: bool = False
    own_scale: bool = False

    @property
    def scale(self) -> str:
        """See `Drawable`."""
        return f"{self.unit}, {self.name}" if self.own_scale else self.unit

    def loudest(self) -> float:
        """See `Drawable`."""
        values = np.abs(self.levels) if self.signed else self.levels
        return float(np.nanmax(values, initial=-np.inf))

    def draw(self, ax: Axes, bottom: float, top: float) -> ScalarMappable:
        """See `Drawable`."""
        ax.set_facecolor(ABSENT)
        places = cams(self.frequencies)
        low, high = _edges(places)
        rows = np.asarray(low + (high - low) / ROWS * (np.arange(ROWS) + 0.5), np.float64)
        drawn = ax.imshow(
            _interpolated(rows, places, self.levels),
            extent=(*self.times, low, high),
            origin="lower",
            aspect="auto",
            interpolation="antialiased",
            cmap=SIGNED_COLOURS if self.signed else COLOURS,
            vmin=bottom,
            vmax=top,
        )
        _frequency_axis(ax, low, high)
        return drawn


@dataclass(frozen=True)
class Cloud(Drawable):
    """Components, each at a time, a frequency and a level.

    Parameters
    ----------
    name : str
        Of the list.
    times : tuple of two float
        Where the first frame begins and the last one ends, in s.
    frequencies : ndarray [shape=(F,)]
        Where components can be, in Hz, ascending.
    seconds, hertz, levels : ndarray [shape=(n,)]
        Of each component, the softest first; in s, Hz and ``unit``.
    unit : str
        As the colour bar says it.
    """

    name: str
    times: tuple[float, float]
    frequencies: Array
    seconds: Array
    hertz: Array
    levels: Array
    unit: str

    def loudest(self) -> float:
        """See `Drawable`."""
        return float(self.levels.max(initial=-np.inf))

    def draw(self, ax: Axes, bottom: float, top: float) -> ScalarMappable:
        """See `Drawable`."""
        ax.set_facecolor("black")
        drawn: ScalarMappable = ax.scatter(
            self.seconds,
            cams(self.hertz),
            c=self.levels,
            s=DOT**2,
            marker="o",
            linewidths=0,
            cmap=COLOURS,
            vmin=bottom,
            vmax=top,
        )
        ax.set_xlim(*self.times)
        _frequency_axis(ax, *_edges(cams(self.frequencies)))
        return drawn


def cams(frequency: ArrayLike) -> Array:
    """Return the place on the ERB-rate scale, in Cams, of a frequency in Hz.

    References
    ----------
    .. [1] Glasberg & Moore, "Derivation of auditory filter shapes from notched-noise data" (1990).
    """
    # The numpy form of amt_export.erb.fc2erb, so that a picture needs no torch.
    return 9.2645 * np.log(1 + 0.00437 * np.asarray(frequency, np.float64))


def frame_times(frames: int, manifest: Manifest, fs: float) -> tuple[float, float]:
    """Return where the first frame begins and the last ends, in s, each as wide as the hop."""
    # A frame stands for the middle of the samples that it depends on; a centred one, of frame_length 0, for its
    # own position (the memory of loudness, which lasts for seconds, does not shift it).
    middle = (manifest.look_ahead - manifest.warm_up) / 2 if manifest.frame_length else 0.0
    first = (middle - manifest.hop / 2) / fs
    return first, first + frames * manifest.hop / fs


def _edges(places: Array) -> tuple[float, float]:
    """Return half a channel (or, for a single one, half a Cam) beyond the outermost centres."""
    gaps = np.diff(places) if len(places) > 1 else np.ones(1)
    return float(places[0] - gaps[0] / 2), float(places[-1] + gaps[-1] / 2)


def _frequency_axis(ax: Axes, low: float, high: float) -> None:
    """Label frequencies on the left, ERB numbers on the right."""
    ax.set_ylim(low, high)
    inside = [hz for hz in TICKS if low <= cams(hz) <= high]
    ticks = spaced([float(cams(hz)) for hz in inside], ROOM * (high - low))
    hertz = [hz for hz in inside if float(cams(hz)) in ticks]
    ax.set_yticks(ticks, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in hertz])
    ax.set_ylabel("frequency (Hz)")
    numbers = ax.secondary_yaxis(1.0)
    numbers.set_ylabel("ERB number (Cam)")
    numbers.set_yticks(np.arange(np.ceil(low / 5) * 5, high, 5))


def spaced(ticks: list[float], room: float) -> list[float]:
    """Return ascending ticks without those that would be nearer than `room` to the next one above."""
    kept: list[float] = []
    for tick in reversed(ticks):
        if not kept or kept[0] - tick >= room:
            kept.insert(0, tick)
    return kept


def _interpolated(rows: Array, places: Array, levels: Array) -> Array:
    """Return levels (F, columns) linearly interpolated from ``places`` to ``rows``."""
    position = np.interp(rows, places, np.arange(len(places)))
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, len(places) - 1)
    weight = (position - below)[:, None]
    blended: Array = (1 - weight) * levels[below] + weight * levels[above]
    return blended
