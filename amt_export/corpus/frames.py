"""Frames that are stored of a model: a row of numbers every few milliseconds, whatever its outputs are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.calibration import P0, is_number
from amt_export.errors import InputError
from amt_export.manifest import Manifest, Port
from amt_export.runtime import frame_levels
from amt_export.runtime.loudness import loudness_outputs

Array = NDArray[Any]

HOP = 0.010
"""s; the usual step of speech features, and a tenth of the frames of the loudness models."""

REFERENCES = {"Pa": P0, "m/s": 1.0}
"""What 0 dB is, by unit of a filterbank's output."""

LEVEL, LOUDNESS = "level", "loudness"


@dataclass(frozen=True)
class Frames:
    """How outputs become frames.

    Parameters
    ----------
    quantity : {"level", "loudness"}
    unit : str
        Of the numbers: "dB SPL", "dB re 1 m/s" or "sone".
    hop : float
        s from frame to frame.
    columns : tuple of str
        What each number of a frame is.
    outputs : tuple of Port
        Of the model that are used.
    step : int
        Frames of the model (samples, for a filterbank) from one stored frame to the next.
    """

    quantity: str
    unit: str
    hop: float
    columns: tuple[str, ...]
    outputs: tuple[Port, ...]
    step: int


def frames_of(manifest: Manifest, hop: float | None = None, quantity: str | None = None) -> Frames:
    """Decide what is stored of a model.

    Loudness models give short- and long-term loudness, summed over the ears, as they are every 10 ms; models
    with frames of their own give these; the subbands of a filterbank become levels per frame.

    Parameters
    ----------
    manifest : Manifest
        Of a model that takes audio.
    hop : float, optional
        s from frame to frame. Default: the model's own, or 0.010.
    quantity : {"level", "loudness"}, optional
        What is expected; default what the model gives.

    Raises
    ------
    InputError
        If the model gives neither, or another quantity, or its frames cannot have this hop.
    """
    if quantity not in (None, LEVEL, LOUDNESS):
        raise InputError(f"quantity is {quantity!r}; give 'level' or 'loudness'")
    if hop is not None and not (is_number(hop) and 0 < hop < math.inf):
        raise InputError(f"hop is {hop!r}; give a number of s above zero")
    fs = float(manifest.sampling_rate or 0.0)
    if loudness := loudness_outputs(manifest):
        found = _loudness(manifest, tuple(loudness), fs, hop)
    elif own := _own_levels(manifest):
        found = _own_frames(manifest, own, fs, hop)
    else:
        found = _filterbank(manifest, fs, hop)
    if quantity not in (None, found.quantity):
        raise InputError(f"{manifest.name} gives {found.quantity}, not {quantity}")
    return found


def _loudness(
    manifest: Manifest, outputs: tuple[Port, ...], fs: float, hop: float | None
) -> Frames:
    own = manifest.hop / fs
    wanted = HOP if hop is None else hop
    step = _whole(wanted / own)
    if step is None:
        raise InputError(
            f"hop is {wanted:g} s; {manifest.name} has a frame every {own:g} s: give a multiple of that"
        )
    names = tuple(port.name for port in outputs)
    return Frames(LOUDNESS, outputs[0].unit, wanted, names, outputs, step)


def _own_levels(manifest: Manifest) -> tuple[Port, ...]:
    """Return the outputs in dB per channel and frame, one or one of each ear; none where there are others."""
    ports = tuple(
        port
        for port in manifest.outputs
        if port.kind == "db" and set(port.axes) == {"batch", "channel", "frame"}
    )
    return ports if len(ports) == len(manifest.outputs) else ()


def _own_frames(
    manifest: Manifest, outputs: tuple[Port, ...], fs: float, hop: float | None
) -> Frames:
    own = manifest.hop / fs
    if hop is not None and abs(hop - own) > 1e-9:
        raise InputError(
            f"hop is {hop:g} s; {manifest.name} has frames of its own, {own:g} s apart: "
            "leave hop out"
        )
    return Frames(LEVEL, outputs[0].unit, own, _channels(manifest, outputs), outputs, 1)


def _filterbank(manifest: Manifest, fs: float, hop: float | None) -> Frames:
    output = manifest.outputs[0]
    reference = REFERENCES.get(output.unit)
    if (
        len(manifest.outputs) > 1
        or output.axes != ("batch", "channel", "time")
        or reference is None
    ):
        names = ", ".join(f"{port.name} [{port.unit}]" for port in manifest.outputs)
        raise InputError(
            f"{manifest.name} gives {names}, neither subbands nor levels nor loudness; choose a filterbank, "
            "a cochleagram, glasberg2002_frontend_32k, moore2016_frontend_32k or moore2016_loudness_32k"
        )
    wanted = HOP if hop is None else hop
    step = _whole(wanted * fs)
    if step is None:
        near = max(1, round(wanted * fs)) / fs
        raise InputError(
            f"hop is {wanted:g} s, {wanted * fs:g} samples at {fs:g} Hz: give whole samples, e.g. {near:.6g}"
        )
    unit = "dB SPL" if reference == P0 else "dB re 1 m/s"
    return Frames(LEVEL, unit, step / fs, _channels(manifest, (output,)), (output,), step)


def _whole(steps: float) -> int | None:
    """Return a number of steps above zero, unless it is none or lies between two."""
    near = round(steps) if 0 < steps < 1e9 else 0
    return near if near and abs(steps - near) < 1e-6 * near else None


def _channels(manifest: Manifest, outputs: tuple[Port, ...]) -> tuple[str, ...]:
    names = [f"{fc:.1f} Hz" for fc in manifest.centre_frequencies]
    if len(outputs) == 1:
        return tuple(names)
    return tuple(f"{port.name.rpartition('_')[2]} {name}" for port in outputs for name in names)


class FrameReducer:
    """Makes frames of outputs that come piece by piece.

    Parameters
    ----------
    frames : Frames
        Of `frames_of`.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._waiting: Array | None = None  # samples of a frame that is not complete
        self._seen = 0  # frames of the model so far

    def rows(self, outputs: Mapping[str, Array]) -> Array:
        """Return the frames that the next outputs complete.

        Parameters
        ----------
        outputs : mapping of ndarray
            Of the model, without their batch axis: the next ones along time.

        Returns
        -------
        ndarray of float [shape=(frames, columns)]
        """
        values = [outputs[port.name] for port in self._frames.outputs]
        if self._frames.quantity == LOUDNESS:
            return self._loudness(values)
        if "time" in self._frames.outputs[0].axes:
            return self._levels(values[0])
        turned = [
            value if port.axes.index("frame") == 1 else value.T
            for port, value in zip(self._frames.outputs, values, strict=True)
        ]
        return np.concatenate(turned, axis=1)

    def _levels(self, subbands: Array) -> Array:
        step = self._frames.step
        if self._waiting is not None:
            subbands = np.concatenate([self._waiting, subbands], axis=1)
        done = subbands.shape[1] // step * step
        self._waiting = subbands[:, done:].copy()
        ref = P0 if self._frames.unit == "dB SPL" else 1.0
        return frame_levels(subbands[:, :done], step, ref).T

    def _loudness(self, values: list[Array]) -> Array:
        """Every so many frames, the sum over the ears; frames count from the beginning of the signal."""
        first = -self._seen % self._frames.step
        self._seen += len(values[0])
        return np.stack([v[first :: self._frames.step].sum(axis=1) for v in values], axis=1)
