"""Images of levels from outputs that come piece by piece: a few thousand columns, however long they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.manifest import Manifest, Port
from amt_export.plot.panels import Panel, frame_times

Array = NDArray[np.float64]

COLUMN_SECONDS = 0.002
"""Energy of waveforms is averaged over 2 ms; `amt_export.plot` smooths five such columns."""

MAX_COLUMNS = 2400
"""More than the pixels of a row; longer signals get wider columns."""

P0 = 2e-5
"""Pa; the reference of dB SPL."""

FLOOR = 1e-30
"""Energy that stands for none, far below every dynamic range, so that silence has a level."""

SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
"""Over five columns of 2 ms: 10 ms, a period of 100 Hz, so that low channels do not ripple."""

WAVES = ("batch", "channel", "time")
CELLS = ("batch", "channel", "frame")
DRAWN = (WAVES, CELLS, ("batch", "frame", "channel"))
"""Axes of outputs that are levels, or have one, in every channel."""

DENSITIES = ("batch", "frame", "frequency")
"""Axes of power spectral densities, which have a picture too; their means are means of power."""


class ColumnMeans:
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
        """Take the next piece of the output.

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
        """Take the next samples (..., n), all its channels together."""
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


class LevelImages:
    """Gathers the images of all outputs that are levels, or have one, in every channel.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    ports : sequence of Port
        The outputs to gather.
    widths : mapping of int
        Samples or frames of a column, by output.
    fs : float
        The model's sampling rate in Hz.
    """

    def __init__(
        self, manifest: Manifest, ports: list[Port], widths: Mapping[str, int], fs: float
    ) -> None:
        self._manifest, self._fs = manifest, fs
        self.meters = {port.name: ColumnMeans(port, widths[port.name]) for port in ports}
        self._done: dict[str, list[Array]] = {port.name: [] for port in ports}

    @classmethod
    def of(cls, manifest: Manifest, frames: Mapping[str, int], fs: float) -> LevelImages | None:
        """See `amt_export.plot.kinds.Kind`."""
        ports = [
            port
            for port in manifest.outputs
            if port.name in frames and port.axes in (*DRAWN, DENSITIES)
        ]
        widths = {}
        for port in ports:
            shortest = round(COLUMN_SECONDS * fs) if port.axes == WAVES else 1
            widths[port.name] = max(shortest, -(-frames[port.name] // MAX_COLUMNS))
        return cls(manifest, ports, widths, fs) if ports else None

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the outputs."""
        for name, meter in self.meters.items():
            self._done[name].append(meter.add(outputs[name]))

    def panels(self) -> list[Panel]:
        """Return one image for each output."""
        return [self._panel(name, meter) for name, meter in self.meters.items()]

    def _panel(self, name: str, meter: ColumnMeans) -> Panel:
        manifest, port = self._manifest, meter.port
        means = np.concatenate([*self._done[name], meter.rest()], axis=1)
        times = frame_times(meter.count, manifest, self._fs)
        if port.axes == WAVES:
            levels, unit = _levels(means, port)
            times = (0.0, meter.count / self._fs)
        elif port.axes == DENSITIES:
            # Of one-sided spectra of pressure: what a band of 1 Hz has.
            levels, unit = 10 * np.log10(np.maximum(means, FLOOR) / P0**2), "dB SPL in 1 Hz"
        else:
            levels, unit = means, port.unit
            if port.axes == CELLS:  # frames side by side, from the first sample on
                times = (0.0, meter.count * manifest.hop / self._fs)
        order = np.argsort(manifest.centre_frequencies)
        frequencies = np.asarray(manifest.centre_frequencies, np.float64)[order]
        return Panel(port.name, times, frequencies, levels[order], unit)


def _levels(means: Array, port: Port) -> tuple[Array, str]:
    """Return short-time levels of waveforms from mean squares (F, k), and their unit."""
    energy = np.stack([np.convolve(row, SMOOTHING)[2:-2] for row in means])
    energy /= np.convolve(np.ones(means.shape[1]), SMOOTHING)[2:-2]  # fewer at the ends
    # Absolute, so that pictures of several recordings and models compare.
    reference, unit = (P0**2, "dB SPL") if port.unit == "Pa" else (1.0, f"dB re 1 {port.unit}")
    return 10 * np.log10(np.maximum(energy, FLOOR) / reference), unit
