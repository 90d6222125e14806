"""Columns of a picture from outputs that come piece by piece: a few thousand numbers, however long it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import InputError
from amt_export.manifest import Manifest, Port
from amt_export.plot.component_points import Dots

Array = NDArray[np.float64]

COLUMN_SECONDS = 0.002
"""Energy of waveforms is averaged over 2 ms; `amt_export.plot` smooths five such columns."""

MAX_COLUMNS = 2400
"""More than the pixels of a row; longer signals get wider columns."""

WAVES = ("batch", "channel", "time")
CELLS = ("batch", "channel", "frame")
DRAWN = (WAVES, CELLS, ("batch", "frame", "channel"))
"""Axes of outputs that are levels, or have one, in every channel."""

DENSITIES = ("batch", "frame", "frequency")
"""Axes of power spectral densities, which have a picture too; their means are means of power."""


class Meter:
    """Means over equal stretches of one output.

    Parameters
    ----------
    port : Port
        A waveform per channel is squared, so its means are energies; levels and densities are not.
    width : int
        Samples or frames of a stretch.

    Attributes
    ----------
    count : int
        Samples or frames so far.
    """

    def __init__(self, port: Port, width: int) -> None:
        self.port = port
        self.width = width
        self._squared = "time" in port.axes
        self._sum: Array | None = None
        self.count = 0

    def add(self, piece: NDArray[Any]) -> Array:
        """Go on with the output.

        Parameters
        ----------
        piece : ndarray [axes of the port, with or without the batch]
            Of a batch, the first is taken.

        Returns
        -------
        ndarray [shape=(F, k)]
            The stretches that are complete by now.
        """
        row = piece[0] if piece.ndim == len(self.port.axes) else piece
        values = (row if self.port.axes in (WAVES, CELLS) else row.T).astype(np.float64)
        if self._squared:
            values *= values
        if self._sum is None:
            self._sum = np.zeros(len(values))
        if not values.shape[1]:
            return np.empty((len(values), 0))
        held = self.count % self.width  # already in the sum
        self.count += values.shape[1]
        sums = np.add.reduceat(
            values, [0, *range(self.width - held, values.shape[1], self.width)], axis=1
        )
        sums[:, 0] += self._sum
        complete = (held + values.shape[1]) // self.width
        self._sum = sums[:, complete] if complete < sums.shape[1] else np.zeros(len(values))
        return sums[:, :complete] / self.width

    def rest(self) -> Array:
        """Return the last stretch if it is not complete, (F, 1), else (F, 0)."""
        held = self.count % self.width
        if self._sum is None or not held:
            return np.empty((0 if self._sum is None else len(self._sum), 0))
        return (self._sum / held)[:, None]


class Outline:
    """The lowest and highest sample of equal stretches of the audio.

    Parameters
    ----------
    width : int
        Samples of a stretch.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._lowest: list[Array] = []
        self._highest: list[Array] = []
        self._held = np.empty(0)

    def add(self, audio: NDArray[Any]) -> None:
        """Go on with the audio (..., n), all its channels together."""
        if not audio.size:
            return
        rows = audio.reshape(-1, audio.shape[-1])
        # Both outlines of a channel that swings alone: the extremes of all of them are those of these two.
        both = np.stack([rows.min(axis=0), rows.max(axis=0)])
        if self._held.size:
            both = np.concatenate([self._held, both], axis=1)
        whole = both.shape[1] // self.width * self.width
        if whole:
            cut = both[:, :whole].reshape(2, -1, self.width)
            self._lowest.append(cut[0].min(axis=1))
            self._highest.append(cut[1].max(axis=1))
        self._held = both[:, whole:]

    def edges(self) -> tuple[Array, Array]:
        """Return lowest and highest sample, (k,) each, the last stretch included."""
        lowest, highest = list(self._lowest), list(self._highest)
        if self._held.size:
            lowest.append(self._held[0].min(keepdims=True))
            highest.append(self._held[1].max(keepdims=True))
        if not lowest:
            return np.zeros(0), np.zeros(0)
        return np.concatenate(lowest), np.concatenate(highest)


class Columns:
    """What a picture of a model's outputs needs, gathered piece by piece.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    ports : sequence of Port
        The outputs to gather.
    widths : mapping of int
        Samples or frames of a column, by output.
    outline : int
        Samples of a step of the audio's outline.
    lists : sequence of Dots
        One for each list of components among the outputs.
    """

    def __init__(
        self,
        manifest: Manifest,
        ports: list[Port],
        widths: Mapping[str, int],
        outline: int,
        lists: Sequence[Dots] = (),
    ) -> None:
        self.manifest = manifest
        self.lists = tuple(lists)
        self.meters = {port.name: Meter(port, widths[port.name]) for port in ports}
        self.outline = Outline(outline)
        self.samples = 0
        self._done: dict[str, list[Array]] = {port.name: [] for port in ports}

    def add(self, audio: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> None:
        """Go on with both; they need not be of the same stretch of time."""
        self.samples += audio.shape[-1]
        self.outline.add(audio)
        for name, meter in self.meters.items():
            self._done[name].append(meter.add(outputs[name]))
        for dots in self.lists:
            freqs, levels = _list(self.manifest, dots.name)
            dots.add(outputs[freqs.name], outputs[levels.name])

    def means(self, name: str) -> Array:
        """Return all columns of an output, (F, k), the last one included."""
        return np.concatenate([*self._done[name], self.meters[name].rest()], axis=1)


def columns_for(manifest: Manifest, fs: float, frames: Mapping[str, int], samples: int) -> Columns:
    """Return the columns to gather for a picture of outputs of known length.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    fs : float
        The model's sampling rate in Hz.
    frames : mapping of int
        Samples or frames of each output.
    samples : int
        Of the audio.

    Raises
    ------
    InputError
        If no output runs over time and frequency.
    """
    known = [port for port in manifest.outputs if port.name in frames]
    ports = [port for port in known if port.axes in (*DRAWN, DENSITIES)]
    names = dict.fromkeys(port.components for port in known if port.components is not None)
    lists = [
        Dots(name, levels.unit, frames[levels.name])
        for name in names
        for _, levels in [_list(manifest, name)]
    ]
    if not ports and not lists:
        raise InputError(f"{manifest.name}: no output over time and frequency to draw")
    widths = {}
    for port in ports:
        shortest = round(COLUMN_SECONDS * fs) if port.axes == WAVES else 1
        widths[port.name] = max(shortest, -(-frames[port.name] // MAX_COLUMNS))
    return Columns(manifest, ports, widths, max(1, samples // MAX_COLUMNS), lists)


def _list(manifest: Manifest, name: str) -> tuple[Port, Port]:
    """Return the outputs with the frequencies and with the levels of a list of components."""
    first, second = (port for port in manifest.outputs if port.components == name)
    return (first, second) if first.unit == "Hz" else (second, first)


def gathered(
    outputs: Mapping[str, NDArray[Any]], manifest: Manifest, fs: float, audio: NDArray[Any]
) -> Columns:
    """Return the columns of outputs that are there as a whole."""
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    frames = {
        port.name: arrays[port.name].shape[port.axes.index("frame") - len(port.axes)]
        if "frame" in port.axes
        else arrays[port.name].shape[-1]
        for port in manifest.outputs
        if port.name in arrays
    }
    columns = columns_for(manifest, fs, frames, audio.shape[-1])
    columns.add(audio, arrays)
    return columns
