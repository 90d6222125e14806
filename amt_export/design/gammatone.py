"""Poles of the all-pole gammatone filter."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amt_export.erb import audfiltbw


def default_betamul(order: int) -> float:
    """Bandwidth factor that gives the filter the ERB of the ear: ((n-1)!)^2 / (pi (2n-2)! 2^-(2n-2)).

    1.0186 for n = 4 (Patterson et al. 1987, "An efficient auditory filterbank based on the
    gammatone function", eq. for a_n).
    """
    m = order - 1
    return math.factorial(m) ** 2 / (math.pi * math.factorial(2 * m) * 2.0 ** (-2 * m))


def gammatone_pole(cf: Tensor, bandwidth: Tensor, fs: float) -> Tensor:
    """Pole p = exp(-phi - j theta), phi = 2 pi bandwidth/fs, theta = 2 pi cf/fs.

    Parameters
    ----------
    cf, bandwidth : Tensor [shape=(F,)], Hz

    Returns
    -------
    Tensor [shape=(F, 2)]
        Real and imaginary part.
    """
    radius = torch.exp(-2.0 * math.pi / fs * bandwidth)
    theta = 2.0 * math.pi / fs * cf
    return torch.stack([radius * torch.cos(theta), -radius * torch.sin(theta)], dim=-1)


def gammatone_bandwidth(fc: Tensor, betamul: float) -> Tensor:
    """Bandwidth beta = betamul * audfiltbw(fc), in Hz."""
    return betamul * audfiltbw(fc)
