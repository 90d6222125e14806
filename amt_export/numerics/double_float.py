"""Matrix products in float32 whose sums round once: each factor is the sum of two float32 numbers.

Each factor is split on a grid into a head and a rest: one step of [1]_. The grid of a row is 2^-15 of the sum
of its magnitudes, that of a matrix 2^-8 of its peak. Products of two heads are then multiples of the product of
both grids, and no sum of them is larger than the sum of the row times the peak of the matrix: every sum, in any
order, fits into 23 of the 24 bits of float32 and does not round. The last bit is for the sum or difference of
two of them. Only the sums with a rest round. A rest is at most 2^-9 of the peak for rows of a hundred numbers
of like size, 2^-6 for rows of a thousand. It takes three products instead of one.

Five places need it. In all of them sums are as large as a loud tone, and the result is what a filter far from
the tone passes. "Without" and "with" are errors without and with the split:

====================================================  =======  =======  =================================
Place                                                 Without  With     Of
====================================================  =======  =======  =================================
Long windows of the spectra                           1.6e-3   < 1e-3   dB; 1e-3 dB are allowed
Transform of the input of `FastDRNLFilterbank`        5e-5     6e-6     peak, 1 kHz tone
Input to the first states of `DRNLFilterbank`         4e-5     1e-5     peak, 1 kHz tone
Main lobe of the ears of `CASPFrontEnd`               4e-4     1e-5     peak of the DRNL, 4 kHz tone
Ear filter of `Moore2016Loudness`                     2e-5     3e-7     peak of specific loudness, speech
====================================================  =======  =======  =================================

Where a compiler simplifies (x + c) - c, this gain is lost and nothing else.

References
----------
.. [1] K. Ozaki et al., "Error-free transformations of matrix multiplication by using fast routines of matrix
   multiplication and its applications", Numerical Algorithms 59, 95-118 (2012).
"""

import math
from typing import NamedTuple, Tuple

import torch
from torch import Tensor

# Bits of a head: of a matrix below its peak, of a row below the sum of its magnitudes. With 16 bits of a row
# the stream of FastDRNLFilterbank is wrong by 8e-6 of the peak on a 1 kHz tone, with 15 by 6e-6; with 14 the
# excitation of a sweep in Glasberg2002FrontEnd is wrong by 2.3e-5 dB, with 15 by 1.5e-5. The peak of a row
# would do as well, but other engines than ONNX Runtime know its sum better.
HEAD_BITS, SUM_BITS = 8, 15
# 1.5 * 2^23 * x is where float32 numbers are x apart (1.5: away from the ends of the binade). Adding it to
# numbers below p and subtracting it again rounds them to multiples of x: here 2^-15 p.
SHIFT = 1.5 * 2.0 ** (23 - SUM_BITS)
# The same for matrices that are cut in the graph. Their columns have 32 to 64 entries, 5 or more of them large,
# so that 2^-13 of the sum is 2^-7 to 2^-11 of the peak.
COLUMN_SHIFT = 1.5 * 2.0 ** (23 - 13)


class SplitMatrix(NamedTuple):
    """A constant matrix as the sum of a head on a grid and a rest."""

    head: Tensor
    rest: Tensor


def split_matrix(matrix: Tensor, dtype: torch.dtype) -> SplitMatrix:
    """Head and rest of a float64 matrix, each cast once.

    Parameters
    ----------
    matrix : Tensor [shape=(n, m)], float64
    dtype : torch.dtype

    Returns
    -------
    SplitMatrix [shape=(n, m)]
        The head has 8 bits below the power of two at or above the matrix's peak.
    """
    peak = float(matrix.abs().max())
    # A power of two scales without rounding.
    step = 2.0 ** (math.ceil(math.log2(peak)) - HEAD_BITS) if 0.0 < peak < math.inf else 1.0
    head = torch.round(matrix / step) * step
    return SplitMatrix(head.to(dtype), (matrix - head).to(dtype))


def split_rows(rows: Tensor, dim: int = -1, shift: float = SHIFT) -> Tuple[Tensor, Tensor]:
    """Head and rest of rows (..., n), each row on a grid of its own; or of columns, with `dim` -2."""
    # A constant as a default, because TorchScript reads no globals.
    step = shift * torch.sum(torch.abs(rows), dim=dim, keepdim=True)
    head = (rows + step) - step
    return head, rows - head


def shared_product(rows: Tensor, matrices: Tensor, column_shift: float = COLUMN_SHIFT) -> Tensor:
    """Rows that all channels share, times a matrix for each channel, with both factors cut here.

    In float64, where nothing is gained by that, it is a plain product.

    Parameters
    ----------
    rows : Tensor [shape=(B, 1, K, n)]
    matrices : Tensor [shape=(F, n, m)]
    column_shift : float
        A constant; TorchScript reads no globals.

    Returns
    -------
    Tensor [shape=(B, F, K, m)]
    """
    if rows.dtype == torch.float64:
        return by_channel(rows @ side_by_side(matrices), matrices)
    row_head, row_rest = split_rows(rows)
    head, rest = split_rows(matrices, -2, column_shift)
    main, small = split_product(row_head, row_rest, side_by_side(head), side_by_side(rest))
    return by_channel(main + small, matrices)


def side_by_side(matrices: Tensor) -> Tensor:
    """(F, n, m) as one matrix (n, F m): one product where F narrow ones would leave the processor waiting."""
    return matrices.transpose(0, 1).flatten(1)


def by_channel(products: Tensor, matrices: Tensor) -> Tensor:
    """Products (B, 1, K, F m) with `side_by_side` of `matrices` as (B, F, K, m)."""
    batch, _, count, _ = products.shape
    channels, _, width = matrices.shape
    return products.reshape(batch, count, channels, width).transpose(1, 2)


def split_product(
    row_head: Tensor, row_rest: Tensor, head: Tensor, rest: Tensor
) -> Tuple[Tensor, Tensor]:
    """Rows times a matrix as the sum of two.

    Parameters
    ----------
    row_head, row_rest : Tensor [shape=(..., n)]
        As `split_rows` gives them.
    head, rest : Tensor [shape=(n, m)]
        As `split_matrix` gives them.

    Returns
    -------
    main, small : Tensor [shape=(..., m)]
        Their sum is the product. Where several products are added up, the main and the small ones are to be
        added separately, and these two sums last.
    """
    return row_head @ head, row_rest @ (head + rest) + row_head @ rest
