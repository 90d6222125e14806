"""Numbers of the Moore et al. (2016) excitation pattern: channels, sharpness, reach."""

import torch
from torch import Tensor

from amt_export.design.erb_bands import erb_width

# All of W below this is floor: a component adds at least LEAST_WEIGHT to every channel.
LEAST_WEIGHT = 1e-12
# Multiplies how far (in octaves, roughly) a channel lies out of reach, to make exp of it 0.
STEEP = 1e12


def channel_numbers(erb_lower: float, erb_upper: float, erb_step: float) -> Tensor:
    """ERB numbers erb_lower + k erb_step up to erb_upper, (C,) in Cam, float64.

    Raises
    ------
    ValueError
        With the value, for an empty range.
    """
    if not 0 < erb_lower < erb_upper < float("inf"):
        raise ValueError(
            f"erb_lower is {erb_lower}, erb_upper is {erb_upper}; 0 < lower < upper is needed"
        )
    if not 0 < erb_step < float("inf"):
        raise ValueError(f"erb_step is {erb_step}; it must be positive, in Cam")
    count = int((erb_upper + 1e-9 - erb_lower) / erb_step) + 1
    numbers: Tensor = erb_lower + erb_step * torch.arange(count, dtype=torch.float64)
    return numbers


def sharpness(f: Tensor) -> Tensor:
    """Of the filter at f: p = 4 f / ERB(f), any shape."""
    return 4.0 * f / erb_width(f)


def channel_powers(fc: Tensor) -> Tensor:
    """Rows fc^2, fc, 1: what lines and parabolas over the channels are products with, (3, C)."""
    return torch.stack([fc * fc, fc, torch.ones_like(fc)])
