"""Excitation patterns of components at fixed frequencies, with slopes that depend on level per ERB."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.design.loudness_excitation import (
    CHANNELS,
    LevelBlock,
    downward_weights,
    level_blocks,
    slope_coefficients,
)
from amt_export.modules.constant import ConstantModule
from amt_export.modules.excitation.row_chunk import row_chunk
from amt_export.modules.levels import DB_PER_NEPER
from amt_export.modules.loudness.upward_spread import UpwardSpread

# Frames of both ears at once in a graph: fewer take as long and make it longer to open, all at once takes half
# as long again.
ROWS = 512
# In eager torch: so few that their arrays stay in the cache.
CACHED_ROWS = 32
# Singular values of the weights for levels that are kept: no loudness changes by more than rounding.
LOW_RANK, LOW_RANK_DOUBLE = 1e-9, 1e-12
# Power that level is taken of at least; a component that is heard has 1e-3 or more.
LEAST_POWER = 1e-4


class LevelSum(nn.Module):
    """Power in one ERB around each of some neighbouring components.

    Parameters
    ----------
    block : LevelBlock
    begin : int
        Column of the numbers of all other components.
    like : Tensor
        Gives dtype and device.
    """

    near: Tensor
    expand: Tensor

    def __init__(self, block: LevelBlock, begin: int, like: Tensor) -> None:
        super().__init__()
        self.first, self.last = block.first, block.last
        self.begin, self.end = begin, begin + block.reduce.shape[1]
        self.register_buffer("near", block.near.to(like), persistent=False)
        self.register_buffer("expand", block.expand.to(like), persistent=False)

    def forward(self, power: Tensor, weighted: Tensor) -> Tensor:
        """Sum (B, R, last - first) over power (B, R, 960) and products (B, R, ...) with shared columns."""
        own = power[:, :, self.first : self.last] @ self.near
        total: Tensor = own + weighted[:, :, self.begin : self.end] @ self.expand
        return total


class LoudnessExcitation(ConstantModule):
    """Power in 150 auditory filters (roex), 47.5 Hz to 15.1 kHz.

    Of each component the level X in one ERB around it counts. Channels at or below a component hear it with the
    weight (1 + z) e^-z, z = p(fc) (f - fc) / fc; those above it with z = u p(fc) (fc - f) / fc,
    u = 1 - 0.35 (X - 51 dB) / p(1 kHz).

    Parameters
    ----------
    dtype : torch.dtype

    Shape
    -----
    power (B, 2, S, 960), 0 for what is not heard -> excitation (B, 2, S, 150), power.

    References
    ----------
    .. [1] B. C. J. Moore, B. R. Glasberg, A. Varathanathan and J. Schlittenlacher, "A loudness model for
       time-varying sounds incorporating binaural inhibition", Trends in Hearing 20 (2016),
       doi:10.1177/2331216516682698.
    """

    weights: Tensor

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        # TorchScript reads no globals.
        self.channels, self.least_power = CHANNELS, LEAST_POWER
        self.rows, self.cached_rows = ROWS, CACHED_ROWS
        factor, self.slope_offset = slope_coefficients()
        self.slope_per_neper = factor * DB_PER_NEPER
        self.upward = UpwardSpread(dtype)
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the weights that do not depend on level."""
        single = torch.finfo(self.like.dtype).eps > LOW_RANK_DOUBLE
        blocks = level_blocks(LOW_RANK if single else LOW_RANK_DOUBLE)
        shared = [block.reduce for block in blocks]
        self.set_table("weights", torch.cat([downward_weights(), *shared], dim=1))
        self.blocks = nn.ModuleList()
        begin = CHANNELS
        for block in blocks:
            self.blocks.append(LevelSum(block, begin, self.like))
            begin += block.reduce.shape[1]

    def forward(self, power: Tensor) -> Tensor:
        """Excitation of both ears."""
        batch, ears, frames, components = power.shape
        rows = power.reshape(batch, ears * frames, components)
        # Along the frames, so that a graph does not depend on the size of the batch.
        pieces: List[Tensor] = []
        for piece in torch.split(rows, row_chunk(rows, self.cached_rows, self.rows), 1):
            pieces.append(self.spread(piece))
        return torch.cat(pieces, dim=1).reshape(batch, ears, frames, -1)

    def spread(self, power: Tensor) -> Tensor:
        """Excitation (B, R, 150) of (B, R, 960)."""
        weighted = power @ self.weights
        levels: List[Tensor] = []
        for block in self.blocks:
            levels.append(block(power, weighted))
        around = torch.clamp(torch.cat(levels, dim=2), min=self.least_power)
        slope = torch.log(around) * -self.slope_per_neper + self.slope_offset
        total: Tensor = weighted[:, :, : self.channels] + self.upward(power, slope)
        return total
