"""Spread from components at fixed frequencies to higher channels, which depends on their level."""

import torch
from torch import Tensor

from amt_export.design.loudness_excitation import (
    Group,
    channel_frequencies,
    component_frequencies,
    steepness,
)
from amt_export.modules.loudness.stage import LoudnessStage

# Exponent of a channel that lies below a component, and an upper limit that is never met.
NOTHING = 1e30


class UpwardSpread(LoudnessStage):
    """What neighbouring components add to the channels above them.

    With the slope u of a component, a = 4 / ERB(fc) and the highest frequency fm of the group,
    z = a u (fc - f) = a (fc - fm) u + a u (fm - f): a product of two numbers of each component with two of each
    channel makes the exponent, and (1 + z) e^-z, summed over components, is three products of vectors with the
    matrix e^-z. Splitting at fm instead of 0 Hz keeps both parts small.

    Parameters
    ----------
    group : Group
    dtype : torch.dtype

    Shape
    -----
    power, slope (B, R, 960) -> excitation (B, R, 150) in all channels; 0 in those below the group.
    """

    near: Tensor
    far: Tensor
    sums: Tensor
    distance: Tensor
    gate: Tensor

    def __init__(self, group: Group, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        self.group = group
        self.first, self.last, self.low = group.first, group.last, group.low
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set what belongs to the channels."""
        f = component_frequencies()[self.first : self.last]
        fc = channel_frequencies()[self.low :]
        a, highest = steepness(fc), f[-1]
        self.set_table("sums", torch.stack([torch.ones_like(fc), a * (fc - highest), a]))
        self.set_table("distance", highest - f)
        # Behind the near ones all channels lie above all components.
        count = int((fc <= highest).sum())
        near, far = torch.stack([a * (highest - fc), -a]).split([count, len(fc) - count], dim=1)
        self.set_table("near", near)
        self.set_table("far", far)
        below = fc[:count] <= f[:, None]
        self.set_table("gate", torch.where(below, -NOTHING, NOTHING).to(torch.float64))

    def forward(self, power: Tensor, slope: Tensor) -> Tensor:
        """Add up."""
        p, u = power[:, :, self.first : self.last], slope[:, :, self.first : self.last]
        farther = u * self.distance
        lines = torch.stack([u, farther], dim=3)
        factors = torch.stack([p, p * u, p * farther], dim=2)
        near = factors @ torch.exp(torch.minimum(lines @ self.near, self.gate))
        far = factors @ torch.exp(lines @ self.far)
        spread = (torch.cat([near, far], dim=3) * self.sums).sum(2)
        if self.low == 0:
            return spread
        return torch.cat([torch.zeros_like(power[:, :, : self.low]), spread], dim=2)
