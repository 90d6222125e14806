"""Bands of constant width on the ERB-number scale of the loudness models, in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amt_export.erb import f2erbrate

# ERB(f) = 24.673 (4.368 f/1000 + 1): Glasberg & Moore (1990) with the digits of ANSI S3.4-2007.
MIN_BANDWIDTH = 24.673  # Hz
SLOPE = 0.004368  # per Hz
# Keeps the sum of an empty Gaussian band away from 0; part of the published formula.
EMPTY_BAND = 1e-10


def erb_numbers(f_min: float, f_max: float, erb_step: float, fs: float) -> Tensor:
    """Band centres from `f_min` up to the first one at or above `f_max`.

    Parameters
    ----------
    f_min, f_max : float, Hz
    erb_step : float, Cam
    fs : float, Hz

    Returns
    -------
    Tensor [shape=(E,)], float64, Cam, ascending

    Raises
    ------
    ValueError
        With the value, if `f_max` lies above fs/2 or there would be no band. The last centre may lie above it.
    """
    if not (math.isfinite(erb_step) and erb_step > 0):
        raise ValueError(f"erb_step is {erb_step}; it must be positive, in Cam")
    if not 0 < f_min <= f_max < math.inf:
        raise ValueError(f"f_min is {f_min}, f_max is {f_max}; 0 < f_min <= f_max is needed, in Hz")
    if f_max > fs / 2:
        raise ValueError(f"f_max is {f_max}; it must not lie above {fs / 2:g} Hz (fs/2)")
    low, high = f2erbrate(torch.tensor([f_min, f_max], dtype=torch.float64)).tolist()
    count = math.ceil((high - low) / erb_step + 1.0)
    centres: Tensor = low + erb_step * torch.arange(count, dtype=torch.float64)
    return centres


def erb_width(fc: Tensor, at_zero: float = MIN_BANDWIDTH, slope: float = SLOPE) -> Tensor:
    """Equivalent rectangular bandwidth ``24.673 (4.368 fc/1000 + 1)``, in Hz, any shape."""
    return at_zero * (slope * fc + 1.0)


def integration_table(
    freqs: Tensor, fc: Tensor, bandwidth: Tensor, gaussian: bool, empty: float = EMPTY_BAND
) -> Tensor:
    """Share of each bin of a power spectral density in the power of each band.

    Parameters
    ----------
    freqs : Tensor [shape=(K,)], Hz
        Evenly spaced.
    fc, bandwidth : Tensor [shape=(E,)], Hz
    gaussian : bool
        Bell-shaped bands of unit sum (differentiable) instead of rectangular ones.
    empty : float
        Added to the sum of a bell, which may be 0.

    Returns
    -------
    Tensor [shape=(K, E)], Hz
        Multiplied with a density it gives power.
    """
    # (K, 1) - (E,): distance of every bin from every centre, in half bandwidths
    distance = (freqs[:, None] - fc) / (0.5 * bandwidth)
    if gaussian:
        bell = torch.exp(-0.5 * distance * distance)
        shape = bell / (bell.sum(0) + empty)
    else:
        inside = (freqs[:, None] >= fc - 0.5 * bandwidth) & (freqs[:, None] <= fc + 0.5 * bandwidth)
        shape = inside.to(freqs.dtype)
    shape = shape + (distance - distance)  # a comparison hides NaN; this is 0, or NaN
    return shape * (freqs[1] - freqs[0])
