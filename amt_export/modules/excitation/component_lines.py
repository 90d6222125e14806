"""Exponents of the roex filter of Moore et al. (2016) as products of a component's numbers with a channel's.

The filter weighs a component with W = (1 + z) e^-z, z >= 0. With u = -1 - z that is -e u e^u, and u is the
lowest of two or three functions of the channel, each a sum of products: a few numbers of the component with a
few of the channel. So a matrix product gives u for all components and all channels.
"""

from typing import List

import torch
from torch import Tensor


def upward_slope(levels: Tensor, numbers: Tensor, p1000: float) -> Tensor:
    """Share of the sharpness that is left towards higher channels.

    Parameters
    ----------
    levels : Tensor [any shape], dB
    numbers : Tensor [shape=(3,)]
        level_dep_factor, reference_level and min_p_lower.
    p1000 : float
        Sharpness at 1 kHz.

    Returns
    -------
    Tensor [same shape]
        1 - level_dep_factor (X - reference_level) / p1000.
    """
    return (levels - numbers[1]) * (-numbers[0] / p1000) + 1.0


def lines_on_channel(f: Tensor, slope: Tensor, least: Tensor) -> List[Tensor]:
    """Filters that stand on the channels, z = p |f - fc| / fc with p = 4 fc / ERB(fc).

    Parameters
    ----------
    f : Tensor [shape=(B, S, N)], Hz
    slope : Tensor [shape=(B, S, N)]
        Share of the sharpness p that is left towards higher channels.
    least : Tensor [scalar]
        The least sharpness.

    Returns
    -------
    above, below, flat : Tensor [shape=(B, S, N, 4)]
        Factors of `design.moore_excitation.channel_functions`: u for components above the channel, for those
        below it, and for those below it at the least sharpness. The lowest one is right everywhere.
    """
    # Not zeros_like, which coremltools writes into the package in full.
    one, none = torch.ones_like(f), torch.full_like(f, 0.0)
    above = torch.stack([f, one, none, -one], dim=3)
    below = torch.stack([-f * slope, -slope, none, -one], dim=3)
    flat = torch.stack([none, none, f * least, -(one + least)], dim=3)
    return [above, below, flat]


def lines_on_component(f: Tensor, p: Tensor, lower: Tensor) -> List[Tensor]:
    """Filters that stand on the components, z = p |fc - f| / f with p = 4 f / ERB(f).

    Parameters
    ----------
    f : Tensor [shape=(B, S, N)], Hz
    p, lower : Tensor [shape=(B, S, N)]
        Sharpness above and below the component.

    Returns
    -------
    above, below : Tensor [shape=(B, S, N, 2)]
        Lines over fc (slope, offset). The lower one is right everywhere.
    """
    above = torch.stack([-p / f, p - 1.0], dim=3)
    below = torch.stack([lower / f, -lower - 1.0], dim=3)
    return [above, below]


def reach_parabolas(f: Tensor, steep: float, reach: float) -> Tensor:
    """Parabolas over fc that are far below 0 where the channel is out of reach of the component.

    Parameters
    ----------
    f : Tensor [shape=(B, S, N)], Hz
    steep : float
        Their steepness.
    reach : float
        Ratio of frequencies beyond which nothing spreads.

    Returns
    -------
    Tensor [shape=(B, S, N, 3)]
        Factors of fc^2, fc and 1 in steep (fc/f - 1/reach) (reach - fc/f).
    """
    # Not a scalar over f: coremltools makes that an inverse, which adds 1e-4 to f.
    inverse = steep**0.5 * (torch.ones_like(f) / f)
    both = steep**0.5 * (reach + 1.0 / reach)
    return torch.stack([-inverse * inverse, both * inverse, torch.full_like(f, -steep)], dim=3)
