"""Operations that move elements and compute nothing: reshaping, slicing, concatenation."""

from __future__ import annotations

import numpy as np

from amt_export.coreml_interpreter.signature import (
    ANY,
    Array,
    Data,
    Flags,
    Ints,
    MismatchError,
    Result,
    Values,
    operation,
)


@operation(ANY)
def reshape(x: Data, shape: Ints) -> Result:
    """`x` in another shape. A 0 keeps the size of that dimension; one -1 stands for the remaining size."""
    if 0 in shape:
        if len(shape) != x.ndim:
            raise MismatchError(f"keeps sizes of {list(x.shape)} in {list(shape)}, of another rank")
        shape = tuple(size or kept for size, kept in zip(shape, x.shape, strict=True))
    return x.reshape(shape)


@operation(ANY)
def transpose(x: Data, perm: Ints) -> Result:
    """Dimension i of the result is dimension ``perm[i]`` of `x`."""
    return x.transpose(perm)


@operation(ANY)
def expand_dims(x: Data, axes: Ints) -> Result:
    """`x` with new dimensions of size 1 at these axes of the result."""
    return np.expand_dims(x, axes)


@operation(ANY)
def squeeze(x: Data, axes: Ints | None = None) -> Result:
    """`x` without dimensions of size 1. An axis of another size stays, as in torch."""
    chosen = range(x.ndim) if axes is None else (_inside(axis, x.ndim) for axis in axes)
    return np.squeeze(x, tuple(axis for axis in chosen if x.shape[axis] == 1))


@operation(ANY)
def reverse(x: Data, axes: Ints | None = None) -> Result:
    """`x` reversed along axes; along all of them if none are given."""
    return np.flip(x, axes)


@operation(ANY)
def tile(x: Data, reps: Ints) -> Result:
    """`x` repeated `reps[i]` times along dimension i."""
    if len(reps) != x.ndim or min(reps, default=1) < 1:
        raise MismatchError(f"repeats {list(x.shape)} {list(reps)} times")
    return np.tile(x, reps)


@operation(ANY)
def slice_by_index(
    x: Data,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Flags | None = None,
    end_mask: Flags | None = None,
    squeeze_mask: Flags | None = None,
) -> Result:
    """``x[begin:end:stride]`` in every dimension.

    A true `begin_mask` or `end_mask` stands for the end that the stride starts from or runs to, a true
    `squeeze_mask` for the single index `begin`, whose dimension goes.
    """
    given = (begin, end, stride, begin_mask, end_mask, squeeze_mask)
    if any(len(values) != x.ndim for values in given if values is not None):
        raise MismatchError(f"has bounds for another rank than {x.ndim}")
    index: list[int | slice] = []
    for axis in range(x.ndim):
        if squeeze_mask is not None and squeeze_mask[axis]:
            index.append(begin[axis])
            continue
        first = None if begin_mask is not None and begin_mask[axis] else begin[axis]
        last = None if end_mask is not None and end_mask[axis] else end[axis]
        index.append(slice(first, last, None if stride is None else stride[axis]))
    return x[tuple(index)]


@operation(ANY)
def concat(values: Values, axis: int, interleave: bool = False) -> Result:
    """Tensors concatenated along an axis; scalars form a vector. `interleave` alternates their elements."""
    if values[0].ndim == 0:
        return np.stack(values)
    if not interleave:
        return np.concatenate(values, axis)
    axis = _inside(axis, values[0].ndim)
    shape = list(values[0].shape)
    shape[axis] *= len(values)
    return np.stack(values, axis + 1).reshape(shape)


@operation(ANY)
def stack(values: Values, axis: int) -> Result:
    """Tensors of one shape along a new dimension."""
    return np.stack(values, axis)


@operation(ANY)
def split(
    x: Data, axis: int, num_splits: int | None = None, split_sizes: Ints | None = None
) -> Result:
    """`x` cut along an axis into `num_splits` equal parts, or into parts of `split_sizes`."""
    size = x.shape[axis]
    if split_sizes is None:
        if num_splits is None or num_splits < 1 or size % num_splits:
            raise MismatchError(f"cuts {size} into {num_splits} equal parts")
        split_sizes = (size // num_splits,) * num_splits
    if num_splits not in (None, len(split_sizes)) or sum(split_sizes) != size:
        raise MismatchError(f"cuts {size} into {num_splits} parts of {list(split_sizes)}")
    parts: list[Array] = np.split(x, np.cumsum(split_sizes)[:-1], axis)
    return parts


def _inside(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise MismatchError(f"has an axis {axis} beyond rank {rank}")
    return axis % rank
