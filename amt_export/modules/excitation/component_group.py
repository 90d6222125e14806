"""Spread towards lower channels from components at fixed frequencies, some neighbours at a time."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.modules.excitation.row_chunk import row_chunk

# Frames of two ears at once; 160 components x 100 channels each are 4 MB an array in float32, which fits the
# cache.
ROWS = 32
# In eager torch: 64 take half as long again.
CACHED_ROWS = 8
# Exponent of channels that a component does not reach, and an upper limit that is never met.
NOTHING = 1e30
# See `modules.excitation.moore2016`.
LEAST_EXPONENT = -80.0


class ComponentGroup(nn.Module):
    """Components first ... last - 1 and the channels low ... high - 1 that they reach below.

    With z = p (1 - fc/f) = q - (p/f) (fc - fm), q = p (1 - fm/f), (1 + z) e^-z is
    (1 + q) e^-z - (fc - fm) (p/f) e^-z: both factors are a component's own, so the sum over components
    is two products of vectors with the matrix e^-z. The frequency fm, in the middle of the components,
    keeps the two small: what they have in common would cost digits.
    """

    gate: Tensor
    powers: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, first: int, last: int, channels: int) -> None:
        super().__init__()
        self.first = first
        self.last = last
        self.channels = channels
        self.low = 0
        self.high = channels
        self.rows, self.cached_rows = ROWS, CACHED_ROWS
        self.least_exponent = LEAST_EXPONENT

    def set_reach(self, reached: Tensor, powers: Tensor) -> None:
        """Keep the channels of interest.

        Parameters
        ----------
        reached : Tensor [shape=(last - first, C)], bool
        powers : Tensor [shape=(2, C)]
            fc - fm and 1.
        """
        used = torch.nonzero(reached.any(0))[:, 0]
        self.low = int(used.min()) if len(used) else 0
        self.high = int(used.max()) + 1 if len(used) else 1
        within = reached[:, self.low : self.high]
        gate = torch.where(within, torch.full_like(powers[:1, :1], NOTHING), -NOTHING)
        left, right = powers.new_zeros(1, self.low), powers.new_zeros(1, self.channels - self.high)
        self.register_buffer("left", left, persistent=False)
        self.register_buffer("right", right, persistent=False)
        self.register_buffer("gate", gate.to(powers.dtype), persistent=False)
        self.register_buffer("powers", powers[:, self.low : self.high].clone(), persistent=False)

    def forward(self, lines: Tensor, factors: Tensor) -> Tensor:
        """Sum over the components.

        Parameters
        ----------
        lines : Tensor [shape=(B, S, N, 2)]
            p/f and -q of every component.
        factors : Tensor [shape=(B, S, 2, N)]
            Intensity times (1 + q), and times p/f.

        Returns
        -------
        Tensor [shape=(B, S, 1, C)]
        """
        rows = row_chunk(lines, self.cached_rows, self.rows)
        # Along the frames, so that a graph does not depend on the size of the batch.
        line_pieces = torch.split(lines[:, :, self.first : self.last], rows, 1)
        factor_pieces = torch.split(factors[:, :, :, self.first : self.last], rows, 1)
        # One small product for each row: a large one writes its result across all of memory, at half the speed.
        powers = self.powers.expand(rows, 2, self.high - self.low)
        sums: List[Tensor] = []
        for i in range(len(line_pieces)):
            held = line_pieces[i].shape[1]
            if held < rows:
                powers = powers[:held]
            exponent = torch.minimum(line_pieces[i] @ powers, self.gate)
            falling = torch.exp(torch.clamp(exponent, min=self.least_exponent))
            part = factor_pieces[i] @ falling
            sums.append(part)
        both = torch.cat(sums, 1)
        spread = both[:, :, :1] - self.powers[0] * both[:, :, 1:]
        first = spread[:, :, :, :1]
        parts: List[Tensor] = [spread]
        if self.low > 0:
            parts = [first * self.left, spread]
        if self.high < self.channels:
            parts.append(first * self.right)
        return torch.cat(parts, dim=3)
