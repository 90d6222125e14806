"""Left packing with static shapes: a prefix sum says where each component goes."""

import torch
from torch import Tensor


def packed(values: Tensor, relevant: Tensor, place: Tensor, empty: Tensor) -> Tensor:
    """Relevant values moved to the left, zeros behind them.

    Parameters
    ----------
    values : Tensor [shape=(..., N)]
    relevant : Tensor [shape=(..., N)]
        1 for what is kept, else 0, in the dtype of `values`.
    place : Tensor [shape=(..., N)], long
        Inclusive prefix sum of `relevant`.
    empty : Tensor [shape=(..., M)]
        Zeros, M > N.

    Returns
    -------
    Tensor [shape=(..., M - 1)]
        An irrelevant value is added as 0 to the place of the relevant one before it, or to a place
        in front of all, which is cut off; so no place has to be found for it.
    """
    return torch.scatter_add(empty, -1, place, values * relevant)[..., 1:]
