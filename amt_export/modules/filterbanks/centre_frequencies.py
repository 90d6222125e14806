"""Checks of sampling rate and centre frequencies, the same for every filterbank."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amt_export.erb import as_tensor, erb2fc, erbspacebw, fc2erb


def checked_rate(fs: float) -> float:
    """`fs`, if it can be a sampling rate in Hz.

    Raises
    ------
    ValueError
    """
    if not (math.isfinite(fs) and fs > 0):
        raise ValueError(f"fs is {fs}; the sampling rate must be positive, in Hz")
    return fs


def checked_centres(fc: Tensor, fs: float) -> Tensor:
    """`fc` (F,) in float64, if every value lies in (0, fs/2].

    Raises
    ------
    ValueError
    TypeError
        For a numpy array.
    """
    fc = as_tensor(fc)
    if fc.dim() != 1 or fc.numel() == 0:
        raise ValueError(
            f"fc has shape {tuple(fc.shape)}; at least one frequency in a row is needed"
        )
    fc = fc.detach().to("cpu", torch.float64)
    wrong = fc[~((fc > 0) & (fc <= fs / 2))]
    if wrong.numel():
        raise ValueError(f"fc holds {float(wrong[0]):g} Hz; it must lie in (0, {fs / 2:g}] (fs/2)")
    return fc


def _ends(fc: tuple[float, float], fs: float) -> tuple[float, float]:
    if len(fc) != 2:
        raise ValueError(f"fc is {fc}; a tuple means (flow, fhigh)")
    low, high = float(fc[0]), float(fc[1])
    if not 0 < low < high <= fs / 2:
        raise ValueError(
            f"fc is ({low:g}, {high:g}); 0 < flow < fhigh <= {fs / 2:g} (fs/2) is needed"
        )
    return low, high


def one_per_erb(fc: Tensor | tuple[float, float], fs: float) -> Tensor:
    """Centre frequencies as given, or one per ERB in a range.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or tuple of two float, Hz
    fs : float, Hz

    Returns
    -------
    Tensor [shape=(F,)], float64, Hz
    """
    if isinstance(fc, tuple):
        low, high = _ends(fc, fs)
        return erbspacebw(low, high, 1.0, dtype=torch.float64)
    return checked_centres(fc, fs)


def evenly_spaced(fc: Tensor | tuple[float, float], count: int, fs: float) -> Tensor:
    """Centre frequencies as given, or `count` of them evenly spaced in Cams, ends included.

    Returns
    -------
    Tensor [shape=(F,)], float64, Hz
    """
    if not isinstance(fc, tuple):
        return checked_centres(fc, fs)
    low, high = _ends(fc, fs)
    if count < 1:
        raise ValueError(f"n_channels is {count}; at least one channel is needed")
    cams = fc2erb(torch.tensor([low, high], dtype=torch.float64))
    centres = erb2fc(torch.linspace(float(cams[0]), float(cams[1]), count, dtype=torch.float64))
    centres[0] = low
    if count > 1:
        centres[-1] = high
    return centres
