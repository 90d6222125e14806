"""Internal representations: images of channels over time for some modulation filters, and their spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from amt_export.manifest import Manifest, Port
from amt_export.plot.level_columns import MAX_COLUMNS
from amt_export.plot.panels import COLOURS, Panel, cams

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

Array = NDArray[np.float64]

AXES = ("batch", "channel", "modulation")
"""The first axes of an internal representation; time or frames follow."""

SHOWN = (0.0, 5.0, 50.0 / 3.0, 77.0)
"""Hz; the modulation filters that get an image are those nearest to these: slow, speech, roughness."""

TICKS = (20, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000)
"""Hz; those inside the picture are labelled."""

UNIT = "mean magnitude (model units)"


@dataclass(frozen=True)
class ModulationSpectrum:
    """The mean magnitude of each channel and modulation filter.

    Parameters
    ----------
    times : tuple of two float
        Of the signal, in s.
    frequencies : ndarray [shape=(F,)]
        Centre frequencies of the channels in Hz, ascending.
    modulations : ndarray [shape=(M,)]
        Those of the modulation filters in Hz.
    means : ndarray [shape=(F, M)]
        In model units; NaN where a channel has no such filter.
    """

    times: tuple[float, float]
    frequencies: Array
    modulations: Array
    means: Array

    name: ClassVar[str] = ""
    height: ClassVar[float] = 3.4
    unit: ClassVar[str] = "mean over time (model units)"
    bottom: ClassVar[float | None] = 0.0

    def loudest(self) -> float:
        """See `amt_export.plot.panels.Drawable`."""
        return float(np.nanmax(self.means, initial=-np.inf))

    def draw(self, ax: Axes, bottom: float, top: float) -> ScalarMappable:
        """See `amt_export.plot.panels.Drawable`.

        Its horizontal axis is no time, so it lies in axes of its own.
        """
        ax.axis("off")
        inner = ax.inset_axes((0.0, 0.12, 1.0, 0.8))
        inner.set_facecolor("#d8d8e0")  # where a channel has no such filter
        drawn = inner.imshow(
            self.means, origin="lower", aspect="auto", cmap=COLOURS, vmin=bottom, vmax=top
        )
        names = [f"{f:.3g}" for f in self.modulations]
        inner.set_xticks(range(len(names)), names)
        places = cams(self.frequencies)
        ticks = [hz for hz in TICKS if places[0] <= cams(hz) <= places[-1]]
        rows = np.interp(cams(ticks), places, np.arange(len(places)))
        inner.set_yticks(rows, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks])
        inner.set_ylabel("frequency (Hz)")
        inner.set_title(
            "mean over time, by modulation frequency (Hz; 0: below 2.5 Hz)",
            loc="left",
            fontsize=9.5,
        )
        return drawn


def _is_described(port: Port, manifest: Manifest) -> bool:
    """Return whether the manifest names all channels and modulation filters of an output."""
    sizes = (len(manifest.counts), len(manifest.mfc))
    return 0 not in sizes and port.sized()[1:3] == sizes


class Representation:
    """Gathers magnitudes of an internal representation.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    port : Port
        The representation.
    frames : int
        That will come.
    fs : float
        The model's sampling rate in Hz.
    """

    def __init__(self, manifest: Manifest, port: Port, frames: int, fs: float) -> None:
        self._manifest, self._port, self._fs = manifest, port, fs
        self._width = max(1, -(-frames // MAX_COLUMNS))
        centres = np.asarray(manifest.mfc, np.float64)
        nearest = [int(np.abs(centres - f).argmin()) for f in SHOWN]
        self._chosen = list(dict.fromkeys(nearest))
        self._columns: list[Array] = []
        self._rest: Array | None = None
        self._sum: Array = np.zeros((0, 0))
        self._count = 0

    @classmethod
    def of(cls, manifest: Manifest, frames: Mapping[str, int], fs: float) -> Representation | None:
        """See `amt_export.plot.kinds.Kind`."""
        for port in manifest.outputs:
            if port.axes[:3] == AXES and port.name in frames and _is_described(port, manifest):
                return cls(manifest, port, frames[port.name], fs)
        return None

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the outputs."""
        value = outputs[self._port.name]
        row = value[0] if value.ndim == len(self._port.axes) else value
        magnitude = np.abs(row.astype(np.float64))
        self._count += magnitude.shape[-1]
        total = magnitude.sum(axis=-1)
        self._sum = total if not self._sum.size else self._sum + total
        chosen = magnitude[:, self._chosen]
        if self._rest is not None:
            chosen = np.concatenate([self._rest, chosen], axis=-1)
        whole = chosen.shape[-1] // self._width
        cut = chosen[..., : whole * self._width]
        self._columns.append(cut.reshape(*cut.shape[:2], whole, self._width).mean(axis=-1))
        self._rest = chosen[..., whole * self._width :]

    def panels(self) -> list[ModulationSpectrum | Panel]:
        """Return the mean over time, and an image for each of some modulation filters."""
        columns = list(self._columns)
        if self._rest is not None and self._rest.shape[-1]:
            columns.append(self._rest.mean(axis=-1, keepdims=True))
        images = np.concatenate(columns, axis=-1)
        frequencies = np.asarray(self._manifest.centre_frequencies, np.float64)
        modulations = np.asarray(self._manifest.mfc, np.float64)
        times = (0.0, self._count * self._manifest.hop / self._fs)
        absent = np.arange(len(modulations)) >= np.asarray(self._manifest.counts)[:, None]
        means = np.where(absent, np.nan, self._sum / max(1, self._count))
        shown: list[ModulationSpectrum | Panel] = [
            ModulationSpectrum(times, frequencies, modulations, means)
        ]
        for place, modulation in enumerate(self._chosen):
            what = (
                f"modulation at {modulations[modulation]:.3g} Hz" if modulation else "below 2.5 Hz"
            )
            shown.append(Panel(what, times, frequencies, images[:, place], UNIT, 0.0))
        return shown
