"""Spread from components at fixed frequencies to higher channels, which depends on their level."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.design.loudness_excitation import (
    CHANNELS,
    Group,
    channel_frequencies,
    component_frequencies,
    groups,
    steepness,
)
from amt_export.modules.constant import ConstantModule

# Exponent of a channel that lies below a component, and an upper limit that is never met.
NOTHING = 1e30


class GroupSpread(ConstantModule):
    """Excitation of channels by a group of neighbouring components below them; see `UpwardSpread`."""

    near: Tensor
    far: Tensor
    gate: Tensor

    def __init__(self, group: Group, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        self.group = group
        self.first, self.last = group.first, group.last
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the lines over the two numbers of a component, one for each channel."""
        f = component_frequencies()[self.first : self.last]
        fc = channel_frequencies()[self.group.low :]
        a = steepness(fc)
        # After the near channels, all channels lie above all components.
        count = int((fc <= f[-1]).sum())
        lines = torch.stack([a * (f[-1] - fc), -a])
        self.set_table("near", lines[:, :count])
        self.set_table("far", lines[:, count:])
        below = fc[:count] <= f[:, None]
        self.set_table("gate", torch.where(below, -NOTHING, NOTHING).to(torch.float64))

    def forward(self, lines: Tensor, factors: Tensor) -> List[Tensor]:
        """Sums (B, R, 3, ...) for the near and the far channels.

        Parameters
        ----------
        lines : Tensor [shape=(B, R, 2, 960)]
        factors : Tensor [shape=(B, R, 3, 960)]
        """
        line = lines[:, :, :, self.first : self.last].transpose(2, 3)
        factor = factors[:, :, :, self.first : self.last]
        near = factor @ torch.exp(torch.minimum(line @ self.near, self.gate))
        far = factor @ torch.exp(line @ self.far)
        return [near, far]


class UpwardSpread(ConstantModule):
    """Excitation of the channels above each component.

    With the slope u of a component, a = 4 / ERB(fc) and the highest frequency fm of its group,
    z = a u (fc - f) = a (fc - fm) u + a u (fm - f): a product of two numbers of each component with two of each
    channel makes the exponent, and (1 + z) e^-z, summed over components, is three products of vectors with the
    matrix e^-z. Splitting at fm instead of 0 Hz keeps both parts small. Groups of neighbours share their
    channels, because only a quarter of all pairs has the channel above the component.

    Parameters
    ----------
    dtype : torch.dtype

    Shape
    -----
    power, slope (B, R, 960) -> excitation (B, R, 150).
    """

    distance: Tensor
    sums: Tensor
    place: Tensor

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        self.groups = nn.ModuleList(GroupSpread(group, dtype) for group in groups())
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the table that adds the sums of the groups to their channels."""
        f, fc = component_frequencies(), channel_frequencies()
        a = steepness(fc)
        distance, sums, place = torch.zeros_like(f), [], []
        for group in groups():
            here = slice(group.first, group.last)
            highest = f[group.last - 1]
            distance[here] = highest - f[here]
            every = torch.stack([torch.ones_like(fc), a * (fc - highest), a])
            sums.append(every[:, group.low :])
            place.append(torch.eye(CHANNELS, dtype=torch.float64)[group.low :])
        self.set_table("distance", distance)
        self.set_table("sums", torch.cat(sums, dim=1))
        self.set_table("place", torch.cat(place))

    def forward(self, power: Tensor, slope: Tensor) -> Tensor:
        """Add up."""
        # Rows of components, which are put together faster than pairs would be.
        lines = torch.stack([slope, slope * self.distance], dim=2)
        steep = power * slope
        factors = torch.stack([power, steep, steep * self.distance], dim=2)
        parts: List[Tensor] = []
        for group in self.groups:
            parts.extend(group(lines, factors))
        total: Tensor = (torch.cat(parts, dim=3) * self.sums).sum(2) @ self.place
        return total
