"""Difference of two versions of an output, relative or in dB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amt_export.manifest.ports import FRAME_LEVELS, Port

Array = npt.NDArray[np.floating]

# Along these axes an output runs in time; every other index is a channel.
TIME_AXES = ("time", "frame")
# Along these axes the same channels repeat.
ROW_AXES = ("batch", "ear")
# Level cells further below their frame's maximum than this do not count, in dB.
RANGE_DB = 80.0
# Levels of a filterbank this far below the signal's loudest cell are noise in float32, in dB.
SIGNAL_RANGE_DB = 60.0


def difference(found: Array, expected: Array, port: Port) -> float:
    """Largest difference of one output for one signal.

    Parameters
    ----------
    found, expected : ndarray [axes of `port`]
    port : Port
        Its `kind` says how: "relative", max |difference| of each batch row and channel over the larger
        of the channel's peak and 1 % of the row's peak; "db", the difference in dB of cells above the
        floor and within 80 dB of their frame's maximum (frame levels: and within 60 dB of the signal's);
        "frequency", 0 if equal; "absolute", max |difference| of cells not above the port's `steady`.

    Returns
    -------
    float
        Infinite where shapes or non-finite values differ.
    """
    return float(np.max(by_channel(found, expected, port)))


def by_channel(found: Array, expected: Array, port: Port) -> Array:
    """`difference` of each channel (or bin, or component); one value for outputs without such an axis.

    Returns
    -------
    ndarray [shape=(F,)], float64
    """
    axis = channel_axis(port)
    channels = 1 if axis is None else expected.shape[axis]
    if found.shape != expected.shape:
        return np.full(channels, np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        gap = found - expected
    # A value that is not finite makes the difference not finite.
    finite = np.isfinite(np.max(gap)) and np.isfinite(np.min(gap))
    errors = (_errors if finite else _broken_errors)(found, expected, gap, port)
    others = tuple(i for i in range(errors.ndim) if i != axis)
    largest: Array = np.max(errors, axis=others).reshape(channels).astype(np.float64)
    return largest


def _errors(found: Array, expected: Array, gap: Array, port: Port) -> Array:
    """Errors of finite outputs that are `gap` apart: of each cell, or each channel over time."""
    if port.kind == "frequency":
        same = found.astype(np.float32, copy=False) == expected.astype(np.float32, copy=False)
        return np.where(same, 0.0, np.inf)
    if port.kind == "absolute":
        counts = np.abs(expected) <= (np.inf if port.steady is None else port.steady)
        return np.where(counts, np.abs(gap), 0.0)
    return _decibels(gap, expected, port) if port.kind == "db" else _relative(gap, expected, port)


def _broken_errors(found: Array, expected: Array, _gap: Array, port: Port) -> Array:
    """Errors of outputs with values that are not finite: infinite where the two differ in that."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    # NaN is not Inf, nor is Inf -Inf.
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    broken = (finite != np.isfinite(found)) | (~finite & ~same)
    usable = finite & ~broken
    found, expected = np.where(usable, found, 0.0), np.where(usable, expected, 0.0)
    errors = _errors(found, expected, found - expected, port)
    # A relative error has one value for a channel over time, which one such cell makes infinite.
    return np.where(broken, np.inf, errors) if broken.any() else errors


def course(port: Port) -> tuple[int, ...]:
    """Axes along which the output runs in time."""
    return tuple(i for i, axis in enumerate(port.axes) if axis in TIME_AXES)


def channel_axis(port: Port) -> int | None:
    """The axis of channels, or else of bins or components: the last one of no other meaning."""
    if "channel" in port.axes:
        return port.axes.index("channel")
    axes = [i for i, axis in enumerate(port.axes) if axis not in TIME_AXES + ROW_AXES]
    return axes[-1] if axes else None


def _relative(gap: Array, expected: Array, port: Port) -> Array:
    row = tuple(range(1, expected.ndim)) if port.axes[0] == "batch" else tuple(range(expected.ndim))
    error = _largest(gap, course(port))
    peak = _largest(expected, course(port))
    whole = np.maximum(np.max(peak, axis=row, keepdims=True), port.steady or 0.0)
    scale = np.maximum(peak, port.quiet * whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0.0, 0.0, error / scale)


def _largest(values: Array, axes: tuple[int, ...]) -> Array:
    """Largest magnitude along some axes, which are kept. It makes no copy of all values."""
    top, bottom = (extreme(values, axis=axes, keepdims=True) for extreme in (np.max, np.min))
    largest: Array = np.maximum(np.abs(top), np.abs(bottom))
    return largest


def _decibels(gap: Array, expected: Array, port: Port) -> Array:
    return np.where(counted(expected, port), np.abs(gap), 0.0)


def counted(levels: Array, port: Port) -> npt.NDArray[np.bool_]:
    """Cells of a level output that are compared; see `difference`."""
    axis = channel_axis(port)
    loudest = np.max(levels, axis=-1 if axis is None else axis, keepdims=True)
    within: npt.NDArray[np.bool_] = levels > loudest - RANGE_DB
    if port.name == FRAME_LEVELS:
        signal = np.max(levels, axis=tuple(range(1, levels.ndim)), keepdims=True)
        within &= levels > signal - SIGNAL_RANGE_DB
    return within if port.floor is None else within & (levels > port.floor)
