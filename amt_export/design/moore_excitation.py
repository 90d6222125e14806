"""Numbers of the Moore et al. (2016) excitation pattern: channels, sharpness, reach."""

import torch
from torch import Tensor

from amt_export.design.erb_bands import erb_width

# All of W below this is floor: a component adds at least LEAST_WEIGHT to every channel.
LEAST_WEIGHT = 1e-12
# Multiplies how far (in octaves, roughly) a channel lies out of reach, to make exp of it 0.
STEEP = 1e12

# Components that share one range of channels, and how far they may be apart: with seven groups a tenth of
# their ranges is not needed.
GROUP, GROUP_RATIO = 160, 16.0


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


def weights_above(f: Tensor, fc: Tensor, reach: float) -> Tensor:
    """What a component of intensity 1 adds without regard to its level.

    Parameters
    ----------
    f, fc : Tensor [shape=(N,) and (C,)], float64, Hz
        Components and channels.
    reach : float
        Ratio of frequencies beyond which nothing spreads.

    Returns
    -------
    Tensor [shape=(N, C)]
        (1 + z) e^-z for channels at or above the component, and the floor everywhere.
    """
    ratio = fc / f[:, None]
    z = sharpness(f)[:, None] * (ratio - 1.0)
    above = ((ratio >= 1.0) & (ratio <= reach)).to(f.dtype)
    out_of_reach = ((ratio > reach) | (ratio < 1.0 / reach)).to(f.dtype)
    z = z.clamp(min=0.0)
    return above * (1.0 + z) * torch.exp(-z) + LEAST_WEIGHT * (1.0 + out_of_reach)


def below_and_in_reach(f: Tensor, fc: Tensor, reach: float) -> Tensor:
    """Whether each channel lies below each component and in reach of it, (N, C) bool."""
    ratio = fc / f[:, None]
    return (ratio < 1.0) & (ratio >= 1.0 / reach)


def group_ends(f: list[float]) -> list[tuple[int, int]]:
    """First and one behind the last of groups of neighbours, for components at ascending f in Hz."""
    ends, first = [], 0
    for i in range(1, len(f) + 1):
        if i == len(f) or i - first == GROUP or f[i] > GROUP_RATIO * f[first]:
            ends.append((first, i))
            first = i
    return ends


def middle_of(f: Tensor) -> Tensor:
    """Frequency that is equally sharp to look at from both ends of a group: p |1 - fm/f| is equal."""
    ends = torch.stack([f.min(), f.max()])
    steepness = sharpness(ends) / ends
    return (steepness * ends).sum() / steepness.sum()
