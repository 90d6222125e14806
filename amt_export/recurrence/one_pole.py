"""A first-order recursion with the same pole in all channels.

    h[t+1] = a h[t] + g x[t]

The states before all samples are computed by the scan of this folder, with a single number as state. It takes
few operators: groups have about the square root of the number of blocks, and one dense table covers all groups.
"""

import math
from typing import NamedTuple, Tuple

import torch
from torch import Tensor, nn

from amt_export.numerics.blocks import block_count, pad_end
from amt_export.recurrence.tables import cast_table

# Blocks that are scanned at once, without groups.
UNGROUPED = 24


class OnePoleTables(NamedTuple):
    """Powers of a for blocks of L samples, in G groups of r.

    inside : (L + 1, L), from the state before a block and its samples to the state before each of them
    total : (L, 1), from the samples of a block to what they add to the state after it
    members : (r, r + 1), from the totals of a group's blocks to the states inside it and after it
    carry : (r,), from the state before a group to that before each block of it
    groups : (G + 1, G + 1), from the state before the signal and what each group adds to the states before each
        group and after the last
    """

    inside: Tensor
    total: Tensor
    members: Tensor
    carry: Tensor
    groups: Tensor


def group_size(count: int, ungrouped: int = UNGROUPED) -> int:
    """Blocks of a group, r, for so many blocks: near the square root, and a divisor where there is one near.

    Examples
    --------
    >>> group_size(1470), group_size(16), group_size(31)
    (35, 1, 5)
    """
    if count <= ungrouped:
        return 1
    root = math.sqrt(count)
    best = int(root)
    cost = 4.0 * root  # of a size that does not divide `count`: the last group is filled up
    for r in range(2, count):
        if count % r == 0 and r + count / r < cost:
            best, cost = r, r + count / r
    return best


def one_pole_tables(decay: float, gain: float, block: int, count: int) -> OnePoleTables:
    """Tables in float64, of powers e^(-decay n).

    Parameters
    ----------
    decay : float
        -log a. Where a is 1 to four digits, powers of a float32 a would be too inaccurate.
    gain : float
        g.
    block, count : int
        Samples of a block, and number of blocks.
    """
    radix = group_size(count)
    length = block_count(count, radix)
    samples = torch.arange(block + 1, dtype=torch.float64)
    # Element (j, i) is what sample j - 1 adds before sample i; sample -1 is the state before the block, which
    # is not multiplied by the gain.
    inside = causal_powers(decay, samples[:, None], samples[None, :block])
    inside[1:] = gain * inside[1:]
    total = gain * torch.exp(-decay * (float(block) - 1.0 - samples[:block]))
    members = torch.arange(radix + 1, dtype=torch.float64)
    step = decay * float(block)
    groups = torch.arange(length + 1, dtype=torch.float64)
    return OnePoleTables(
        inside,
        total[:, None],
        causal_powers(step, members[:radix, None] + 1.0, members[None, :]),
        torch.exp(-step * members[:radix]),
        causal_powers(step * float(radix), groups[:, None], groups[None, :]),
    )


def _cast(tables: OnePoleTables, like: Tensor) -> OnePoleTables:
    """Tables in the dtype and on the device of `like`."""
    return OnePoleTables(
        cast_table(tables.inside, like.dtype).to(like.device),
        cast_table(tables.total, like.dtype).to(like.device),
        cast_table(tables.members, like.dtype).to(like.device),
        cast_table(tables.carry, like.dtype).to(like.device),
        cast_table(tables.groups, like.dtype).to(like.device),
    )


def causal_powers(decay: float, cause: Tensor, effect: Tensor) -> Tensor:
    """e^(-decay (effect - cause)), and 0 where the effect is before its cause."""
    distance = effect - cause
    return torch.exp(-decay * torch.clamp(distance, min=0.0)) * (distance >= 0.0)


class OnePole(nn.Module):
    """The state before each sample, for many channels with the same pole.

    Parameters
    ----------
    decay, gain : float
        -log a, and g.
    block : int
        Samples of a block, L.
    blocks : int
        Blocks that are filtered at once; 0 for any number.
    like : Tensor
        Gives dtype and device of the computation.

    Examples
    --------
    >>> import math, torch
    >>> pole = OnePole(math.log(2.0), 1.0, 2, 0, torch.zeros(1))
    >>> states, last = pole(torch.ones(1, 1, 2, 2), pole.tables(2), torch.zeros(1, 1, 1))
    >>> states.flatten(), last.flatten()
    (tensor([0.0000, 1.0000, 1.5000, 1.7500]), tensor([1.8750]))
    """

    inside: Tensor
    total: Tensor
    members: Tensor
    carry: Tensor
    groups: Tensor

    def __init__(self, decay: float, gain: float, block: int, blocks: int, like: Tensor) -> None:
        super().__init__()
        self.decay, self.gain, self.block, self.blocks = decay, gain, block, blocks
        tables = _cast(one_pole_tables(decay, gain, block, max(blocks, 1)), like)
        for name, table in tables._asdict().items():
            self.register_buffer(name, table, persistent=False)

    def tables(self, count: int) -> OnePoleTables:
        """Tables for `count` blocks."""
        if self.blocks == count:
            return OnePoleTables(self.inside, self.total, self.members, self.carry, self.groups)
        return _cast(one_pole_tables(self.decay, self.gain, self.block, count), self.inside)

    def forward(
        self, blocks: Tensor, tables: OnePoleTables, state: Tensor
    ) -> Tuple[Tensor, Tensor]:
        """Filter blocks.

        Parameters
        ----------
        blocks : Tensor [shape=(B, F, K, L)]
        tables : OnePoleTables
            Of K blocks.
        state : Tensor [shape=(B, F, 1)]
            Before the first sample.

        Returns
        -------
        states : Tensor [shape=(B, F, K, L)]
            Before each sample.
        next_state : Tensor [shape=(B, F, 1)]
            After the last one.
        """
        batch, channels, count = blocks.shape[0], blocks.shape[1], blocks.shape[2]
        radix, groups = tables.carry.shape[0], tables.groups.shape[0] - 1
        totals = (blocks @ tables.total).reshape(batch, channels, count)
        if radix == 1:
            before = torch.cat([state, totals], dim=2) @ tables.groups
            starts, following = before[:, :, :count], before[:, :, count:]
        else:
            filled = pad_end(totals, groups * radix - count, 2)
            inside = filled.reshape(batch, channels, groups, radix) @ tables.members
            added = torch.cat([state, inside[:, :, :, radix]], dim=2) @ tables.groups
            carried = added[:, :, :groups].unsqueeze(3) * tables.carry
            starts = (inside[:, :, :, :radix] + carried).reshape(batch, channels, groups * radix)
            if groups * radix == count:
                following = added[:, :, groups:]
            else:
                starts, following = starts[:, :, :count], starts[:, :, count : count + 1]
        return torch.cat([starts.unsqueeze(3), blocks], dim=3) @ tables.inside, following
