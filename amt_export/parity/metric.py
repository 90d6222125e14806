"""How far two versions of an output are apart, in the unit that fits it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amt_export.ports import Port

Array = npt.NDArray[np.floating]

# Along these axes an output is a course in time; every other index is a channel of its own.
TIME_AXES = ("time", "frame")
# Along these, the same channels come again.
ROW_AXES = ("batch", "ear")
# A channel quieter than this share of the loudest one is measured against that.
QUIET = 0.01
# Level cells further below their frame's maximum than this do not count, in dB.
RANGE_DB = 80.0


def difference(found: Array, expected: Array, port: Port) -> float:
    """Largest difference of one output for one signal.

    Parameters
    ----------
    found, expected : ndarray [axes of `port`]
    port : Port
        Its `kind` says how: "relative", max |difference| of each batch row and channel over the larger
        of the channel's peak and 1 % of the row's peak; "db", the difference in dB of cells above the
        floor and within 80 dB of their frame's maximum; "frequency", 0 if equal.

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
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    broken = finite != np.isfinite(found)
    if not (finite.all() and np.isfinite(found).all()):
        # NaN is not Inf, nor is Inf -Inf.
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        broken |= ~finite & ~same
        usable = finite & ~broken
        found, expected = np.where(usable, found, 0.0), np.where(usable, expected, 0.0)
    if port.kind == "frequency":
        errors = np.where(found.astype(np.float32) == expected.astype(np.float32), 0.0, np.inf)
    elif port.kind == "db":
        errors = _decibels(found, expected, port)
    else:
        errors = _relative(found, expected, port)
    # A relative error has one value for a whole course in time; a broken cell spoils it.
    errors = np.where(broken, np.inf, errors) if broken.any() else errors
    others = tuple(i for i in range(errors.ndim) if i != axis)
    largest: Array = np.max(errors, axis=others).reshape(channels)
    return largest


def course(port: Port) -> tuple[int, ...]:
    """Axes along which the output is a course in time."""
    return tuple(i for i, axis in enumerate(port.axes) if axis in TIME_AXES)


def channel_axis(port: Port) -> int | None:
    """The axis that counts channels, bins or components: the last one of no other meaning."""
    axes = [i for i, axis in enumerate(port.axes) if axis not in TIME_AXES + ROW_AXES]
    return axes[-1] if axes else None


def _relative(found: Array, expected: Array, port: Port) -> Array:
    row = tuple(range(1, expected.ndim)) if port.axes[0] == "batch" else tuple(range(expected.ndim))
    error = np.max(np.abs(found - expected), axis=course(port), keepdims=True)
    peak = np.max(np.abs(expected), axis=course(port), keepdims=True)
    whole = np.max(np.abs(expected), axis=row, keepdims=True)
    scale = np.maximum(peak, QUIET * whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0.0, 0.0, error / scale)


def _decibels(found: Array, expected: Array, port: Port) -> Array:
    return np.where(counted(expected, port), np.abs(found - expected), 0.0)


def counted(levels: Array, port: Port) -> npt.NDArray[np.bool_]:
    """Which cells of a level output are compared: above the floor, within 80 dB of their frame's maximum."""
    loudest = np.max(levels, axis=-1, keepdims=True)
    within: npt.NDArray[np.bool_] = levels > loudest - RANGE_DB
    return within if port.floor is None else within & (levels > port.floor)
