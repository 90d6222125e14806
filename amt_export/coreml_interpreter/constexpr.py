"""Operations that decompress stored weights; the graphs of this package have none.

Bits are packed from the lowest of each byte on, an index across bytes with its lower part first.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from amt_export.coreml_interpreter.elementwise import CASTS
from amt_export.coreml_interpreter.signature import (
    ANY,
    Array,
    Ints,
    MismatchError,
    Other,
    Result,
    operation,
)


@operation(ANY)
def constexpr_cast(source_val: Other, output_dtype: str) -> Result:
    """Weights of half precision as single precision."""
    if output_dtype not in CASTS:
        raise MismatchError(f"casts to {output_dtype}, which is not known here")
    return source_val.astype(CASTS[output_dtype])


@operation(ANY)
def constexpr_affine_dequantize(
    quantized_data: Other, zero_point: Other, scale: Other, axis: int
) -> Result:
    """Scale * (quantized_data - zero_point), both scalars or one value per index of an axis."""
    shape = [1] * quantized_data.ndim
    shape[axis] = -1
    zero = (zero_point.reshape(shape) if zero_point.ndim else zero_point).astype(np.float32)
    step = (scale.reshape(shape) if scale.ndim else scale).astype(np.float32)
    return (step * (quantized_data.astype(np.float32) - zero)).astype(scale.dtype)


@operation(ANY)
def constexpr_lut_to_dense(indices: Other, lut: Other, shape: Ints) -> Result:
    """Entries of a table, by indices of log2(len(lut)) bits."""
    width = int(lut.size).bit_length() - 1
    bits = _bits(indices)[: prod(shape) * width].reshape(-1, width)
    return lut[bits @ (1 << np.arange(width))].reshape(shape)


@operation(ANY)
def constexpr_sparse_to_dense(nonzero_data: Other, mask: Other, shape: Ints) -> Result:
    """The nonzero values where a bit of the mask is set, 0 elsewhere."""
    dense = np.zeros(prod(shape), nonzero_data.dtype)
    dense[_bits(mask)[: dense.size] == 1] = nonzero_data
    return dense.reshape(shape)


def _bits(packed: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.unpackbits(packed, bitorder="little").astype(np.int64)
