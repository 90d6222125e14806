"""Spread from neighbouring components at fixed frequencies to the channels above them."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.design.moore_excitation import least_exponents, upward_lines


class ComponentGroup(nn.Module):
    """Excitation by components first ... last - 1 of the channels low ... high - 1 above them.

    With the slope u of a component, a = 4 / ERB(fc) and the highest frequency fm of the group,
    z = a u (fc - f) = a (fc - fm) u + a u (fm - f), so the exponent is a product of matrices; where the slope
    falls below the least one it is a constant. (1 + z) e^-z is v e^v times -e for v = -1 - z.

    Parameters
    ----------
    first, last : int
    f, fc : Tensor [shape=(N,) and (C,)], float64, Hz
        All components, ascending, and all channels.
    reach : float
        Ratio of frequencies beyond which nothing spreads.
    least : float
        The least sharpness.
    dtype : torch.dtype

    Shape
    -----
    lines (B, R, 3, N), power (B, R, 1, N), times -e -> (B, R, 1, high - low).
    """

    channels: Tensor
    limits: Tensor

    def __init__(
        self,
        first: int,
        last: int,
        f: Tensor,
        fc: Tensor,
        reach: float,
        least: float,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.first, self.last = first, last
        members = f[first:last]
        above = (fc > members[0]) & (fc <= reach * members[-1])
        heard: list[int] = torch.nonzero(above)[:, 0].tolist()
        # Where there is no channel, one that gets nothing: empty tensors do not export.
        self.low, self.high = (heard[0], heard[-1] + 1) if heard else (0, 1)
        centres = fc[self.low : self.high]
        lines = upward_lines(centres, members[-1])
        limits = least_exponents(members, centres, reach, least)
        self.register_buffer("channels", lines.to(dtype), persistent=False)
        self.register_buffer("limits", limits.to(dtype), persistent=False)

    def forward(self, lines: Tensor, power: Tensor) -> Tensor:
        """Add up."""
        exponent = lines[:, :, :, self.first : self.last].transpose(2, 3) @ self.channels
        exponent = torch.minimum(exponent, self.limits)
        spread: Tensor = power[:, :, :, self.first : self.last] @ (exponent * torch.exp(exponent))
        return spread


def add_groups(groups: List[Tensor], place: Tensor) -> Tensor:
    """Sum (B, R, C) of parts (B, R, 1, ...), whose columns are the channels that `place` says."""
    total: Tensor = torch.cat(groups, dim=3).squeeze(2) @ place
    return total
