"""Signals cut into blocks of equal length: shape operations only."""

import torch
from torch import Tensor


def pad_end(signal: Tensor, count: int, dim: int) -> Tensor:
    """Append `count` zeros to `signal` along `dim`."""
    if count == 0:
        return signal
    shape = list(signal.shape)
    shape[dim] = count
    return torch.cat([signal, torch.zeros(shape, dtype=signal.dtype, device=signal.device)], dim)


def block_count(samples: int, block: int) -> int:
    """Number of blocks that hold so many samples, the last one perhaps in part."""
    return (samples + block - 1) // block


def to_blocks(signal: Tensor, block: int) -> Tensor:
    """Cut a signal into blocks and fill the last one with zeros: (B, C, T) -> (B, C, K, L).

    Examples
    --------
    >>> import torch
    >>> to_blocks(torch.ones(1, 1, 3), 2)
    tensor([[[[1., 1.],
              [1., 0.]]]])
    """
    batch, channels, samples = signal.shape
    count = block_count(samples, block)
    return pad_end(signal, count * block - samples, 2).reshape(batch, channels, count, block)


def from_blocks(blocks: Tensor) -> Tensor:
    """Join blocks: (B, F, K, L) -> (B, F, K L)."""
    batch, channels, count, block = blocks.shape
    return blocks.reshape(batch, channels, count * block)


def trim(signal: Tensor, samples: int) -> Tensor:
    """The first samples of (B, F, T)."""
    if samples == signal.shape[2]:
        return signal
    return signal[:, :, :samples]
