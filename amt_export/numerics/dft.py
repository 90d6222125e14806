"""Columns of windowed cosines and sines: a few DFT bins of a frame as one matrix product."""

import math

import torch
from torch import Tensor


def hann(length: int, periodic: bool) -> Tensor:
    """Hann window (length,) in float64."""
    return torch.hann_window(length, periodic=periodic, dtype=torch.float64)


def dft_columns(window: Tensor, bins: Tensor, length: int, origin: float = 0.0) -> Tensor:
    """Real and imaginary part of some DFT bins of a windowed frame.

    Parameters
    ----------
    window : Tensor [shape=(w,)], float64
    bins : Tensor [shape=(b,)], long
    length : int
        Of the DFT: bin m has m / length cycles per sample.
    origin : float
        Sample of phase 0, a multiple of 1/2. It changes no magnitude.

    Returns
    -------
    Tensor [shape=(w, 2 * b)], float64
        frame @ columns = [Re X ... , -Im X ...].
    """
    twice = 2 * torch.arange(window.shape[0], device=window.device) - round(2.0 * origin)
    # The integer product is reduced before it becomes an angle, so that large m n lose no digits.
    turns = torch.remainder(twice[:, None] * bins, 2 * length)
    angle = turns.to(torch.float64) * (math.pi / length)
    return window[:, None] * torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
