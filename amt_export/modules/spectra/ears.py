"""Both ears as one batch: half as many operations, each twice as large."""

from torch import Tensor


def by_ear(signal: Tensor) -> Tensor:
    """(B, 2, T) -> (2 B, T)."""
    batch, ears, samples = signal.shape
    return signal.reshape(batch * ears, samples)


def of_ears(frames: Tensor) -> Tensor:
    """(2 B, S, N) -> (B, 2, S, N)."""
    rows, count, size = frames.shape
    return frames.reshape(rows // 2, 2, count, size)
