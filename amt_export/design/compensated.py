"""Matrix products that round once: sums of float32 numbers without the error of summing.

Both factors are cut at a grid, into a head of 8 bits and a rest. A product of two heads has 16 bits, and up
to 2^8 of them add up within float32's 24: that sum is exact, whatever the order. The rest is 2^-8 of the
whole, and so is the error of summing it. (Ozaki et al. 2012, "Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication and its applications", one step of it.)

It costs three products instead of one and is meant for what many channels share. Arithmetic that
reorders (x + c) - c loses the gain and nothing else.
"""

from typing import NamedTuple, Tuple

import torch
from torch import Tensor

HEAD_BITS = 8
# 1.5 * 2^23 * x is where float32 numbers are x apart (1.5: away from the ends of the binade). Adding it
# to numbers of size p and taking it off again rounds them to multiples of 2^-8 p.
SHIFT = 1.5 * 2.0 ** (23 - HEAD_BITS)


class Parts(NamedTuple):
    """A constant matrix: `head` on a grid, `initial_states` = matrix - head, `whole` = the matrix."""

    head: Tensor
    rest: Tensor
    whole: Tensor


class Exact(NamedTuple):
    """A number as the sum of two: `main`, and `initial_states`, about 2^-8 of it."""

    main: Tensor
    rest: Tensor


def parts(matrix: Tensor, dtype: torch.dtype) -> Parts:
    """Cut a float64 matrix with entries up to 1 and cast each part once.

    Parameters
    ----------
    matrix : Tensor, float64
    dtype : torch.dtype
    """
    head = torch.round(matrix * 2.0**HEAD_BITS) * 2.0**-HEAD_BITS
    return Parts(head.to(dtype), (matrix - head).to(dtype), matrix.to(dtype))


def cut(x: Tensor, shift: float = SHIFT) -> Tuple[Tensor, Tensor]:
    """Head and rest of x (..., N1, N2), on a grid for each of the last two dimensions' matrices."""
    peak = torch.amax(torch.abs(x), dim=[-2, -1], keepdim=True)
    step = shift * peak
    head = (x + step) - step
    return head, x - head


def times(x: Exact, m: Parts) -> Exact:
    """Product x @ m."""
    head, tail = cut(x.main)
    return Exact(head @ m.head, (tail + x.rest) @ m.whole + head @ m.rest)


def from_left(m: Parts, x: Exact) -> Exact:
    """Product m @ x."""
    head, tail = cut(x.main)
    return Exact(m.head @ head, m.whole @ (tail + x.rest) + m.rest @ head)


def difference(x: Exact, y: Exact) -> Tensor:
    """Difference x - y, rounded once."""
    return (x.main - y.main) + (x.rest - y.rest)


def plus(x: Exact, y: Exact) -> Tensor:
    """Sum x + y, rounded once."""
    return (x.main + y.main) + (x.rest + y.rest)
