"""Left packing with static shapes: a prefix sum says which component stands in each slot."""

import torch
from torch import Tensor


def pack(relevant: Tensor, numbers: Tensor, slots: int) -> Tensor:
    """Numbers of the relevant components, moved to the left.

    Parameters
    ----------
    relevant : Tensor [shape=(..., N)], bool
    numbers : Tensor [shape=(N,)], float32 or float64
        Of the components, from 1 on. (Not integers: the converter to float16 cannot handle a cast from them.)
    slots : int
        M, more than the number of relevant components that precede an irrelevant one. OpenCV needs M >= N.

    Returns
    -------
    Tensor [shape=(..., M)], the dtype of `numbers`
        Number of the component in each slot, 0 in empty slots. Each number is added to the slot that as
        many relevant components precede; that of an irrelevant one is added as 0, wherever it is.
    """
    count = relevant.to(torch.int32)
    slot = torch.cumsum(count, -1, dtype=torch.int32) - count
    kept = relevant.to(numbers.dtype) * numbers
    empty = torch.zeros_like(kept[..., :slots])
    return torch.scatter_add(empty, -1, slot.to(torch.long), kept)
