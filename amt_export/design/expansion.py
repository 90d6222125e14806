"""Numbers as sums of float32 numbers, and matrix products of them that lose next to nothing.

An expansion is a list of P tensors, largest first; its value is their sum. To be multiplied, both factors
are cut at grids of 8 bits, relative to the largest number of a row or column: a product of two
such parts has 16 bits, and up to 2^8 of them add up within float32's 24, so their sum is exact whatever the
order. Part i of one factor times part j of the other belongs to term i + j of the product; the last term
takes all that is left, so its rounding is 2^-8(P-1) of what one float32 sum would make.

Why: a recursive filter passes its own rounding on as if it were a sound in its band. A tone far outside
the band leaves next to nothing at the output, but is large in the first state, whose float32 noise
then drowns what is left. Terms that are carried along, states included, keep it.

One term (P = 1) is an ordinary product. Lean sums have two terms and a fifth of one term's error, at little
cost: the sound and the tables that it passes on its way to the output share the 24 bits, so nothing is cut in
between. They have one grid for a whole call; what is far below its peak is summed as by one term.

Arithmetic that reorders (x + c) - c loses the gain and nothing else.

Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using fast routines of
matrix multiplication and its applications", Numerical Algorithms 59 (2012), algorithm 3; Shewchuk,
"Adaptive precision floating-point arithmetic", Discrete Comput. Geom. 18 (1997), for the term.
"""

from typing import List

import torch
from torch import Tensor

from amt_export.design.compensated import HEAD_BITS, SHIFT

# Lean sums: bits of the heads of the sound, of the table that makes states of it, of the powers that pass
# states on and of the table that makes sound of them; a sum adds up to 6 bits. The best of 5 to 7, 5 to 7, 4
# and 5, and 3 and 4, on ramped tones from 125 Hz to 8 kHz (gammatone bank at 16 kHz): 1e-6 is left of 7.8e-6.
SOUND_BITS, REACH_BITS, POWER_BITS, OBSERVE_BITS = 6, 5, 5, 4


