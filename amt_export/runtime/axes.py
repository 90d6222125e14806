"""Outputs along time: which axis it is, and pieces of it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from amt_export.manifest import Port

Array = NDArray[Any]


def time_axis(port: Port) -> int | None:
    """Return the axis of time or frames of an output; None for a constant one."""
    return next((i for i, axis in enumerate(port.axes) if axis in ("time", "frame")), None)


def is_timed(port: Port) -> bool:
    """Whether an output runs along time, sample by sample or frame by frame."""
    return time_axis(port) is not None


def cut(value: Array, port: Port, first: int, stop: int | None = None) -> Array:
    """Return a view of some samples or frames of an output, its batch axis included."""
    if first == 0 and stop is None:
        return value
    axis = time_axis(port)
    return value if axis is None else value[(slice(None),) * axis + (slice(first, stop),)]
