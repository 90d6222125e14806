"""Columns of what `live` draws, from outputs as they come; which outputs these are is one table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

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


class Columns(ABC):
    """Takes outputs, batch axis included, and returns the columns that are complete.

    Parameters
    ----------
    port : Port
        What a `ColumnMeans` is given.
    name, unit : str
        Of what is drawn.
    frequencies : sequence of float
        Centre frequencies in Hz of the rows.
    scale : Scale or None
        Of the colours; None for a curve.
    """

    def __init__(
        self, port: Port, name: str, unit: str, frequencies: Sequence[float], scale: Scale | None
    ) -> None:
        self._port, self._meter = port, ColumnMeans(port, 1)
        self.name, self.unit, self.scale = name, unit, scale
        self.frequencies = np.asarray(frequencies, np.float64)

    def widen(self, width: int) -> None:
        """Let every column stand for so many samples or frames; before the first output."""
        self._meter = ColumnMeans(self._port, width)

    @abstractmethod
    def add(self, outputs: Outputs) -> Array:
        """Return the columns that are complete, (F, k)."""


class Levels(Columns):
    """Levels of every channel in dB."""

    def __init__(self, manifest: Manifest, port: Port) -> None:
        # Below the colours there is room for nine characters.
        unit = port.unit.replace("re 1 ", "re ")
        if port.axes == DENSITIES:
            unit = "dB SPL/Hz"
        elif port.axes == WAVES:
            unit = "dB SPL" if port.unit == "Pa" else f"dB re {port.unit}"
        name = port.name.replace("_", " ")
        super().__init__(port, name, unit, manifest.centre_frequencies, DecibelScale())

    @classmethod
    def of(cls, manifest: Manifest) -> Levels | None:
        """Return the columns of the first output that can be drawn."""
        ports = [port for port in manifest.outputs if port.axes in (*DRAWN, DENSITIES)]
        return cls(manifest, ports[0]) if ports else None

    def add(self, outputs: Outputs) -> Array:
        """See `Columns`."""
        means = self._meter.add(outputs[self._port.name])
        if self._port.axes not in ENERGIES:
            return means
        reference = P0**2 if self._port.unit.startswith("Pa") else 1.0
        with np.errstate(invalid="ignore"):  # NaN is nothing that can be drawn
            levels: Array = 10 * np.log10(np.maximum(means, FLOOR) / reference)
        return levels


class Specific(Columns):
    """Specific loudness, the mean of both ears."""

    def __init__(self, manifest: Manifest, port: Port) -> None:
        mean = replace(port, axes=("batch", "frame", "channel"))
        fc, name = manifest.centre_frequencies, f"{port.name} loudness"
        super().__init__(mean, name, "sone/Cam", fc, LinearScale())

    @classmethod
    def of(cls, manifest: Manifest) -> Specific | None:
        """Return the columns of the specific loudness, if there is one."""
        ports = [port for port in manifest.outputs if port.axes == SPECIFIC]
        return cls(manifest, ports[0]) if ports else None

    def add(self, outputs: Outputs) -> Array:
        """See `Columns`."""
        return self._meter.add(outputs[self._port.name].mean(axis=SPECIFIC.index("ear")))


class Level(Columns):
    """Loudness level of both ears in phon, a curve."""

    def __init__(self, outputs: LoudnessOutputs) -> None:
        port = replace(outputs.short_term, axes=("batch", "frame", "channel"))
        name = f"{port.name.replace('_', '-')} loudness level"
        super().__init__(port, name, "phon", [0.0], None)

    @classmethod
    def of(cls, manifest: Manifest) -> Level | None:
        """Return the columns of the loudness level, if there is loudness."""
        outputs = loudness_outputs(manifest)
        return None if outputs is None else cls(outputs)

    def add(self, outputs: Outputs) -> Array:
        """See `Columns`."""
        both = both_ears(outputs[self._port.name])
        level: Array = phon(self._meter.add(both[None, :, None]))
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