def table_parts(
    table: Tensor,
    count: int,
    dims: List[int],
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
    parts: List[Tensor] = []
    rest = table
    for _ in range(count - 1):
        grid = grid * 0.5**bits
        part = (torch.round(rest / grid) * grid).detach()
        parts.append(part.to(dtype))
        rest = rest - part
    parts.append(rest.to(dtype))
    return torch.stack(parts)


def peak_of(x: Tensor) -> Tensor:
    """Largest magnitude in the last two dimensions, which are kept: where the grid of a channel begins."""
    if x.shape[-2] == 0:
        return torch.zeros_like(torch.sum(x, dim=[-2, -1], keepdim=True))
    return torch.amax(torch.abs(x), dim=[-2, -1], keepdim=True)


def cut(
    terms: List[Tensor],
    count: int,
    peak: Tensor,
    lean: bool,
    shift: float = SHIFT,
    fewer: float = 2.0 ** (HEAD_BITS - SOUND_BITS),
    finer: float = 2.0**-HEAD_BITS,
) -> List[Tensor]:
    """Cut an expansion into `count` parts with the same sum.

    Parameters
    ----------
    terms : list of Tensor [shape=(..., k, n)]
        At most `count` of them.
    count : int
        P. All parts but the last are on grids: 8 bits of the peak, and 8 bits finer for each one more.
    peak : Tensor [shape=(..., k, 1) or (..., 1, 1)]
        What the numbers of a row, or of all rows, do not exceed by much.
    lean : bool
        6 bits instead of 8.
    shift, fewer, finer : float
        Constants; TorchScript reads no globals.
    """
    rest, lost = terms[0], torch.zeros_like(peak)
    parts: List[Tensor] = []
    # Adding and taking off a number of this size rounds to multiples of 2^-8 of the peak.
    # (As large as the peak: with a scalar ONNX Runtime takes the numbers of (..., 1, 1) one by one.)
    step = peak * torch.full_like(peak, shift * fewer if lean else shift)
    for i in range(count - 1):
        part = (rest + step) - step
        parts.append(part)
        rest = rest - part
        if count > 2:  # a further part has room for what this sum loses
            further = terms[i + 1] + lost if i + 1 < len(terms) else lost
            whole = rest + further
            lost = lost_in_sum(rest, further, whole)
            rest = whole
        elif i + 1 < len(terms):
            rest = rest + terms[i + 1]
        step = finer * step
    parts.append(rest)
    return parts


def in_parts(rows: Tensor, terms: int, count: int, peak: Tensor, lean: bool) -> List[Tensor]:
    """Another number of terms: (..., k, terms n) -> `count` of (..., k, n); as many at least, or one.

    More than one are cut, on a grid for the rows' own peak, or, if lean, for that of the sound: states are not
    larger.
    """
    size = rows.shape[-1] // terms
    if count > 1:
        held = [rows[..., i * size : (i + 1) * size] for i in range(terms)]
        return cut(held, count, peak if lean else peak_of(held[0]), lean)
    whole = rows[..., :size] if terms > 1 else rows
    for i in range(1, terms):
        whole = whole + rows[..., i * size : (i + 1) * size]
    return [whole]


def with_terms(rows: Tensor, terms: int, count: int, peak: Tensor, lean: bool) -> Tensor:
    """`in_parts`, side by side: (..., k, terms n) -> (..., k, count n)."""
    return side_by_side(in_parts(rows, terms, count, peak, lean))


def side_by_side(parts: List[Tensor]) -> Tensor:
    """Tensors one after the other along the last dimension."""
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


def with_tails(table: Tensor) -> Tensor:
    """The parts of a table (P, ...) and what is left of it behind each: P parts, then P - 1 sums.

    The sums are of all parts, of all but the first, and so on.
    """
    count = table.shape[0]
    found: List[Tensor] = [table[k] for k in range(count)]
    left = table[count - 1]
    for back in range(1, count):
        left = table[count - 1 - back] + left
        found.insert(count, left)
    return torch.stack(found)


def _tail(table: Tensor, first: int) -> Tensor:
    """What is left of a table with tails from part `first` on."""
    count = (table.shape[0] + 1) // 2
    return table[count + first if first < count - 1 else first]


def products(table: Tensor) -> List[Tensor]:
    """What `times` multiplies by, from a table with tails (2 P - 1, ..., n, m): P of (..., (k + 1) n, m)."""
    count = (table.shape[0] + 1) // 2
    found: List[Tensor] = []
    for k in range(count):
        last = k == count - 1
        found.append(
            torch.cat([_tail(table, k - i) if last else table[k - i] for i in range(k + 1)], dim=-2)
        )
    return found


def times(parts: List[Tensor], factors: List[Tensor]) -> List[Tensor]:
    """Product of rows in parts (..., n), as `cut` makes them, with a table, as `products` makes it.

    Returns
    -------
    list of Tensor [shape=(..., m)]
        P terms: term k from parts i and k - i, the last one from all that is left.
    """
    rows = [side_by_side(parts[: k + 1]) for k in range(len(factors))]
    return [rows[k] @ factors[k] for k in range(len(factors))]


def joined(table: Tensor) -> Tensor:
    """A table with tails, for rows whose terms stand side by side: one product makes all terms of the result.

    Parameters
    ----------
    table : Tensor [shape=(2 P - 1, ..., n, m)]

    Returns
    -------
    Tensor [shape=(..., P n, P m)]
        Block (i, k) is what part i adds to term k: part k - i of the table, in the last column all of it that
        is left, and nothing where i > k.
    """
    count = (table.shape[0] + 1) // 2
    nothing = torch.zeros_like(table[0])
    rows: List[Tensor] = []
    for i in range(count):
        row = [table[k - i] if k >= i else nothing for k in range(count - 1)]
        row.append(_tail(table, count - 1 - i))
        rows.append(torch.cat(row, dim=-1))
    return torch.cat(rows, dim=-2)


def total(first: List[Tensor], second: List[Tensor]) -> Tensor:
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
