"""How far two versions of an output are apart, in the unit that fits it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amt_export.modules.ports import Port

Array = npt.NDArray[np.floating]

# Along these axes an output is a course in time; every other index is a channel of its own.
TIME_AXES = ("time", "frame")
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
    if found.shape != expected.shape:
        return float("inf")
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return float("inf")
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return float("inf")  # NaN is not Inf, nor is Inf -Inf
    found, expected = np.where(finite, found, 0.0), np.where(finite, expected, 0.0)
    if port.kind == "frequency":
        same = np.array_equal(found.astype(np.float32), expected.astype(np.float32))
        return 0.0 if same else float("inf")
    if port.kind == "db":
        return _decibels(found, expected, port)
    return _relative(found, expected, port)


def course(port: Port) -> tuple[int, ...]:
    """Axes along which the output is a course in time."""
    return tuple(i for i, axis in enumerate(port.axes) if axis in TIME_AXES)


def _relative(found: Array, expected: Array, port: Port) -> float:
    row = tuple(range(1, expected.ndim)) if port.axes[0] == "batch" else tuple(range(expected.ndim))
    error = np.max(np.abs(found - expected), axis=course(port), keepdims=True)
    peak = np.max(np.abs(expected), axis=course(port), keepdims=True)
    whole = np.max(np.abs(expected), axis=row, keepdims=True)
    scale = np.maximum(peak, QUIET * whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0.0, 0.0, error / scale)
    return float(np.max(ratio))


def _decibels(found: Array, expected: Array, port: Port) -> float:
    loudest = np.max(expected, axis=-1, keepdims=True)
    counted = expected > loudest - RANGE_DB
    if port.floor is not None:
        counted &= expected > port.floor
    return float(np.max(np.abs(found - expected), where=counted, initial=0.0))
