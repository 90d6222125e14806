"""Components of a sparse spectrum as dots of a picture: the loudest of every small cell, however many come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.manifest import Manifest, Port
from amt_export.plot.panels import Cloud, cams, frame_times

Array = NDArray[np.float64]

MAX_COLUMNS = 420
"""Columns of cells: a dot is three pixels wide."""

CELL = 0.2
"""Cams; the height of a cell, three pixels too. Below 500 Hz every component has its own."""


class ComponentPoints:
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
        """Continue with the list.

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
        row = np.floor(cams(f) / CELL).astype(np.int64)
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


class ComponentClouds:
    """Gathers the dots of all lists of components among the outputs.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    lists : list of ComponentPoints
        One for each list.
    fs : float
        The model's sampling rate in Hz.
    """

    def __init__(self, manifest: Manifest, lists: list[ComponentPoints], fs: float) -> None:
        self._manifest, self.lists, self._fs = manifest, lists, fs

    @classmethod
    def of(cls, manifest: Manifest, frames: Mapping[str, int], fs: float) -> ComponentClouds | None:
        """See `amt_export.plot.kinds.Kind`."""
        names = dict.fromkeys(
            port.components
            for port in manifest.outputs
            if port.components is not None and port.name in frames
        )
        lists = [
            ComponentPoints(name, levels.unit, frames[levels.name])
            for name in names
            for _, levels in [_list(manifest, name)]
        ]
        return cls(manifest, lists, fs) if lists else None

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the outputs."""
        for dots in self.lists:
            freqs, levels = _list(self._manifest, dots.name)
            dots.add(outputs[freqs.name], outputs[levels.name])

    def panels(self) -> list[Cloud]:
        """Return one panel for each list."""
        return [self._cloud(dots) for dots in self.lists]

    def _cloud(self, dots: ComponentPoints) -> Cloud:
        frames, hertz, levels = dots.points()
        times = frame_times(dots.count, self._manifest, self._fs)
        order = np.argsort(levels)
        return Cloud(
            f"components {dots.name}",
            times,
            np.sort(np.asarray(self._manifest.centre_frequencies, np.float64)),
            times[0] + (frames[order] + 0.5) * self._manifest.hop / self._fs,
            hertz[order],
            levels[order],
            dots.unit,
        )


def _list(manifest: Manifest, name: str) -> tuple[Port, Port]:
    """Return the outputs with the frequencies and with the levels of a list of components."""
    first, second = (port for port in manifest.outputs if port.components == name)
    return (first, second) if first.unit == "Hz" else (second, first)
