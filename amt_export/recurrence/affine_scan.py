"""A one-state recursion whose coefficient changes from sample to sample, in one pass.

    h[t] = a[t] h[t-1] + d[t],   0 < a[t] < 1

Each step is an affine map, and the map of two steps is (a2 a1, a2 d1 + d2). Inside a block the products of a
are P = exp(running sum of log a), and h = P (running sum of d / P + state before the block). Each running sum
is a product with a triangular matrix. The maps of blocks are composed by doubling: after i rounds each block
holds the map of the 2^i blocks up to it.
"""

from typing import Tuple

import torch
from torch import Tensor


def running_sum(block: int) -> Tensor:
    """Matrix (L, L), float64, that makes running sums of rows."""
    return torch.ones(block, block, dtype=torch.float64).triu()


def doubling_rounds(largest: float, block: int, tolerance: float) -> int:
    """Rounds n of doubling until `largest`^(`block` 2^n) is at most `tolerance`.

    `largest` is the largest coefficient a: blocks that are 2^n blocks earlier then no longer matter.
    """
    rounds = 0
    while largest ** (block * 2**rounds) > tolerance:
        rounds += 1
    return rounds


def affine_scan(
    factors: Tensor, terms: Tensor, state: Tensor, sums: Tensor, rounds: int
) -> Tuple[Tensor, Tensor]:
    """States after all samples.

    Parameters
    ----------
    factors, terms : Tensor [shape=(B, F, K, L)]
        a and d, cut into blocks. The product of a over a block must not underflow.
    state : Tensor [shape=(B, F, 1)]
        Before the first sample.
    sums : Tensor [shape=(L, L)]
        See `running_sum`.
    rounds : int
        See `doubling_rounds`; more than the blocks need are left out.

    Returns
    -------
    states : Tensor [shape=(B, F, K, L)]
    next_state : Tensor [shape=(B, F, 1)]

    Examples
    --------
    >>> half, one = torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2)
    >>> states, _ = affine_scan(half, one, torch.zeros(1, 1, 1), running_sum(2).float(), 1)
    >>> states.flatten()
    tensor([1.0000, 1.5000, 1.7500, 1.8750])
    """
    products = torch.exp(torch.log(factors) @ sums)
    inside = (terms / products) @ sums
    total = products[:, :, :, -1]
    # The state before block 0 enters as a map with slope 0.
    slope = torch.cat([torch.zeros_like(state), total], dim=2)
    offset = torch.cat([state, total * inside[:, :, :, -1]], dim=2)
    count = slope.shape[2]
    shift = 1
    for _ in range(rounds):
        if shift < count:
            later = slope[:, :, shift:]
            offset = torch.cat(
                [
                    offset[:, :, :shift],
                    later * offset[:, :, : count - shift] + offset[:, :, shift:],
                ],
                dim=2,
            )
            slope = torch.cat([slope[:, :, :shift], later * slope[:, :, : count - shift]], dim=2)
        shift = 2 * shift
    states = products * (inside + offset[:, :, : count - 1].unsqueeze(3))
    return states, offset[:, :, count - 1 :]
