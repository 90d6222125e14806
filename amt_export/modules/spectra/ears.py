"""Both ears as one batch: half as many operations, each twice as large."""

from typing import Tuple

from torch import Tensor


def merge_ears(signal: Tensor) -> Tensor:
    """(B, 2, T) -> (2 B, T): all left ears, then all right ears."""
    batch, ears, samples = signal.shape
    return signal.transpose(0, 1).reshape(ears * batch, samples)


def split_ears(merged: Tensor) -> Tuple[Tensor, Tensor]:
    """(2 B, ...) -> left and right ear, (B, ...) each."""
    batch = merged.shape[0] // 2
    return merged[:batch], merged[batch:]
