"""Left packing with static shapes: a prefix sum says which component stands in each slot."""

import torch
from torch import Tensor


def packed_order(relevant: Tensor, numbers: Tensor, empty: Tensor) -> Tensor:
    """Which component each slot holds when the relevant ones move to the left.

    Parameters
    ----------
    relevant : Tensor [shape=(..., N)], bool
    numbers : Tensor [shape=(N,)], long
        1, ..., N.
    empty : Tensor [shape=(..., M)], long
        Zeros, M >= N.

    Returns
    -------
    Tensor [shape=(..., M)], long
        1 + index of the component, or 0 for an empty slot. Each number is added to the slot that
        as many relevant ones stand before; that of an irrelevant one as 0, to the slot of the
        relevant one behind it, so no slot has to be found for it.
    """
    count = relevant.to(torch.long)
    slot = torch.cumsum(count, -1) - count
    return torch.scatter_add(empty, -1, slot, numbers * count)


def taken(values: Tensor, order: Tensor, nothing: Tensor) -> Tensor:
    """Values in packed order, 0 in empty slots.

    Parameters
    ----------
    values : Tensor [shape=(..., N)]
    order : Tensor [shape=(..., M)]
        See `packed_order`.
    nothing : Tensor [shape=(..., 1)]
        Zeros.

    Returns
    -------
    Tensor [shape=(..., M)]
    """
    return torch.gather(torch.cat([nothing, values], -1), -1, order)
