"""One real pole that many channels share: its state at every sample, from positive terms."""

from typing import List, Tuple

import torch
from torch import Tensor, nn

from amt_export.numerics.blocks import block_count
from amt_export.recurrence.memory import memory_steps
from amt_export.recurrence.prefix_scan import choose_radices, prefix_scan
from amt_export.recurrence.state_space import StateSpace
from amt_export.recurrence.tables import (
    PackedTables,
    Tables,
    cast_tables,
    design_tables,
    pack_tables,
    unpack_tables,
)

# Blocks that the top of the scan looks back on without groups: a table of a state's few numbers, and four
# operators less.
UNGROUPED = 24


def group_radices(count: int) -> List[int]:
    """Radices of a scan with at most one level of groups, see `choose_radices`, for so many blocks.

    With one state, groups of about the square root of the number of blocks cost next to nothing, and few levels
    make few operators.

    Examples
    --------
    >>> group_radices(700)
    [28, 26]
    >>> group_radices(16)
    [17]
    """
    if count <= UNGROUPED:
        return [count + 1]
    root = count**0.5
    divisors = [r for r in range(2, count) if count % r == 0 and root / 2 < r < 2 * root]
    radix = min(divisors, key=lambda r: (r + count // r, -r), default=round(root))
    return [radix, block_count(count, radix) + 1]


class OnePole(nn.Module):
    """h[t+1] = a h[t] + g x[t], and h[t] is the output: what stands at sample t is the sum before it.

    Parameters
    ----------
    pole, gain : float
        a in (0, 1), and g. Powers of a are taken in float64: where a is 1 to four digits, those of a float32 a
        would not do.
    block : int
        Samples of a block, L.
    blocks : int
        Blocks that are filtered at once; 0 for any number.
    like : Tensor
        Gives dtype and device of the computation.

    Examples
    --------
    >>> import torch
    >>> pole = OnePole(0.5, 1.0, 2, 0, torch.zeros(1))
    >>> states, last = pole(torch.ones(1, 1, 2, 2), pole.tables(), torch.zeros(1, 1, 1, 1))
    >>> states.flatten(), last.flatten()
    (tensor([0.0000, 1.0000, 1.5000, 1.7500]), tensor([1.8750]))
    """

    values: Tensor
    indices: Tensor

    def __init__(self, pole: float, gain: float, block: int, blocks: int, like: Tensor) -> None:
        super().__init__()
        one = torch.ones(1, 1, dtype=torch.float64)
        system = StateSpace(pole * one[:, None], gain * one, one, torch.zeros(1).double())
        if blocks:
            radices = group_radices(blocks)
        else:
            memory = memory_steps(system, block, torch.finfo(like.dtype).eps ** 2)
            radices = choose_radices(0, memory)
        packed = pack_tables(cast_tables(design_tables(system, block, radices), like.dtype))
        self.rows, self.columns = packed.rows, packed.columns
        self.register_buffer("values", packed.values.to(like.device), persistent=False)
        self.register_buffer("indices", packed.indices.to(like.device), persistent=False)

    def tables(self) -> Tables:
        """The tables, laid out; once for any number of calls."""
        return unpack_tables(PackedTables(self.values, self.indices, self.rows, self.columns))

    def forward(self, blocks: Tensor, tables: Tables, state: Tensor) -> Tuple[Tensor, Tensor]:
        """Filter blocks.

        Parameters
        ----------
        blocks : Tensor [shape=(B, F, K, L)]
        tables : Tables
            From `tables`.
        state : Tensor [shape=(B, F, 1, 1)]
            Before the first sample.

        Returns
        -------
        states : Tensor [shape=(B, F, K, L)]
        next_state : Tensor [shape=(B, F, 1, 1)]
        """
        starts, following = prefix_scan(blocks @ tables.input_to_state, state, tables)
        return blocks @ tables.impulse + starts * tables.state_to_output, following
