"""Columns of what `live` draws, from outputs as they come; which outputs these are is one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from amt_export.cli.terminal.scale import DecibelScale, LinearScale, Scale
from amt_export.errors import InputError
from amt_export.manifest import Manifest, Port
from amt_export.plot.level_columns import DENSITIES, DRAWN, FLOOR, P0, WAVES, ColumnMeans
from amt_export.plot.loudness import SPECIFIC
from amt_export.runtime.loudness import LoudnessOutputs, both_ears, loudness_outputs
from amt_export.runtime.phon import phon

Array = NDArray[np.float64]
Outputs = Mapping[str, NDArray[Any]]

ENERGIES = (WAVES, DENSITIES)
"""Axes of outputs whose means are pressures squared, not levels."""


class Columns(Protocol):
    """Takes outputs, batch axis included, and returns the columns that are complete.

    Attributes
    ----------
    name, unit : str
        Of what is drawn.
    frequencies : ndarray [shape=(F,)]
        Centre frequencies in Hz of the rows.
    scale : Scale or None
        Of the colours; None for a curve.
    """

    name: str
    unit: str
    frequencies: Array
    scale: Scale | None

    def widen(self, width: int) -> None:
        """Let every column stand for so many samples or frames; before the first output."""

    def add(self, outputs: Outputs) -> Array:
        """Return the columns that are complete, (F, k)."""


class Levels:
    """Levels of every channel in dB."""

    def __init__(self, manifest: Manifest, port: Port) -> None:
        self._port, self._meter = port, ColumnMeans(port, 1)
        self.name = port.name.replace("_", " ")
        self.frequencies = np.asarray(manifest.centre_frequencies, np.float64)
        self.scale: Scale | None = DecibelScale()
        # Below the colours there is room for nine characters.
        self.unit = port.unit.replace("re 1 ", "re ")
        if port.axes == DENSITIES:
            self.unit = "dB SPL/Hz"
        elif port.axes == WAVES:
            self.unit = "dB SPL" if port.unit == "Pa" else f"dB re {port.unit}"

    @classmethod
    def of(cls, manifest: Manifest) -> Levels | None:
        """Return the columns of the first output that can be drawn."""
        ports = [port for port in manifest.outputs if port.axes in (*DRAWN, DENSITIES)]
        return cls(manifest, ports[0]) if ports else None

    def widen(self, width: int) -> None:
        """See `Columns`."""
        self._meter = ColumnMeans(self._port, width)

    def add(self, outputs: Outputs) -> Array:
        """See `Columns`."""
        means = self._meter.add(outputs[self._port.name])
        if self._port.axes not in ENERGIES:
            return means
        reference = P0**2 if self._port.unit.startswith("Pa") else 1.0
        with np.errstate(invalid="ignore"):  # NaN is nothing that can be drawn
            levels: Array = 10 * np.log10(np.maximum(means, FLOOR) / reference)
        return levels


class Specific:
    """Specific loudness, the mean of both ears."""

    def __init__(self, manifest: Manifest, port: Port) -> None:
        self._port = replace(port, axes=("batch", "frame", "channel"))
        self._meter = ColumnMeans(self._port, 1)
        self.name, self.unit = f"{port.name} loudness", "sone/Cam"
        self.frequencies = np.asarray(manifest.centre_frequencies, np.float64)
        self.scale: Scale | None = LinearScale()

    @classmethod
    def of(cls, manifest: Manifest) -> Specific | None:
        """Return the columns of the specific loudness, if there is one."""
        ports = [port for port in manifest.outputs if port.axes == SPECIFIC]
        return cls(manifest, ports[0]) if ports else None

    def widen(self, width: int) -> None:
        """See `Columns`."""
        self._meter = ColumnMeans(self._port, width)

    def add(self, outputs: Outputs) -> Array:
        """See `Columns`."""
        return self._meter.add(outputs[self._port.name].mean(axis=SPECIFIC.index("ear")))


class Level:
    """Loudness level of both ears in phon, a curve."""

    def __init__(self, outputs: LoudnessOutputs) -> None:
        port = replace(outputs.short_term, axes=("batch", "frame", "channel"))
        self._name, self._port, self._meter = port.name, port, ColumnMeans(port, 1)
        self.name, self.unit = f"{port.name.replace('_', '-')} loudness level", "phon"
        self.frequencies = np.zeros(1)
        self.scale: Scale | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Level | None:
        """Return the columns of the loudness level, if there is loudness."""
        outputs = loudness_outputs(manifest)
        return None if outputs is None else cls(outputs)

    def widen(self, width: int) -> None:
        """See `Columns`."""
        self._meter = ColumnMeans(self._port, width)

    def add(self, outputs: Outputs) -> Array:
        """See `Columns`."""
        level: Array = phon(self._meter.add(both_ears(outputs[self._name])[None, :, None]))
        return level


KINDS: tuple[Callable[[Manifest], Columns | None], ...] = (Levels.of, Specific.of, Level.of)
"""What is drawn of a model: the first of these that it has."""


def columns_of(manifest: Manifest) -> Columns:
    """Return the columns to draw of a model.

    Raises
    ------
    InputError
        If it has nothing that can be drawn.
    """
    for kind in KINDS:
        if (columns := kind(manifest)) is not None:
            return columns
    raise InputError(f"{manifest.name}: no output over time and frequency to draw")
