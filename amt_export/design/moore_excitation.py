"""Numbers of the Moore et al. (2016) excitation pattern: channels, sharpness, reach."""

from itertools import pairwise

import torch
from torch import Tensor

from amt_export.design.erb_bands import erb_width
from amt_export.erb import f2erbrate

# All of W below this is floor: a component adds at least LEAST_WEIGHT to every channel. Part of the published
# formula.
LEAST_WEIGHT = 1e-12
# Multiplies how far (in octaves, roughly) a channel lies out of reach, to make exp of it 0: also of the least
# distance that float32 can tell from none.
STEEP = 1e12

# Components that share a range of channels: from these on, and then 2 Cam together. Chosen on a second of
# sound in ONNX Runtime; `groups_of` says what they trade.
FIRST_GROUPS, GROUP_CAM = (0, 16, 40, 96), 2.0


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
    # The margin keeps a channel at erb_upper itself, whatever rounding does.
    count = int((erb_upper + 1e-9 - erb_lower) / erb_step) + 1
    numbers: Tensor = erb_lower + erb_step * torch.arange(count, dtype=torch.float64)
    return numbers


def sharpness(f: Tensor) -> Tensor:
    """Of the filter at f: p = 4 f / ERB(f), as (1 + p g) e^-(p g) on both sides has the bandwidth 4 f / p."""
    return 4.0 * f / erb_width(f)


def channel_powers(fc: Tensor) -> Tensor:
    """Rows fc^2, fc, 1: what lines and parabolas over the channels are products with, (3, C)."""
    return torch.stack([fc * fc, fc, torch.ones_like(fc)])


def channel_functions(fc: Tensor) -> Tensor:
    """What the exponents of filters at fc are sums of, (4, C): -a, a fc, 1/fc and 1 with a = 4 / ERB(fc)."""
    steepness = 4.0 / erb_width(fc)
    return torch.stack([-steepness, steepness * fc, 1.0 / fc, torch.ones_like(fc)])


def weights_below(f: Tensor, fc: Tensor, reach: float) -> Tensor:
    """Excitation by a component of intensity 1 through the filter that does not depend on level.

    Parameters
    ----------
    f, fc : Tensor [shape=(N,) and (C,)], float64, Hz
        Components and channels.
    reach : float
        Ratio of frequencies beyond which nothing spreads.

    Returns
    -------
    Tensor [shape=(N, C)]
        (1 + z) e^-z for channels at or below the component, and the floor everywhere.
    """
    ratio = f[:, None] / fc
    z = (sharpness(fc) * (ratio - 1.0)).clamp(min=0.0)
    below = ((ratio >= 1.0) & (ratio <= reach)).to(f.dtype)
    out_of_reach = ((ratio > reach) | (ratio < 1.0 / reach)).to(f.dtype)
    return below * (1.0 + z) * torch.exp(-z) + LEAST_WEIGHT * (1.0 + out_of_reach)


def upward_lines(fc: Tensor, highest: Tensor) -> Tensor:
    """Factors (3, C) of u, u (fm - f) and 1 in the exponent -1 - z of channels above components up to fm Hz."""
    steepness = 4.0 / erb_width(fc)
    return torch.stack([steepness * (highest - fc), -steepness, -torch.ones_like(fc)])


def least_exponents(f: Tensor, fc: Tensor, reach: float, least: float) -> Tensor:
    """Exponents -1 - z (N, C) at the least sharpness; far below 0 in channels that no sound spreads to."""
    ratio = f[:, None] / fc
    heard = (ratio < 1.0) & (ratio >= 1.0 / reach)
    return torch.where(heard, -1.0 - least * (1.0 - ratio), -(STEEP**2))


def groups_of(f: Tensor) -> list[tuple[int, int]]:
    """Start and stop of groups of neighbours among components at ascending f in Hz.

    More in a group would waste work on channels that lie below some of them, fewer cost more operations.
    """
    cams = f2erbrate(f)
    edges = [edge for edge in FIRST_GROUPS if edge < len(f)]
    while edges[-1] < len(f):
        edges.append(int((cams < cams[edges[-1]] + GROUP_CAM).sum()))
    return list(pairwise(edges))
