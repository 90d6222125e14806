"""Operations that read or write at indices; negative ones count from the end, others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from amt_export.coreml_interpreter.signature import (
    NUMBERS,
    Array,
    Data,
    Indices,
    MismatchError,
    Result,
    operation,
)

# numpy's functions by the operation's `mode`; repeated indices accumulate.
MODES: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


@operation(NUMBERS)
def gather(x: Data, indices: Indices, axis: int = 0, batch_dims: int = 0) -> Result:
    """Slices of `x` at `indices` along an axis; the first `batch_dims` dimensions are shared."""
    axis = _axis(axis, x)
    indices = _within(indices, x.shape[axis])
    if batch_dims == 0:
        return np.take(x, indices, axis)
    shared = x.shape[:batch_dims]
    if not 0 < batch_dims <= min(axis, indices.ndim) or indices.shape[:batch_dims] != shared:
        raise MismatchError(f"shares {batch_dims} dimensions of {x.shape} and {indices.shape}")
    rows = zip(
        x.reshape(-1, *x.shape[batch_dims:]),
        indices.reshape(-1, *indices.shape[batch_dims:]),
        strict=True,
    )
    taken = np.stack([np.take(row, chosen, axis - batch_dims) for row, chosen in rows])
    return taken.reshape(*shared, *taken.shape[1:])


@operation(NUMBERS)
def gather_along_axis(x: Data, indices: Indices, axis: int = 0) -> Result:
    """Elements of `x` at the positions of `indices`, whose values replace the position along the axis."""
    axis = _axis(axis, x)
    _same_but(axis, x, indices)
    return np.take_along_axis(x, _within(indices, x.shape[axis]), axis)


@operation(NUMBERS)
def scatter(
    data: Data, indices: Indices, updates: Data, axis: int = 0, mode: str = "add"
) -> Result:
    """`data` with slice i of `updates` put, or accumulated, at index ``indices[i]`` of an axis."""
    axis = _axis(axis, data)
    if indices.ndim != 1 or updates.shape != (
        *data.shape[:axis], indices.size, *data.shape[axis + 1 :],
    ):  # fmt: skip
        raise MismatchError(f"puts {updates.shape} at {indices.shape} of {data.shape}")
    place = (slice(None),) * axis + (_within(indices, data.shape[axis]),)
    return _accumulate(data, place, updates, mode)


@operation(NUMBERS)
def scatter_along_axis(
    data: Data, indices: Indices, updates: Data, axis: int = 0, mode: str = "add"
) -> Result:
    """`data` with every element of `updates` put, or accumulated, at its index along the axis."""
    axis = _axis(axis, data)
    _same_but(axis, data, indices)
    if updates.shape != indices.shape:
        raise MismatchError(f"puts {updates.shape} at {indices.shape}")
    place = list(np.ogrid[tuple(slice(size) for size in indices.shape)])
    place[axis] = _within(indices, data.shape[axis])
    return _accumulate(data, tuple(place), updates, mode)


def _accumulate(data: Array, place: tuple[Any, ...], updates: Array, mode: str) -> Array:
    result = data.copy()
    if mode == "update":
        result[place] = updates
    elif mode not in MODES or (mode == "div" and data.dtype.kind == "i"):
        raise MismatchError(f"has a mode {mode} that is not known here for {data.dtype}")
    else:
        MODES[mode].at(result, place, updates)
    return result


def _axis(axis: int, x: Array) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise MismatchError(f"has an axis {axis} beyond rank {x.ndim}")
    return axis % x.ndim


def _same_but(axis: int, x: Array, indices: Array) -> None:
    """Raise unless the shapes agree in all dimensions except one."""
    if np.delete(x.shape, axis).tolist() != np.delete(indices.shape, axis).tolist():
        raise MismatchError(f"indexes {x.shape} by {indices.shape} along {axis}")


def _within(indices: Array, size: int) -> Array:
    """Checked indices. Negative ones count from the end, as in numpy; Apple documents no others."""
    if np.any((indices < -size) | (indices >= size)):
        raise MismatchError(f"has indices outside a dimension of {size}")
    return indices
