"""Checks of what a module is called with; TorchScript compiles them."""

import torch
from torch import Tensor


def reject_autocast(value: Tensor) -> None:
    """Refuse to run scripted code under `torch.autocast`, which it cannot turn off.

    Modules in eager torch turn it off themselves, see `AuditoryModule`.

    Parameters
    ----------
    value : Tensor
        Any input.

    Raises
    ------
    RuntimeError
        If a product of float32 numbers comes out in another dtype.
    """
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        one = value.new_ones([1, 1], dtype=torch.float32)
        if (one @ one).dtype != torch.float32:
            raise RuntimeError(
                "a scripted module cannot turn torch.autocast off; call it outside, or under "
                "torch.autocast(..., enabled=False)"
            )


def as_batch(value: Tensor, rank: int, like: Tensor, name: str) -> Tensor:
    """Check an input and bring it into the form that forward computes in.

    Parameters
    ----------
    value : Tensor [rank `rank`, or `rank - 1` without the batch], any real dtype
    rank : int
        Number of dimensions, the batch included.
    like : Tensor
        Gives the dtype to compute in. Integers are not rescaled.
    name : str
        For the error.

    Raises
    ------
    TypeError
        For complex input.
    ValueError
        For another rank.
    """
    reject_autocast(value)
    if value.is_complex():
        raise TypeError(name + " is complex; a real tensor is needed")
    if value.dim() == rank - 1:
        value = value.unsqueeze(0)
    if value.dim() != rank:
        raise ValueError(
            "{} has {} dimensions; {} or {} (with a batch) are needed".format(
                name, value.dim(), rank - 1, rank
            )
        )
    return value.to(like.dtype)
