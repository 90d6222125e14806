"""Matrix products and sums: the operations whose results depend on the order of summation.

Core ML's order is not documented; here it is that of numpy's BLAS and its pairwise sums. Half
precision is summed in single precision and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from amt_export.coreml_interpreter.signature import (
    NUMBERS,
    Array,
    Data,
    Ints,
    MismatchError,
    Result,
    operation,
)

# OpenBLAS puts products of more multiplications than this on all cores (its interface/gemm.c), and where other
# work has a core, each of our many small products then waits 10 ms for it: cut into rows, 40 times faster.
ONE_CORE = 2**18
FEWEST_ROWS = 8  # below, the product is large by itself and worth the cores


@operation(NUMBERS)
def matmul(x: Data, y: Data, transpose_x: bool = False, transpose_y: bool = False) -> Result:
    """Matrix product over the last two dimensions, the others broadcast, vectors as numpy does it."""
    if transpose_x and x.ndim > 1:
        x = np.swapaxes(x, -1, -2)
    if transpose_y and y.ndim > 1:
        y = np.swapaxes(y, -1, -2)
    return _product(x, y)


@operation(NUMBERS)
def linear(x: Data, weight: Data, bias: Data | None = None) -> Result:
    """X @ weight.T + bias, for x of at most three dimensions."""
    if not 1 <= x.ndim <= 3:
        raise MismatchError(f"takes an x of one to three dimensions, not {x.ndim}")
    if weight.ndim != 2:
        raise MismatchError(f"takes weights of two dimensions, not {weight.ndim}")
    product = _product(x, weight.T)
    return product if bias is None else np.add(product, bias, out=product)


@operation(NUMBERS)
def reduce_sum(x: Data, axes: Ints | None = None, keep_dims: bool = False) -> Result:
    """Sum along axes; along all of them if none are given."""
    return _reduce(np.sum, x, axes, keep_dims)


@operation(NUMBERS)
def reduce_mean(x: Data, axes: Ints | None = None, keep_dims: bool = False) -> Result:
    """Mean along axes."""
    return _reduce(np.mean, x, axes, keep_dims)


@operation(NUMBERS)
def reduce_max(x: Data, axes: Ints | None = None, keep_dims: bool = False) -> Result:
    """Largest element along axes."""
    return _reduce(np.max, x, axes, keep_dims)


@operation(NUMBERS)
def reduce_min(x: Data, axes: Ints | None = None, keep_dims: bool = False) -> Result:
    """Smallest element along axes."""
    return _reduce(np.min, x, axes, keep_dims)


@operation(NUMBERS)
def cumsum(x: Data, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Result:
    """Cumulative sum. `exclusive` leaves out the element itself; `reverse` starts at the end."""
    if reverse:
        x = np.flip(x, axis)
    total = np.cumsum(x, axis, _wide(x)).astype(x.dtype)
    if exclusive:
        total = np.roll(total, 1, axis)
        total[(slice(None),) * (axis % x.ndim) + (0,)] = 0
    return np.flip(total, axis) if reverse else total


def _reduce(
    function: Callable[..., Any], x: Array, axes: Ints | None, keep_dims: bool
) -> Array | np.generic:
    result: Array = function(x.astype(_wide(x), copy=False), axis=axes, keepdims=keep_dims)
    return result.astype(x.dtype)


def _product(x: Array, y: Array) -> Array:
    dtype, wide = x.dtype, _wide(x)
    x, y = x.astype(wide, copy=False), y.astype(wide, copy=False)
    rows = x.shape[-2] if x.ndim > 1 else 1
    piece = ONE_CORE // max(x.shape[-1] * y.shape[-1], 1)
    if y.ndim < 2 or piece >= rows or piece < FEWEST_ROWS:
        product: Array = np.matmul(x, y)
    else:
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        product = np.empty((*batch, rows, y.shape[-1]), wide)
        for first in range(0, rows, piece):
            part = slice(first, first + piece)
            np.matmul(x[..., part, :], y, out=product[..., part, :])
    return product.astype(dtype, copy=False)


def _wide(x: Array) -> np.dtype[Any]:
    """The dtype in which sums are computed, to be rounded once: the order of Apple's sums is not documented.

    numpy's float32 products leave up to four times the rounding of torch's.
    """
    return np.dtype(np.float64) if x.dtype.kind == "f" else x.dtype
