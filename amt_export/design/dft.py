"""Columns of windowed cosines and sines: a few DFT bins of a frame as one matrix product."""

import math

import torch
from torch import Tensor


def hann(length: int, periodic: bool) -> Tensor:
    """Hann window (length,) in float64."""
    return torch.hann_window(length, periodic=periodic, dtype=torch.float64)


def dft_columns(window: Tensor, first: int, count: int, length: int, origin: float = 0.0) -> Tensor:
    """Real and imaginary part of `count` DFT bins of a windowed frame.

    Parameters
    ----------
    window : Tensor [shape=(w,)], float64
    first, count : int
        Bins first, ..., first + count - 1.
    length : int
        Of the DFT: bin m has m / length cycles per sample.
    origin : float
        Sample of phase 0, a multiple of 1/2. It changes no magnitude.

    Returns
    -------
    Tensor [shape=(w, 2 * count)], float64
        frame @ columns = [Re X_first ... , -Im X_first ...].
    """
    device = window.device
    twice = 2 * torch.arange(window.shape[0], device=device) - round(2.0 * origin)
    bins = torch.arange(first, first + count, device=device)
    # The integer product is reduced before it becomes an angle, so that large m n lose no digits.
    turns = torch.remainder(twice[:, None] * bins, 2 * length)
    angle = turns.to(torch.float64) * (math.pi / length)
    return window[:, None] * torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
