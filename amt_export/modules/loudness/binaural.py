"""Binaural inhibition: the sound in each ear makes the sound in the other one softer."""

import math

import torch
from torch import Tensor

from amt_export.design.loudness_excitation import CAM_STEP, CHANNELS
from amt_export.modules.constant import ConstantModule

# Smoothing over channels: e^-(0.02 d)^2 over d channels up to 72, divided by the sum; and the exponent of sech
# (Moore et al. 2016; ISO 532-3).
WIDTH, REACH, TOTAL = 0.02, 72, 85.05134757259924
EXPONENT = 1.5978
# Added to the smoothed pattern, so that silence divided by silence is a number.
LEAST = 1e-13
# Where sech^1.5978 is 1e-34, and e^-2r is not 0.
LARGEST_RATIO = 50.0
# Loudness of two equal ears is 1.5 times that of one: an ear alone has no inhibition, equal ears have 4/3.
LARGEST_INHIBITION = 2.0


class BinauralInhibition(ConstantModule):
    """Loudness of each ear, reduced by what is heard in the other one.

    The pattern over channels of each ear is smoothed; with the ratio r of the other ear's to its own, specific
    loudness is divided by 2 / (1 + sech(r)^1.5978), and summed over channels.

    Parameters
    ----------
    dtype : torch.dtype

    Shape
    -----
    specific loudness (B, 2, S, 150), sone/Cam -> loudness (B, S, 2), sone.
    """

    smoothing: Tensor

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        # TorchScript reads no globals.
        self.least, self.largest_ratio, self.exponent = LEAST, LARGEST_RATIO, EXPONENT
        self.ln2 = math.log(2.0)
        self.share = CAM_STEP / LARGEST_INHIBITION
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Set the matrix that smooths."""
        channel = torch.arange(CHANNELS, dtype=torch.float64)
        distance = (channel[:, None] - channel).abs()
        weight = torch.exp(-((WIDTH * distance) ** 2)) / TOTAL
        self.set_table("smoothing", torch.where(distance <= REACH, weight, 0.0))

    def forward(self, specific: Tensor) -> Tensor:
        """Loudness of both ears."""
        smooth = specific @ self.smoothing + self.least
        other = torch.cat([smooth[:, 1:], smooth[:, :1]], dim=1)
        # Never below 0; some engines read a limit only with the other one.
        ratio = torch.clamp(other / smooth, 0.0, self.largest_ratio)
        # ln sech r, without large numbers
        log_sech = self.ln2 - ratio - torch.log(torch.exp(-2.0 * ratio) + 1.0)
        kept = torch.exp(self.exponent * log_sech) + 1.0
        return (self.share * (specific * kept).sum(3)).transpose(1, 2)
