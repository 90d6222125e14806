"""Signals cut into blocks, and matrices laid out from the few numbers that make them: shape operations only."""

import torch
from torch import Tensor

# Columns that matrix products work on at once (AVX-512, or two registers of AVX2).
LANES = 16


def pad_end(signal: Tensor, count: int, dim: int) -> Tensor:
    """`count` zeros behind `signal` along `dim`."""
    if count == 0:
        return signal
    shape = list(signal.shape)
    shape[dim] = count
    return torch.cat([signal, torch.zeros(shape, dtype=signal.dtype, device=signal.device)], dim)


def blocks_of(samples: int, block: int) -> int:
    """How many blocks hold so many samples."""
    return (samples + block - 1) // block


def to_blocks(signal: Tensor, block: int) -> Tensor:
    """(B, C, T) -> (B, C, K, L), zeros behind the end."""
    batch, channels, samples = signal.shape
    count = blocks_of(samples, block)
    return pad_end(signal, count * block - samples, 2).reshape(batch, channels, count, block)


def from_blocks(blocks: Tensor) -> Tensor:
    """(B, F, K, L) -> (B, F, K L)."""
    batch, channels, count, block = blocks.shape
    return blocks.reshape(batch, channels, count * block)


def shortened(signal: Tensor, samples: int) -> Tensor:
    """The first samples of (B, F, T)."""
    if samples == signal.shape[2]:
        return signal
    return signal[:, :, :samples]


def toeplitz(table: Tensor) -> Tensor:
    """Block Toeplitz matrix of `table`: block (j, k) is table[k - j], zero for k < j.

    Parameters
    ----------
    table : Tensor [shape=(F, r, p, q)]

    Returns
    -------
    Tensor [shape=(F, r * p, r * q)]
        Made by shape operations only: a ring of 2r entries repeated r times and read with a stride
        of 2r - 1 moves on by one entry in each row. So a file keeps r entries instead of r^2.
    """
    channels, radix, rows, columns = table.shape
    ring = pad_end(table, radix, 1).unsqueeze(1)
    ring = ring.expand(channels, radix, 2 * radix, rows, columns)
    ring = ring.reshape(channels, radix * 2 * radix, rows, columns)[:, : radix * (2 * radix - 1)]
    # [i, m] is now table[(m - i) mod 2r]
    ring = ring.reshape(channels, radix, 2 * radix - 1, rows, columns)[:, :, :radix]
    return ring.permute(0, 1, 3, 2, 4).reshape(channels, radix * rows, radix * columns)
