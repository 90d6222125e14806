"""FIR filters as one matrix product: overlapping stretches of a signal times a Toeplitz matrix of the taps."""

from typing import List, NamedTuple

import torch
from torch import Tensor

from amt_export.numerics.blocks import pad_end
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
    """Stretches of a signal that start every `hop` samples, as far as whole ones fit.

    Parameters
    ----------
    signal : Tensor [shape=(..., T)]
    length, hop : int

    Returns
    -------
    Tensor [shape=(..., K, length)]
        Put together from pieces of `hop` samples or stretch by stretch, whichever are fewer.
    """
    count = (signal.shape[-1] - length) // hop + 1
    pieces = (length + hop - 1) // hop
    if count <= pieces:
        stretches: List[Tensor] = []
        for k in range(count):
            stretches.append(signal[..., k * hop : k * hop + length])
        return torch.stack(stretches, dim=-2)
    needed = (count + pieces - 1) * hop
    signal = pad_end(signal[..., :needed], max(0, needed - signal.shape[-1]), signal.dim() - 1)
    blocks = signal.reshape(signal.shape[:-1] + (count + pieces - 1, hop))  # noqa: RUF005  (TorchScript)
    columns: List[Tensor] = []
    for k in range(pieces):
        columns.append(blocks[..., k : k + count, :])
    return torch.cat(columns, dim=-1)[..., :length]
