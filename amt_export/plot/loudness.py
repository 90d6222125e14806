"""Loudness over time in sone and phon, and specific loudness as an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from amt_export.manifest import Manifest, Port
from amt_export.plot.level_columns import MAX_COLUMNS
from amt_export.plot.panels import Drawable, Panel, frame_times, spaced
from amt_export.runtime.loudness import (
    LoudnessOutputs,
    LoudnessSummary,
    RunningLoudness,
    both_ears,
    loudness_outputs,
    time_of,
)
from amt_export.runtime.phon import phon, phon_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

SPECIFIC = ("batch", "frame", "ear", "channel")
"""Axes of specific loudness."""

EARS = ("left", "right")

SHORT, LONG = "#b8a7c9", "#721f81"
"""The darker one is the long-term loudness, whose maximum is the loudness of the recording."""

PHONS = np.arange(0, 121, 10)
"""Ticks of the right axis; those that would touch are left out, from below."""

ROOM = 0.06
"""Share of the panel's height that such a tick needs."""

INAUDIBLE = 5e-4
"""Sone; the softest loudness with a loudness level, 0 phon."""

SONES = np.geomspace(5.5e-4, 304.0, 4000)
"""Where `phon` is inverted for the ticks: its table ends a little further out."""


class Stretches:
    """Reduces a course (n, ...) to one row for each stretch of `width` frames.

    Parameters
    ----------
    width : int
        Frames of a stretch.
    reduce : ufunc
        ``np.maximum`` or ``np.add``.
    """

    def __init__(self, width: int, reduce: np.ufunc) -> None:
        self.width, self._reduce = width, reduce
        self._rows: list[Array] = []
        self.count = 0

    def add(self, piece: Array) -> None:
        """Continue with the course."""
        if not len(piece):
            return
        held = self.count % self.width
        starts = [0, *range(self.width - held if held else self.width, len(piece), self.width)]
        rows = self._reduce.reduceat(piece, starts, axis=0)
        if held:
            self._rows[-1] = self._reduce(self._rows[-1], rows[0])
            rows = rows[1:]
        self._rows.extend(rows)
        self.count += len(piece)

    def rows(self) -> Array:
        """Return one row for each stretch, the last one included."""
        return np.stack(self._rows)

    def sizes(self) -> Array:
        """Return the number of frames in each stretch."""
        starts = np.arange(0, self.count, self.width, dtype=np.float64)
        return np.minimum(float(self.width), self.count - starts)


@dataclass(frozen=True)
class Curves(Drawable):
    """Loudness of both ears over time.

    Parameters
    ----------
    times : tuple of two float
        Where the first frame begins and the last one ends, in s.
    seconds : ndarray [shape=(k,)]
        Places of the columns.
    courses : dict of ndarray [shape=(k,)]
        Loudness in sone by name, the largest one of each column.
    summary : LoudnessSummary
        Of all frames.
    """

    times: tuple[float, float]
    seconds: Array
    courses: dict[str, Array]
    summary: LoudnessSummary

    height: ClassVar[float] = 3.0
    unit = ""

    @property
    def name(self) -> str:  # type: ignore[override]  # of the summary
        """Title, with the percentiles."""
        n5, n10 = self.summary.n5, self.summary.n10
        return f"both ears, N5 = {_number(n5)}, N10 = {_number(n10)} sone"

    def loudest(self) -> float:
        """See `amt_export.plot.panels.Drawable`."""
        return float("-inf")

    def draw(self, ax: Axes, bottom: float, top: float) -> None:  # noqa: ARG002
        """See `amt_export.plot.panels.Drawable`."""
        summary = self.summary
        for (name, course), colour in zip(self.courses.items(), (SHORT, LONG), strict=False):
            ax.plot(self.seconds, course, color=colour, linewidth=1.2, label=name)
        if summary.maximum:
            level, when = phon_words(summary.maximum), time_of(summary.seconds)
            words = f"maximum {_number(summary.maximum)} sone ({level}) at {when}"
            ax.plot(
                [summary.seconds], [summary.maximum], "o", color=LONG, markersize=4, label=words
            )
        largest = max(float(course.max(initial=0.0)) for course in self.courses.values())
        high = 1.08 * largest if largest > 0.0 else 1.0
        ax.set_ylim(0.0, high)
        ax.set_ylabel("loudness (sone)")
        # Above the panel, where no line is.
        ax.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            borderaxespad=0.2,
            frameon=False,
            ncols=3,
            fontsize=9,
            handlelength=1.0,
            columnspacing=1.0,
        )
        levels = ax.secondary_yaxis(1.0)
        levels.set_ylabel("loudness level (phon)")
        places = np.interp(PHONS, phon(SONES), SONES)
        ticks = spaced([float(place) for place in places if place <= high], ROOM * high)
        levels.set_yticks(ticks, [f"{phon(tick):.0f}" for tick in ticks])


