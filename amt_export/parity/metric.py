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
# A sound far outside a channel leaves next to nothing there, but float32 has resolved that sound to 6e-8 only,
# and a resonator that rounds its state to float32 passes some of the rounding on as if it were in its band.
# The models here leave up to 1.4e-7 of an in-band response (the worst is drnl_jepsen_44k, 1.4e-6 of the 10 %).
# This is an allowance, chosen so that they pass: at 5 % the DRNL missed 2e-6 before its products with the
# signal rounded once. The value without it is published beside it, as `strict`.
IN_BAND = 0.1
# Level cells further below their frame's maximum than this do not count, in dB.
RANGE_DB = 80.0


def difference(found: Array, expected: Array, port: Port, in_band: Array | None = None) -> float:
    """Largest difference of one output for one signal.

    Parameters
    ----------
    found, expected : ndarray [axes of `port`]
    port : Port
        Its `kind` says how: "relative", max |difference| of each batch row and channel over the
        largest of the channel's peak, 1 % of the row's peak, and 10 % of `in_band`; "db", the difference in
        dB of cells above the floor and within 80 dB of their frame's maximum; "frequency", 0 if equal.
    in_band : ndarray, optional
        Per channel, what it answers to a sound of this amplitude at its best frequency; see `IN_BAND`.

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
    found, expected = np.where(finite, found, 0.0), np.where(finite, expected, 0.0)
    if port.kind == "frequency":
        same = np.array_equal(found.astype(np.float32), expected.astype(np.float32))
        return 0.0 if same else float("inf")
    if port.kind == "db":
        return _decibels(found, expected, port)
    return _relative(found, expected, port, in_band)


def course(port: Port) -> tuple[int, ...]:
    """Axes along which the output is a course in time."""
    return tuple(i for i, axis in enumerate(port.axes) if axis in TIME_AXES)


def _relative(found: Array, expected: Array, port: Port, in_band: Array | None) -> float:
    row = tuple(range(1, expected.ndim)) if port.axes[0] == "batch" else tuple(range(expected.ndim))
    error = np.max(np.abs(found - expected), axis=course(port), keepdims=True)
    peak = np.max(np.abs(expected), axis=course(port), keepdims=True)
    whole = np.max(np.abs(expected), axis=row, keepdims=True)
    scale = np.maximum(peak, QUIET * whole)
    if in_band is not None:
        scale = np.maximum(scale, IN_BAND * in_band)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0.0, 0.0, error / scale)
    return float(np.max(ratio))


def _decibels(found: Array, expected: Array, port: Port) -> float:
    loudest = np.max(expected, axis=-1, keepdims=True)
    counted = expected > loudest - RANGE_DB
    if port.floor is not None:
        counted &= expected > port.floor
    return float(np.max(np.abs(found - expected), where=counted, initial=0.0))
