"""FIR filters as one matrix product: overlapping stretches of a signal times a Toeplitz matrix of the taps."""

from typing import List

import torch
from torch import Tensor

from amt_export.numerics.blocks import pad_end


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
    The taps, backwards and with zeros behind them, are repeated b times and read in rows that are one shorter:
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