def _number(sone: float) -> str:
    """Return a loudness as a title has it; what nobody hears is 0."""
    return f"{sone if sone >= INAUDIBLE else 0.0:.3g}"


class LoudnessCourses:
    """Gathers loudness over time.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    outputs : LoudnessOutputs
        Which of its outputs are loudness over time.
    frames : int
        That will come.
    fs : float
        The model's sampling rate in Hz.
    """

    def __init__(
        self, manifest: Manifest, outputs: LoudnessOutputs, frames: int, fs: float
    ) -> None:
        self._manifest, self._fs = manifest, fs
        self._running = RunningLoudness(manifest, outputs)
        width = max(1, -(-frames // MAX_COLUMNS))
        # A peak that lasts for a single frame is to be seen.
        self._courses = {port.name: Stretches(width, np.maximum) for port in outputs}

    @classmethod
    def of(cls, manifest: Manifest, frames: Mapping[str, int], fs: float) -> LoudnessCourses | None:
        """See `amt_export.plot.kinds.Kind`."""
        outputs = loudness_outputs(manifest)
        if outputs is None or not all(port.name in frames for port in outputs):
            return None
        return cls(manifest, outputs, frames[outputs.long_term.name], fs)

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the outputs."""
        self._running.add(outputs)
        for name, stretches in self._courses.items():
            stretches.add(both_ears(outputs[name]))

    def panels(self) -> list[Curves]:
        """Return the panel of all courses."""
        rows = {name: stretches.rows() for name, stretches in self._courses.items()}
        stretches = next(iter(self._courses.values()))
        middle = np.arange(0, stretches.count, stretches.width) + (stretches.sizes() - 1) / 2
        seconds = middle * self._manifest.hop / self._fs
        times = frame_times(stretches.count, self._manifest, self._fs)
        courses = {name.replace("_", "-"): row for name, row in rows.items()}
        return [Curves(times, seconds, courses, self._running.summary())]


class SpecificLoudness:
    """Gathers specific loudness: one image of both ears where they hear the same, else one of each.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    port : Port
        The specific loudness.
    frames : int
        That will come.
    fs : float
        The model's sampling rate in Hz.
    """

    def __init__(self, manifest: Manifest, port: Port, frames: int, fs: float) -> None:
        self._manifest, self._port, self._fs = manifest, port, fs
        self._sums = Stretches(max(1, -(-frames // MAX_COLUMNS)), np.add)

    @classmethod
    def of(
        cls, manifest: Manifest, frames: Mapping[str, int], fs: float
    ) -> SpecificLoudness | None:
        """See `amt_export.plot.kinds.Kind`."""
        for port in manifest.outputs:
            if port.axes == SPECIFIC and port.unit == "sone/Cam" and port.name in frames:
                return cls(manifest, port, frames[port.name], fs)
        return None

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the outputs."""
        value = outputs[self._port.name]
        ears = value[0] if value.ndim == len(SPECIFIC) else value
        self._sums.add(ears.astype(np.float64))

    def panels(self) -> list[Panel]:
        """Return one or two images."""
        means = self._sums.rows() / self._sums.sizes()[:, None, None]
        left, right = means[:, 0], means[:, 1]
        name = f"{self._port.name} loudness"
        named = [(f"{name}, {ear} ear", of) for ear, of in zip(EARS, (left, right), strict=True)]
        # Rounding alone makes ears that hear the same no different.
        if np.allclose(left, right, rtol=1e-4, atol=1e-4 * float(means.max(initial=0.0))):
            named = [(f"{name}, the same at both ears", left)]
        times = frame_times(self._sums.count, self._manifest, self._fs)
        frequencies = np.asarray(self._manifest.centre_frequencies, np.float64)
        return [Panel(title, times, frequencies, ear.T, "sone/Cam", 0.0) for title, ear in named]
