"""Excitation of components whose slopes follow from the level in one ERB around each of them."""

import math
from typing import List

import torch
from torch import Tensor

from amt_export.design.moore_excitation import sharpness
from amt_export.modules.excitation.component_lines import upward_slope
from amt_export.modules.levels import DB_PER_NEPER, propagate_nan

# Of the MATLAB toolbox: the largest g = (f - fc)/fc, the least power that a level is taken of (-40 dB), and the
# least excitation (-200 dB).
FARTHEST, LEAST_AROUND, LEAST_TOTAL = 4.0, 1e-4, 1e-20


# Constants as defaults, because TorchScript reads no globals.
def excitation_from_erbs(
    f: Tensor,
    power: Tensor,
    fc: Tensor,
    numbers: Tensor,
    p1000: float,
    farthest: float = FARTHEST,
    least_around: float = LEAST_AROUND,
    least_total: float = LEAST_TOTAL,
    db_per_neper: float = DB_PER_NEPER,
) -> Tensor:
    """Excitation in dB, with N x N numbers for a frame of N components.

    Parameters
    ----------
    f : Tensor [shape=(B, S, N)], Hz
    power : Tensor [shape=(B, S, 1, N)]
        Intensity times -e, 0 for padding.
    fc : Tensor [shape=(C,)], Hz
    numbers : Tensor [shape=(3,)]
    p1000 : float
        See `upward_slope`.
    farthest, least_around, least_total, db_per_neper : float
        Constants.

    Returns
    -------
    Tensor [shape=(B, S, C)], dB SPL
        -200 without any component.
    """
    frames: List[Tensor] = []
    for i in range(f.shape[1]):  # N x N numbers at a time
        source, intensity = f[:, i].unsqueeze(2), power[:, i] * (-1.0 / math.e)
        away = (f[:, i].unsqueeze(1) - source) / source
        y = sharpness(source) * torch.abs(away)
        near = (away <= farthest).to(f.dtype)
        around = intensity @ ((y + 1.0) * torch.exp(-y) * near)
        level = db_per_neper * torch.log(torch.clamp(around, min=least_around))
        slope = upward_slope(level, numbers, p1000).transpose(1, 2)
        g = (source - fc) / fc
        z = sharpness(fc) * torch.where(g < 0.0, -g * slope, g)
        weight = (z + 1.0) * torch.exp(-z) * (g <= farthest).to(f.dtype)
        frames.append(intensity @ weight)
    total = torch.cat(frames, dim=1)
    level = db_per_neper * torch.log(torch.clamp(total, min=least_total))
    return propagate_nan(level, power.sum(3))
