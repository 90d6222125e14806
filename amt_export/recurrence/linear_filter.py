"""Recursive filters as matrix products, with the state in and out."""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn

from amt_export.numerics.blocks import from_blocks
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

# No limit: training may lengthen the memory.
UNLIMITED = 2**62


class PartialOutput(NamedTuple):
    """Output of a filter for blocks, before the product that several filters share.

    direct : (B, F, K, L), x T
    states : (B, F, K, s), at the start of each block
    next_state : (B, F, 1, s), after the last block
    """

    direct: Tensor
    states: Tensor
    next_state: Tensor


def filter_parts(blocks: Tensor, tables: Tables, state: Tensor) -> PartialOutput:
    """Direct part and states of a filter; `output` adds them, `sum_outputs` adds those of two filters.

    Parameters
    ----------
    blocks, tables, state
        See `filter_blocks`.
    """
    states, next_state = prefix_scan(blocks @ tables.input_to_state, state, tables)
    return PartialOutput(blocks @ tables.impulse, states, next_state)


def output(parts: PartialOutput, tables: Tables) -> Tensor:
    """Output of a filter (B, F, K L), from its parts."""
    # Joined before the sum, which then writes the result; joined after it, the result would be copied.
    return from_blocks(parts.direct) + from_blocks(parts.states @ tables.state_to_output)


def sum_outputs(one: PartialOutput, tables: Tables, other: PartialOutput, others: Tables) -> Tensor:
    """Sum of the outputs of two filters, with one product for the states of both.

    Parameters
    ----------
    one, other : PartialOutput
    tables, others : Tables
        Those that the parts were made with.

    Returns
    -------
    Tensor [shape=(B, F, K L)]
    """
    states = torch.cat([one.states, other.states], dim=3)
    both = torch.cat([tables.state_to_output, others.state_to_output], dim=1)
    # Joined before the last sum: see `output`.
    return from_blocks(one.direct + other.direct) + from_blocks(states @ both)


def filter_blocks(blocks: Tensor, tables: Tables, state: Tensor) -> Tuple[Tensor, Tensor]:
    """Filter each channel with its own linear system.

    Parameters
    ----------
    blocks : Tensor [shape=(B, F, K, L) or (B, 1, K, L)]
        One signal per channel, or one for all.
    tables : Tables
    state : Tensor [shape=(B, F, 1, s)]
        Before the first sample; zeros for silence.

    Returns
    -------
    filtered : Tensor [shape=(B, F, K L)]
    next_state : Tensor [shape=(B, F, 1, s)]
        After the last block.
    """
    parts = filter_parts(blocks, tables, state)
    return output(parts, tables), parts.next_state


class LinearFilter(nn.Module):
    """A bank of linear systems with fixed coefficients: holds their tables.

    Parameters
    ----------
    system : StateSpace
        float64.
    block : int
        Samples of a block, L.
    like : Tensor
        Gives dtype and device of the computation.
    blocks : int, optional
        Blocks that are filtered at once, where that is known. Fewer blocks may be given, more are refused:
        the tables do not reach back to the first ones. 0 for any number.

    Examples
    --------
    >>> import torch
    >>> from amt_export.recurrence.state_space import one_pole_cascade
    >>> one = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    >>> smoother = LinearFilter(one_pole_cascade(0.5 * one, 1, 0.5 * one), 2, torch.zeros(1))
    >>> step, state = smoother(torch.ones(1, 1, 2, 2), smoother.initial_state(1))
    >>> step
    tensor([[[0.5000, 0.7500, 0.8750, 0.9375]]])
    """

    values: Tensor
    indices: Tensor

    def __init__(self, system: StateSpace, block: int, like: Tensor, blocks: int = 0) -> None:
        super().__init__()
        # Entries below eps^2 cannot change an output, even after compression.
        memory = memory_steps(system, block, torch.finfo(like.dtype).eps ** 2)
        self.block = block
        self.size = system.b.shape[1]
        with torch.no_grad():
            designed = design_tables(system, block, choose_radices(blocks, memory), blocks)
            packed = pack_tables(cast_tables(designed, like.dtype))
        self.rows, self.columns = packed.rows, packed.columns
        self.most_blocks = blocks
        self.register_buffer("values", packed.values.to(like.device), persistent=False)
        self.register_buffer("indices", packed.indices.to(like.device), persistent=False)

    def tables(self) -> Tables:
        """Unpack the tables."""
        return unpack_tables(
            PackedTables(self.values, self.indices, self.rows, self.columns, self.most_blocks)
        )

    def forward(self, blocks: Tensor, state: Tensor) -> Tuple[Tensor, Tensor]:
        """Filter blocks; see `filter_blocks`."""
        return filter_blocks(blocks, self.tables(), state)

    def initial_state(self, batch: int) -> Tensor:
        """State of silence (B, F, 1, s)."""
        return torch.zeros(
            batch,
            self.values.shape[0],
            1,
            self.size,
            dtype=self.values.dtype,
            device=self.values.device,
        )


def differentiable_tables(
    system: StateSpace, block: int, blocks: int, like: Tensor, memory: int = UNLIMITED
) -> Tables:
    """Tables of coefficients that are being trained, for so many blocks at once.

    Parameters
    ----------
    system : StateSpace
        float64, a function of the parameters.
    block, blocks : int
        Samples of a block, and number of blocks.
    like : Tensor
        Gives the dtype.
    memory : int
        A constant; TorchScript reads no globals.

    Returns
    -------
    Tables
        In the dtype of `like`, with a gradient.
    """
    radices: List[int] = choose_radices(blocks, memory)
    return cast_tables(design_tables(system, block, radices, blocks), like.dtype)
