"""Distances between channels, laid out so that spreading is one sum over a few neighbours.

Every slope is at least LEAST_SLOPE and an attenuation above DROP is dropped. So each source reaches
H neighbours on each side, and what it adds to channel j = i + r - H stands in row r = 0 ... 2H,
column i. `shear` moves row r by r columns, which brings all that one channel receives into one
column.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LEAST_SLOPE = 10.0  # dB/Cam, at any level: part of the rule that attenuates from source to channel
# dB. The rule is 50; slope 10 at distance 5 Cam is exactly 50 and kept whichever way it is rounded.
DROP = 50.001
# dB. Level of the columns that make room for the shear: exp of it is 0 in float64 too.
NO_SOURCE = -1e4


class Neighbours(NamedTuple):
    """Distance in Cam from source i (column) to channel i + r - H (row), N sources, R = 2H + 1.

    above, below : (R, N + R) how far the channel is above or below the source, else 0
    """

    above: Tensor
    below: Tensor


def neighbours(centres: Tensor) -> Neighbours:
    """Tables for channels at `centres` (N,) in Cam, in any order."""
    count = centres.shape[0]
    distance = centres - centres[:, None]  # [i, j] from source i to channel j
    within = distance.abs() <= DROP / LEAST_SLOPE
    index = torch.arange(count, device=centres.device)
    half = int(((index - index[:, None]).abs() * within).max())
    rows = 2 * half + 1
    target = index + torch.arange(rows, device=centres.device)[:, None] - half
    inside = (target >= 0) & (target < count)
    # Targets outside are cut off after the shear; any finite distance will do.
    reached = centres[target.clamp(0, count - 1)] - centres
    reached = torch.where(inside, reached, torch.zeros_like(reached))
    room = torch.zeros(rows, rows, dtype=centres.dtype, device=centres.device)
    table = torch.cat([reached, room], dim=1)
    return Neighbours(table.clamp(min=0.0), (-table).clamp(min=0.0))


def shear(terms: Tensor) -> Tensor:
    """Row r moved right by r columns: (B, S, R, N + R) -> (B, S, R, N + R - 1).

    Shape operations only. The last R columns must be empty.
    """
    batch, frames, rows, width = terms.shape
    flat = terms.reshape(batch, frames, rows * width)[:, :, : rows * (width - 1)]
    return flat.reshape(batch, frames, rows, width - 1)
