"""Left packing with static shapes: a prefix sum says which component stands in each slot."""

import torch
from torch import Tensor

from amt_export.numerics.blocks import pad_end


def packed_order(relevant: Tensor, numbers: Tensor, slots: int) -> Tensor:
    """Which component each slot holds when the relevant ones move to the left.

    Parameters
    ----------
    relevant : Tensor [shape=(..., 1 + N)], bool
        The first is no component, never relevant, and what an empty slot holds.
    numbers : Tensor [shape=(1 + N,)], int32
        0, 1, ..., N. (32 bits, because ONNX Runtime moves them one by one.)
    slots : int
        M >= N.

    Returns
    -------
    Tensor [shape=(..., M)], long
        Index of the component. Each number is added to the slot that as many relevant ones stand
        before; that of an irrelevant one as 0, to the slot of the relevant one behind it, so no slot
        has to be found for it.
    """
    count = relevant.to(torch.int32)
    slot = torch.cumsum(count, -1, dtype=torch.int32) - count
    # Zeros that look computed: constant integers are written into a Core ML package one by one, which takes
    # longer than all else.
    empty = torch.full_like(slot[..., 1:], 0)
    empty = pad_end(empty, slots - empty.shape[-1], -1)
    return torch.scatter_add(empty, -1, slot.to(torch.long), numbers * count).to(torch.long)
