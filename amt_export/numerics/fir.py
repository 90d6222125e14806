"""FIR filters as one matrix product: overlapping stretches of a signal times a Toeplitz matrix of the taps."""

from typing import NamedTuple

import torch
from torch import Tensor

from amt_export.numerics.blocks import block_count, pad_end
from amt_export.numerics.double_float import split_matrix


class MainLobe(NamedTuple):
    """Taps as the sum of a main lobe on a grid and all that is left.

    With `head` as a factor, a sum over the main lobe rounds once, see `numerics.double_float`.
    """

    first: int
    """Number of the tap that `head` begins with."""
    head: Tensor
    """Shape (m,), float64."""
    rest: Tensor
    """Shape (n,), float64."""


def main_lobe(taps: Tensor, share: float) -> MainLobe:
    """Split an impulse response.

    Parameters
    ----------
    taps : Tensor [shape=(n,)], float64
    share : float
        The main lobe goes from the first to the last tap above this share of the largest one.

    Returns
    -------
    MainLobe

    Examples
    --------
    >>> import torch
    >>> lobe = main_lobe(torch.tensor([0.001, 0.5, 0.7, 0.001], dtype=torch.float64), 0.1)
    >>> lobe.first, len(lobe.head), round(float(lobe.rest.abs().max()), 6)
    (1, 2, 0.001)
    """
    inside = torch.nonzero(taps.abs() > share * taps.abs().max())[:, 0]
    first, last = int(inside[0]), int(inside[-1])
    head = split_matrix(taps[first : last + 1], torch.float64).head
    rest = taps.clone()
    rest[first : last + 1] -= head
    return MainLobe(first, head, rest)


def convolution_matrix(taps: Tensor, block: int) -> Tensor:
    """Matrix that makes a block of output from the samples that it depends on.

    Parameters
    ----------
    taps : Tensor [shape=(n,)]
    block : int
        Samples of output, b.

    Returns
    -------
    Tensor [shape=(n - 1 + b, b)]
        Element (q, r) is tap n - 1 + r - q, and 0 where there is no such tap.

    Notes
    -----
    The taps, backwards and with zeros after them, are repeated b times and read in rows that are one shorter:
    each row then starts one entry earlier.

    Examples
    --------
    >>> import torch
    >>> convolution_matrix(torch.tensor([1.0, 2.0]), 3)
    tensor([[2., 0., 0.],
            [1., 2., 0.],
            [0., 1., 2.],
            [0., 0., 1.]])
    """
    count = taps.shape[0] + block - 1
    ring = torch.cat([taps.flip(0), taps.new_zeros(block)])
    rows = ring.unsqueeze(0).expand(block, count + 1).reshape(block * (count + 1))
    return rows[: block * count].reshape(block, count).transpose(0, 1)


def overlapping(signal: Tensor, length: int, hop: int) -> Tensor:
    """Stretches of a signal that start every `hop` samples, each `length - hop` samples after the one before.

    Parameters
    ----------
    signal : Tensor [shape=(..., T)]
    length, hop : int
        length >= hop.

    Returns
    -------
    Tensor [shape=(..., K, length)]
        As many as have new samples, K = ceil((T - length) / hop) + 1; zeros follow the end.

    Examples
    --------
    >>> import torch
    >>> overlapping(torch.arange(1.0, 7.0)[None], 4, 2)
    tensor([[[1., 2., 3., 4.],
             [3., 4., 5., 6.]]])
    """
    past = length - hop
    count = block_count(signal.shape[-1] - past, hop)
    before = block_count(past, hop)
    dim, shape = signal.dim() - 1, signal.shape[:-1]
    filled = pad_end(signal, (before + count) * hop - signal.shape[-1], dim)
    blocks = filled.reshape(shape + (before + count, hop))  # noqa: RUF005  (TorchScript)
    steps = torch.arange(count, device=signal.device)[:, None]
    indices = (steps + torch.arange(before + 1, device=signal.device)).flatten()
    rows = torch.index_select(blocks, dim, indices)
    return rows.reshape(shape + (count, (before + 1) * hop))[..., :length]  # noqa: RUF005
