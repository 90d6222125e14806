"""Numbers as sums of float32 numbers, and matrix products of them that lose next to nothing.

An expansion is a list of P tensors, largest first; its value is their sum. To be multiplied, both factors
are cut at grids of 8 bits, relative to the largest number of a row or column: a product of two
such parts has 16 bits, and up to 2^8 of them add up within float32's 24, so their sum is exact whatever the
order. Part i of one factor times part j of the other belongs to term i + j of the product; the last term
takes all that is left, so its rounding is 2^-8(P-1) of what one float32 sum would make.

Why: a recursive filter passes its own rounding on as if it were a sound in its band. A tone far outside
the band leaves next to nothing at the output, but is large in the first state, whose float32 noise
then drowns what is left. Terms that are carried along, states included, keep it.

One term (P = 1) is an ordinary product. Arithmetic that reorders (x + c) - c loses the gain and nothing else.

Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using fast routines of
matrix multiplication and its applications", Numerical Algorithms 59 (2012), algorithm 3; Shewchuk,
"Adaptive precision floating-point arithmetic", Discrete Comput. Geom. 18 (1997), for the term.
"""

from typing import List  # noqa: UP035  (TorchScript reads it)

import torch
from torch import Tensor

from amt_export.design.compensated import HEAD_BITS, SHIFT


def table_parts(
    table: Tensor,
    count: int,
    dims: List[int],  # noqa: UP006
    dtype: torch.dtype,
    bits: int = HEAD_BITS,
) -> Tensor:
    """Cut a float64 table and cast each part once; differentiable.

    Parameters
    ----------
    table : Tensor, float64
    count : int
        P. With one part there is no grid.
    dims : list of int
        Along these all entries are on one grid: what is summed into one output number.
    dtype : torch.dtype
    bits : int
        A constant; TorchScript reads no globals.

    Returns
    -------
    Tensor [shape=(P, *table.shape)]
    """
    peak = torch.clamp(torch.amax(table.detach().abs(), dim=dims, keepdim=True), min=1e-30)
    grid = torch.exp2(torch.ceil(torch.log2(peak)))
    parts: List[Tensor] = []  # noqa: UP006
    rest = table
    for _ in range(count - 1):
        grid = grid * 0.5**bits
        part = (torch.round(rest / grid) * grid).detach()
        parts.append(part.to(dtype))
        rest = rest - part
    parts.append(rest.to(dtype))
    return torch.stack(parts)


def cut(
    terms: List[Tensor],  # noqa: UP006
    count: int,
    shift: float = SHIFT,
    finer: float = 2.0**-HEAD_BITS,
) -> List[Tensor]:  # noqa: UP006
    """Cut the rows (last dimension) of an expansion into `count` parts with the same sum.

    Parameters
    ----------
    terms : list of Tensor [shape=(..., n)]
        At most `count` of them.
    count : int
        P. All parts but the last are on grids, each 8 bits finer than the one before.
    shift, finer : float
        Constants; TorchScript reads no globals.
    """
    rest = terms[0]
    parts: List[Tensor] = []  # noqa: UP006
    if count > 1:
        # Adding and taking off a number of this size rounds to multiples of 2^-8 of the row's peak.
        step = shift * torch.amax(torch.abs(rest), dim=-1, keepdim=True)
        for i in range(count - 1):
            part = (rest + step) - step
            parts.append(part)
            rest = rest - part
            if i + 1 < len(terms):
                rest = rest + terms[i + 1]
            step = finer * step
    parts.append(rest)
    return parts


def times(parts: List[Tensor], table: Tensor) -> List[Tensor]:  # noqa: UP006
    """Product of rows in parts (..., n), as `cut` makes them, with a table (P, ..., n, m).

    Returns
    -------
    list of Tensor [shape=(..., m)]
        P terms: term k from parts i and k - i, the last one from all that is left.
    """
    count = table.shape[0]
    if count == 1:
        return [parts[0] @ table[0]]
    whole: List[Tensor] = [table[k] for k in range(count)]  # noqa: UP006
    # What is left of the table behind its first k parts.
    tails: List[Tensor] = [whole[count - 1]]  # noqa: UP006
    for back in range(1, count):
        tails.insert(0, whole[count - 1 - back] + tails[0])
    terms: List[Tensor] = [parts[0] @ whole[0]]  # noqa: UP006
    for k in range(1, count):
        factors = [tails[k - i] if k == count - 1 else whole[k - i] for i in range(k + 1)]
        terms.append(torch.cat(parts[: k + 1], dim=-1) @ torch.cat(factors, dim=-2))
    return terms


def total(first: List[Tensor], second: List[Tensor]) -> Tensor:  # noqa: UP006
    """Sum of two expansions of the same length, rounded once.

    The largest terms come first: they are on grids, so where they cancel little is lost. With more than
    two terms what is lost there still counts, so it is kept (Kahan-Babuska: Neumaier 1974).
    """
    result = first[0] + second[0]
    if len(first) < 3:
        for i in range(1, len(first)):
            result = (result + second[i]) + first[i]
        return result
    lost = lost_in_sum(first[0], second[0], result)
    for i in range(1, len(first)):
        for term in (second[i], first[i]):
            after = result + term
            lost = lost + lost_in_sum(result, term, after)
            result = after
    return result + lost


def lost_in_sum(a: Tensor, b: Tensor, rounded: Tensor) -> Tensor:
    """A + b - rounded, exactly, for rounded = a + b in floating point (Knuth's two-sum)."""
    share = rounded - a
    return (a - (rounded - share)) + (b - share)
