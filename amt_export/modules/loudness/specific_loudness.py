"""From excitation to loudness per Cam."""

import math
from typing import List

import torch
from torch import Tensor

from amt_export.design.loudness_excitation import channel_frequencies
from amt_export.design.specific_loudness import SCALE, loudness_numbers
from amt_export.modules.constant import ConstantModule

# Excitation from which on loudness grows as power to the 0.2, and what makes the two meet there (Moore et al.
# 2016; ISO 532-3).
HIGH, HIGH_SCALE, HIGH_EXPONENT = 1e10, 1.0707, 0.2
# Below this e^y - 1 is a series of so many terms, which are all of float32 and 2e-11 of the sum.
SMALL, TERMS = 0.5, 10


class SpecificLoudness(ConstantModule):
    """N' = C ((G E + A)^alpha - A^alpha), less below threshold, and E^0.2 at very high levels.

    The difference of powers is A^alpha expm1(alpha log1p(G E / A)), because near the threshold the two powers
    are equal to many digits.

    Parameters
    ----------
    dtype : torch.dtype

    Shape
    -----
    excitation (..., 150), power -> specific loudness (..., 150), sone/Cam.
    """

    ratio: Tensor
    power: Tensor
    threshold: Tensor
    exponent: Tensor

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        # TorchScript reads no globals.
        self.high, self.high_exponent = HIGH, HIGH_EXPONENT
        self.high_power = SCALE * HIGH_SCALE**-HIGH_EXPONENT
        self.small, self.least = SMALL, 1e-20
        self.series: List[float] = [1.0 / math.factorial(k) for k in range(TERMS, 0, -1)]
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Set the numbers of the channels."""
        numbers = loudness_numbers(channel_frequencies())
        self.set_table("ratio", numbers.gain / numbers.offset)
        self.set_table("power", SCALE * numbers.offset**numbers.exponent)
        self.set_table("exponent", numbers.exponent)
        self.set_table("threshold", numbers.threshold)

    def log1p(self, x: Tensor) -> Tensor:
        """ln(1 + x) for x >= 0: what 1 + x loses of x changes both factors, and they cancel."""
        v = 1.0 + x
        kept = v - 1.0
        some = kept > 0.0
        return torch.where(some, torch.log(v) * (x / torch.where(some, kept, v)), x)

    def expm1(self, y: Tensor) -> Tensor:
        """e^y - 1 for y >= 0."""
        total = torch.full_like(y, self.series[0])
        for k in range(1, len(self.series)):
            total = total * y + self.series[k]
        return torch.where(y < self.small, total * y, torch.exp(y) - 1.0)

    def forward(self, excitation: Tensor) -> Tensor:
        """Specific loudness; 0 for no excitation."""
        grown = self.power * self.expm1(self.exponent * self.log1p(excitation * self.ratio))
        # Some engines read a limit only with the other one. The lower one, 200 dB below the threshold, keeps
        # the gradient of the root finite at no excitation.
        below = torch.clamp(2.0 * excitation / (excitation + self.threshold), self.least, 1.0)
        usual = grown * (below * torch.sqrt(below))
        high = self.high_power * torch.exp(
            self.high_exponent * torch.log(torch.clamp(excitation, min=self.high))
        )
        return torch.where(excitation < self.high, usual, high)
