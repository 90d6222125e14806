"""Sums over the components of a frame, for each channel: components x channels, some frames at a time."""

from typing import List, Tuple

import torch
from torch import Tensor

from amt_export.modules.excitation.row_chunk import row_chunk


# A traced module would have all frames one after the other, a dozen at a time. TorchScript has loops, and one
# over single frames stays in the cache: twice as fast, and a small file.
@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def excitation_sums(
    lines: List[Tensor],
    limits: Tensor,
    power: Tensor,
    channels: Tensor,
    powers: Tensor,
    cached_rows: int,
    unrolled_rows: int,
    least_exponent: float,
) -> Tuple[Tensor, Tensor]:
    """Sum over all components of a frame in each channel, (1 + z) e^-z: the roex filter of Moore et al. (2016).

    Parameters
    ----------
    lines : list of Tensor [shape=(B, S, N, k)]
        Factors of `channels` whose sums are two or three functions of the channel; their minimum is
        u = -1 - z.
    limits : Tensor [shape=(B, S, N, 3)]
        Parabola over fc, below -1 where the channel is out of reach: nothing is added there.
    power : Tensor [shape=(B, S, 1, N)]
        Intensity times -e: (1 + z) e^-z is -e u e^u.
    channels : Tensor [shape=(k, C)]
    powers : Tensor [shape=(3, C)]
        fc^2, fc in Hz and 1.
    cached_rows, unrolled_rows : int
        See `row_chunk`.
    least_exponent : float
        Of e.

    Returns
    -------
    weighted, beyond : Tensor [shape=(B, S, 1, C)]
        What is added, and e times the intensity that is out of reach.
    """
    rows = row_chunk(power, cached_rows, unrolled_rows)
    # Along the frames, so that a graph does not depend on the size of the batch.
    above, below = torch.split(lines[0], rows, 1), torch.split(lines[1], rows, 1)
    least = torch.split(lines[len(lines) - 1], rows, 1)
    limit, intensity = torch.split(limits, rows, 1), torch.split(power, rows, 1)
    # One small product for each row: a large one writes its result across all of memory, at half the speed.
    curved = powers.expand(rows, powers.shape[0], powers.shape[1])
    straight = channels.expand(rows, channels.shape[0], channels.shape[1])
    weighted: List[Tensor] = []
    beyond: List[Tensor] = []
    for i in range(len(intensity)):
        held = intensity[i].shape[1]
        if held < rows:
            curved, straight = curved[:held], straight[:held]
        out_of_reach = limit[i] @ curved
        exponent = torch.minimum(above[i] @ straight, below[i] @ straight)
        if len(lines) > 2:
            exponent = torch.minimum(exponent, least[i] @ straight)
        exponent = torch.clamp(torch.minimum(exponent, out_of_reach), min=least_exponent)
        # One product with a vector for (1 + z) e^-z, and nothing cancels.
        weighted.append(intensity[i] @ (exponent * torch.exp(exponent)))
        beyond.append(intensity[i] @ torch.clamp(out_of_reach, -1.0, 0.0))
    return torch.cat(weighted, 1), torch.cat(beyond, 1)
