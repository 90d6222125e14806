"""Numbers of the excitation patterns of the loudness model: components, channels, spread.

Components stand at k 15.625 Hz, k = 1 ... 960; channels 0.25 Cam apart. Levels are per ERB.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from amt_export.design.erb_bands import erb_width
from amt_export.design.moore_excitation import FIRST_GROUPS, groups_of, sharpness
from amt_export.design.moore_spectrum import BIN_WIDTH
from amt_export.erb import erbrate2f

# The bins up to 15 kHz.
COMPONENTS = 960
# Channels from 1.75 to 39 Cam, 0.25 Cam apart (Moore et al. 2016).
CHANNELS = 150
FIRST_CAM, CAM_STEP = 1.75, 0.25
# Components spread up to five times their frequency, and channels hear up to five times theirs: distances
# (f - fc) / fc are at most this, as in the Auditory Modeling Toolbox.
LARGEST_DISTANCE = 4.0
# The slope towards higher channels is 1 - SLOPE_PER_DB p(1 kHz)^-1 (X - 51 dB) times that towards lower ones
# (Glasberg and Moore 1990; ISO 532-3).
SLOPE_PER_DB, REFERENCE_LEVEL = 0.35, 51.0
# Weights that are nothing: 1e-30 of a sound of 150 dB is less than can be heard by 18 decades.
NEGLIGIBLE = 1e-30


def component_frequencies() -> Tensor:
    """Frequencies (960,) in Hz, float64."""
    return BIN_WIDTH * torch.arange(1, COMPONENTS + 1, dtype=torch.float64)


def channel_frequencies() -> Tensor:
    """Centre frequencies (150,) in Hz, float64: 47.5 to 15084."""
    return erbrate2f(FIRST_CAM + CAM_STEP * torch.arange(CHANNELS, dtype=torch.float64))


def roex(z: Tensor) -> Tensor:
    """Weight (1 + z) e^-z of a filter at a distance, z = p |f - fc| / fc."""
    return (1.0 + z) * torch.exp(-z)


def level_weights() -> Tensor:
    """Share of component i in the power of one ERB around component j, (960, 960) float64.

    The filter stands on the component whose power is shared: y = p(f_i) |f_j - f_i| / f_i.
    """
    f = component_frequencies()
    distance = (f[None, :] - f[:, None]) / f[:, None]
    weight = roex(sharpness(f)[:, None] * distance.abs())
    return torch.where(distance > LARGEST_DISTANCE, torch.zeros_like(weight), weight)


def downward_weights() -> Tensor:
    """Excitation (960, 150), float64, by components of power 1 at or above a channel; no level counts."""
    f, fc = component_frequencies(), channel_frequencies()
    distance = (f[:, None] - fc) / fc
    heard = (distance >= 0.0) & (distance <= LARGEST_DISTANCE)
    weight = roex(sharpness(fc) * distance.clamp(min=0.0))
    return torch.where(heard, weight, torch.zeros_like(weight))


def slope_coefficients() -> tuple[float, float]:
    """Factor and offset of the upward slope u over the level X in dB: u = offset - factor X."""
    at_1k = float(sharpness(torch.tensor(1000.0, dtype=torch.float64)))
    factor = SLOPE_PER_DB / at_1k
    return factor, 1.0 + factor * REFERENCE_LEVEL


def steepness(fc: Tensor) -> Tensor:
    """What z grows by per Hz below a channel, 4 / ERB(fc), where the slope u is 1; see `sharpness`."""
    return 4.0 / erb_width(fc)


class Group(NamedTuple):
    """Neighbouring components first ... last - 1, for the channels from `low` on that lie above one of them."""

    first: int
    last: int
    low: int


def groups() -> list[Group]:
    """Groups of components for the spread to higher channels, in ascending order."""
    f, fc = component_frequencies(), channel_frequencies()
    return [Group(first, last, int((fc <= f[first]).sum())) for first, last in groups_of(f)]


class LevelBlock(NamedTuple):
    """Table from all components to the power in one ERB around components first ... last - 1.

    near : (n, n), from the n components themselves
    reduce : (960, r), what r numbers of all others are
    expand : (r, n), from these
    """

    first: int
    last: int
    near: Tensor
    reduce: Tensor
    expand: Tensor


def level_blocks(tolerance: float) -> list[LevelBlock]:
    """`level_weights` as blocks and products of thin matrices: a third of the multiplications.

    Parameters
    ----------
    tolerance : float
        Share of a source's and a component's largest weight outside a block that may be lost.

    Notes
    -----
    Around a block the weights are smooth, so what comes from all sources below it, and from all above, has
    rank 7 to 13 to 1e-9. The first block is wide because the cut at five times a source's frequency breaks the
    smoothness there.
    """
    weights = level_weights()
    starts = (0, *(group.first for group in groups() if group.first >= FIRST_GROUPS[-1]))
    blocks = []
    for first, last in zip(starts, (*starts[1:], COMPONENTS), strict=True):
        reduce, expand = [], []
        for sources in (slice(0, first), slice(last, COMPONENTS)):
            thin, wide = _low_rank(weights[sources, first:last], tolerance)
            placed = torch.zeros(COMPONENTS, thin.shape[1], dtype=torch.float64)
            placed[sources] = thin
            reduce.append(placed)
            expand.append(wide)
        near = weights[first:last, first:last]
        blocks.append(LevelBlock(first, last, near, torch.cat(reduce, 1), torch.cat(expand)))
    return blocks


def _low_rank(matrix: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Two factors (m, r) and (r, n) of a matrix (m, n) that spans many decades."""
    rows = matrix.amax(1, keepdim=True) if len(matrix) else matrix[:, :1]
    scaled = torch.where(rows > NEGLIGIBLE, matrix / rows.clamp(min=NEGLIGIBLE), 0.0)
    columns = scaled.amax(0, keepdim=True) if len(matrix) else torch.ones_like(matrix[:1])
    scaled = scaled / columns.clamp(min=NEGLIGIBLE)
    left, values, right = torch.linalg.svd(scaled, full_matrices=False)
    rank = int((values > tolerance).sum())
    return rows * left[:, :rank] * values[:rank], right[:rank] * columns
