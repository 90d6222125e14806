"""Internal representations: images of channels over time for some modulation filters, and their spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from amt_export.manifest import Manifest, Port
from amt_export.plot.level_columns import MAX_COLUMNS
from amt_export.plot.panels import ABSENT, COLOURS, Drawable, Panel, cams

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

Array = NDArray[np.float64]

AXES = ("batch", "channel", "modulation")
"""The first axes of an internal representation; time or frames follow."""

SHOWN = (0.0, 5.0, 50.0 / 3.0, 77.0)
"""Hz; the modulation filters that get an image are those nearest to these: slow, speech, roughness."""

LOWEST = "< 2.5"
"""The filter at 0 Hz: a low-pass at 2.5 Hz."""

TICKS = (20, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000)
"""Hz; those inside the picture are labelled."""

UNIT = "model units"
"""Of an internal representation: the adaptation loops end at about 100 of them for a steady loud sound."""


@dataclass(frozen=True)
class ModulationSpectrum(Drawable):
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

    name = ""
    height: ClassVar[float] = 3.4
    unit = f"mean magnitude ({UNIT})"
    bottom = 0.0

    def loudest(self) -> float:
        """See `amt_export.plot.panels.Drawable`."""
        return float(np.nanmax(self.means, initial=-np.inf))

    def draw(self, ax: Axes, bottom: float, top: float) -> ScalarMappable:
        """See `amt_export.plot.panels.Drawable`.

        Its horizontal axis is no time, so it lies in axes of its own.
        """
        ax.axis("off")
        inner = ax.inset_axes((0.0, 0.2, 1.0, 0.72))
        inner.set_facecolor(ABSENT)
        drawn = inner.imshow(
            self.means, origin="lower", aspect="auto", cmap=COLOURS, vmin=bottom, vmax=top
        )
        names = [f"{f:.3g}" if f else LOWEST for f in self.modulations]
        inner.set_xticks(range(len(names)), names)
        places = cams(self.frequencies)
        ticks = [hz for hz in TICKS if places[0] <= cams(hz) <= places[-1]]
        rows = np.interp(cams(ticks), places, np.arange(len(places)))
        inner.set_yticks(rows, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks])
        inner.set_ylabel("frequency (Hz)")
        inner.set_xlabel("modulation frequency (Hz)")
        inner.set_title("magnitude of the representation, mean over time", loc="left", fontsize=9.5)
        return drawn


def _is_described(port: Port, manifest: Manifest) -> bool:
    """Return whether the manifest names all channels and modulation filters of an output."""
    sizes = (len(manifest.counts), len(manifest.mfc))
    return 0 not in sizes and port.sized()[1:3] == sizes


class Stretches:
    """Reduces the images of modulation filters (F, K, n) to one column for each stretch of `width` frames.

    Filters up to 10 Hz give a signal with both signs, the others an envelope. A mean would cancel in the
    former where a column is long, so these keep the value of largest magnitude.

    Parameters
    ----------
    width : int
        Frames of a stretch.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._means: list[Array] = []
        self._peaks: list[Array] = []
        self._rest: Array | None = None
        self._signed: NDArray[np.bool_] | None = None

    def add(self, images: Array) -> None:
        """Continue with the images."""
        if not images.shape[-1]:
            return
        negative: NDArray[np.bool_] = np.any(images < 0.0, axis=(0, 2))
        self._signed = negative if self._signed is None else self._signed | negative
        if self._rest is not None:
            images = np.concatenate([self._rest, images], axis=-1)
        whole = images.shape[-1] // self._width
        cut = images[..., : whole * self._width]
        self._reduce(cut.reshape(*cut.shape[:2], whole, self._width))
        self._rest = images[..., whole * self._width :]

    def columns(self) -> tuple[Array, NDArray[np.bool_]]:
        """Return the columns (F, K, k), and which of the K filters have both signs."""
        if self._rest is not None and self._rest.shape[-1]:
            self._reduce(self._rest[:, :, None])
            self._rest = None
        signed = np.zeros(0, bool) if self._signed is None else self._signed
        means, peaks = (np.concatenate(part, axis=-1) for part in (self._means, self._peaks))
        return np.where(signed[:, None], peaks, means), signed

    def _reduce(self, stretches: Array) -> None:
        """Keep mean and peak of stretches (F, K, k, width)."""
        self._means.append(stretches.mean(axis=-1))
        place = np.abs(stretches).argmax(axis=-1)[..., None]
        self._peaks.append(np.take_along_axis(stretches, place, axis=-1)[..., 0])


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
        self._stretches = Stretches(max(1, -(-frames // MAX_COLUMNS)))
        centres = np.asarray(manifest.mfc, np.float64)
        nearest = [int(np.abs(centres - f).argmin()) for f in SHOWN]
        self._chosen = list(dict.fromkeys(nearest))
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
        values = row.astype(np.float64)
        self._count += values.shape[-1]
        total = np.abs(values).sum(axis=-1)
        self._sum = total if not self._sum.size else self._sum + total
        self._stretches.add(values[:, self._chosen])

    def panels(self) -> list[ModulationSpectrum | Panel]:
        """Return the mean over time, and an image for each of some modulation filters."""
        images, signed = self._stretches.columns()
        frequencies = np.asarray(self._manifest.centre_frequencies, np.float64)
        modulations = np.asarray(self._manifest.mfc, np.float64)
        times = (0.0, self._count * self._manifest.hop / self._fs)
        absent = np.arange(len(modulations)) >= np.asarray(self._manifest.counts)[:, None]
        means = np.where(absent, np.nan, self._sum / max(1, self._count))
        shown: list[ModulationSpectrum | Panel] = [
            ModulationSpectrum(times, frequencies, modulations, means)
        ]
        for place, modulation in enumerate(self._chosen):
            name = f"at {modulations[modulation]:.3g} Hz" if modulation else "below 2.5 Hz"
            kind = "" if signed[place] else ", envelope"
            image = np.where(absent[:, modulation, None], np.nan, images[:, place])
            panel = Panel(
                f"modulation {name}{kind}",
                times,
                frequencies,
                image,
                UNIT,
                0.0,
                bool(signed[place]),
                True,
            )
            shown.append(panel)
        return shown
