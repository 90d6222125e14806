"""Levels over time and frequency from what was gathered of a model's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_export.manifest import Manifest, Port
from amt_export.plot.component_points import Dots
from amt_export.plot.level_columns import CELLS, DENSITIES, WAVES, Columns, Meter, gathered

Array = NDArray[np.float64]

P0 = 2e-5
"""Pa; the reference of dB SPL."""

FLOOR = 1e-30
"""Energy that stands for none, far below every dynamic range, so that silence has a level."""

SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
"""Over five columns of 2 ms: 10 ms, a period of 100 Hz, so that low channels do not ripple."""


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


@dataclass(frozen=True)
class Cloud:
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


def cams(frequency: ArrayLike) -> Array:
    """Return the place on the ERB-rate scale, in Cams, of a frequency in Hz.

    References
    ----------
    .. [1] Glasberg & Moore, "Derivation of auditory filter shapes from notched-noise data" (1990).
    """
    # The numpy form of amt_export.erb.fc2erb, so that a picture needs no torch.
    return 9.2645 * np.log(1 + 0.00437 * np.asarray(frequency, np.float64))


def panels(
    outputs: Mapping[str, NDArray[Any]], manifest: Manifest, fs: float
) -> list[Panel | Cloud]:
    """Return one panel for each output, or list of components, that runs over time and frequency.

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


def column_panels(columns: Columns, fs: float) -> list[Panel | Cloud]:
    """Return one panel for each output, or list of components, that was gathered."""
    images = [
        _panel(columns.means(name), meter, columns.manifest, fs)
        for name, meter in columns.meters.items()
    ]
    return [*images, *(_cloud(dots, columns.manifest, fs) for dots in columns.lists)]


def _panel(means: Array, meter: Meter, manifest: Manifest, fs: float) -> Panel:
    port, times = meter.port, _frame_times(meter.count, manifest, fs)
    if port.axes == WAVES:
        levels, unit = _levels(means, port)
        times = (0.0, meter.count / fs)
    elif port.axes == DENSITIES:
        # Of one-sided spectra of pressure: what a band of 1 Hz has.
        levels, unit = 10 * np.log10(np.maximum(means, FLOOR) / P0**2), "dB SPL in 1 Hz"
    else:
        levels, unit = means, port.unit
        if port.axes == CELLS:  # frames side by side, from the first sample on
            times = (0.0, meter.count * manifest.hop / fs)
    order = np.argsort(manifest.centre_frequencies)
    frequencies = np.asarray(manifest.centre_frequencies, np.float64)[order]
    return Panel(port.name, times, frequencies, levels[order], unit)


def _cloud(dots: Dots, manifest: Manifest, fs: float) -> Cloud:
    frames, hertz, levels = dots.points()
    times = _frame_times(dots.count, manifest, fs)
    order = np.argsort(levels)
    return Cloud(
        f"components {dots.name}",
        times,
        np.sort(np.asarray(manifest.centre_frequencies, np.float64)),
        times[0] + (frames[order] + 0.5) * manifest.hop / fs,
        hertz[order],
        levels[order],
        dots.unit,
    )


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
