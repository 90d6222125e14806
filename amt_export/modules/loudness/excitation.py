"""Excitation patterns of components at fixed frequencies, with slopes that depend on level per ERB."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.design.loudness_excitation import (
    COMPONENTS,
    downward_weights,
    groups,
    level_weights,
    slope_coefficients,
)
from amt_export.modules.excitation.row_chunk import row_chunk
from amt_export.modules.levels import DB_PER_NEPER
from amt_export.modules.loudness.stage import LoudnessStage
from amt_export.modules.loudness.upward_spread import UpwardSpread

# Frames of both ears at once in a graph: fewer take as long and make it longer, all at once takes half as long
# again.
ROWS = 256
# In eager torch, for the cache.
CACHED_ROWS = 32
# Power that level is taken of at least; a component that is heard has 1e-3 or more.
LEAST_POWER = 1e-4


class LoudnessExcitation(LoudnessStage):
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
        self.components, self.least_power = COMPONENTS, LEAST_POWER
        self.rows, self.cached_rows = ROWS, CACHED_ROWS
        factor, self.slope_offset = slope_coefficients()
        self.slope_per_neper = factor * DB_PER_NEPER
        self.groups = nn.ModuleList(UpwardSpread(group, dtype) for group in groups())
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the weights that do not depend on level."""
        self.set_table("weights", torch.cat([level_weights(), downward_weights()], dim=1))

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
        around = torch.clamp(weighted[:, :, : self.components], min=self.least_power)
        slope = self.slope_offset - self.slope_per_neper * torch.log(around)
        total = weighted[:, :, self.components :]
        for group in self.groups:
            total = total + group(power, slope)
        return total
