"""Numbers of specific loudness in each channel: threshold, gain, exponent and offset.

From Moore et al. (2016) and ISO 532-3:2023; `Moore2016Loudness` lists the papers.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Sone per Cam; with it a diotic tone of 1 kHz at 40 dB SPL in a free field has 1 sone.
SCALE = 0.0631
# Hz and dB: excitation at the absolute threshold, constant above 500 Hz.
THRESHOLD = (
    (50, 28.18), (63, 23.90), (80, 19.20), (100, 15.68), (125, 12.67), (160, 10.09), (200, 8.08),
    (250, 6.30), (315, 5.30), (400, 4.50), (500, 3.63),
)  # fmt: skip
# dB of gain re that above 500 Hz, and exponent alpha.
EXPONENT = ((-25, 0.26692), (-20, 0.25016), (-15, 0.23679), (-10, 0.22228), (-5, 0.21055), (0, 0.2))
# Offset A of the first 36 channels, those below 500 Hz; USUAL_OFFSET is that of all others.
OFFSET = (
    8.85339321233, 8.38490355284, 7.76632037731, 7.34691005052, 6.93519241493, 6.64610029987,
    6.37078266617, 6.1453594796, 5.9581256438, 5.79506453837, 5.69158549744, 5.59684285214,
    5.50071750468, 5.41349996812, 5.34591629824, 5.2771452968, 5.2118610464, 5.1609698117,
    5.11476050075, 5.06759787286, 5.01945605951, 4.98722498244, 4.96547720198, 4.94321130939,
    4.92040369488, 4.89705090348, 4.88131543849, 4.86631463741, 4.85094421352, 4.83518302277,
    4.81902993884, 4.8031029932, 4.78741682199, 4.77134972345, 4.75488183185, 4.73800738544,
)  # fmt: skip
USUAL_OFFSET = 4.72096


class LoudnessNumbers(NamedTuple):
    """Of each channel, (150,) float64.

    threshold : excitation E_T at the absolute threshold, power
    gain : of the cochlear amplifier, G, power
    exponent : alpha
    offset : A
    """

    threshold: Tensor
    gain: Tensor
    exponent: Tensor
    offset: Tensor


def _interpolated(x: Tensor, points: tuple[tuple[float, float], ...]) -> Tensor:
    """Straight lines between points, constant beyond them."""
    places, values = zip(*points, strict=True)
    return torch.from_numpy(np.interp(x.numpy(), places, values))


def loudness_numbers(fc: Tensor) -> LoudnessNumbers:
    """Numbers of the channels at `fc` (150,) in Hz, float64."""
    threshold = _interpolated(fc, THRESHOLD)
    gain = THRESHOLD[-1][1] - threshold
    offset = torch.full_like(fc, USUAL_OFFSET)
    offset[: len(OFFSET)] = torch.tensor(OFFSET, dtype=torch.float64)
    return LoudnessNumbers(
        10.0 ** (threshold / 10.0), 10.0 ** (gain / 10.0), _interpolated(gain, EXPONENT), offset
    )
