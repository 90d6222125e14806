"""Left packing with static shapes: a prefix sum says which component stands in each slot."""

import torch
from torch import Tensor


def pack(relevant: Tensor, numbers: Tensor, slots: int) -> Tensor:
    """Numbers of the relevant components, moved to the left.

    Parameters
    ----------
    relevant : Tensor [shape=(..., N)], bool
    numbers : Tensor [shape=(N,)], int32
        Of the components, from 1 on. (32 bits, because ONNX Runtime scatters them one by one.)
    slots : int
        M, more than the number of relevant components that precede an irrelevant one. OpenCV needs M >= N.

    Returns
    -------
    Tensor [shape=(..., M)], int32
        Number of the component in each slot, 0 in empty slots. Each number is added to the slot that as
        many relevant components precede; that of an irrelevant one is added as 0, wherever it is.
    """
    count = relevant.to(torch.int32)
    slot = torch.cumsum(count, -1, dtype=torch.int32) - count
    # Zeros that look computed: constant integers are written into a Core ML package one by one, which takes
    # longer than all else.
    empty = torch.full_like(slot[..., :slots], 0)
    return torch.scatter_add(empty, -1, slot.to(torch.long), numbers * count)
