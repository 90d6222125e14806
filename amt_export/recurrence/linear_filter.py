"""Recursive filters as matrix products: exact, static, with the state in and out.

Signals are cut into blocks of L samples, (B, C, K, L). With T the Toeplitz matrix of the impulse
response and h[k] the state at the start of block k

    y[k] = T x[k] + O h[k],    h[k+1] = A^L h[k] + R x[k],

and the second line is a recursion over blocks (`modules.block_states`). Sums have one term, or several, or are
lean (`design.expansion`).
"""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn

from amt_export.design.expansion import cut, peak_of, side_by_side, times, total
from amt_export.design.rounding import ONE_TERM, Sums, sums_needed
from amt_export.numerics.blocks import LANES, from_blocks
from amt_export.recurrence.operators import (
    BlockOperators,
    block_operators,
    grouping,
    memory,
    settled,
)
from amt_export.recurrence.prefix_scan import block_states
from amt_export.recurrence.state_space import StateSpace
from amt_export.recurrence.tables import BlockTables, carried, in_order, looked_up, packed

# Longer blocks cost more in the impulse matrix, shorter ones more in the states; from 30 to 64 samples are a
# flat optimum of ONNX Runtime (30-channel gammatone at 16 kHz, 50-channel DRNL at 44.1 kHz).
BLOCK = 32


def divisor_block(samples: int) -> int:
    """A block of 32 to 64 samples that divides `samples`, the cheapest; 32 if there is none.

    That is one that leaves the smallest share of its groups of `LANES` empty, and of those the shortest: 45
    samples cost what 48 do. The DRNL at 44.1 kHz is 3 % faster with 63 than with 45.
    """
    blocks = [block for block in range(BLOCK, 2 * BLOCK + 1) if samples % block == 0]
    return min(blocks, key=lambda block: (-(-block // LANES) / block, block), default=BLOCK)


class Response(NamedTuple):
    """What a filter makes of blocks, before it is added up.

    direct : T x, P terms (B, F, K, L)
    states : h at the start of each block, as parts to be multiplied, see `block_states`
    last : the state behind the last block (B, F, Q, s)
    """

    direct: List[Tensor]
    states: List[Tensor]
    last: Tensor


def respond(blocks: Tensor, tables: BlockTables, start: Tensor) -> Response:
    """T x and the states of a filter that is fed blocks; see `filter_blocks`."""
    dtype, held, kept = tables.top.dtype, start.shape[2], start.dtype
    if dtype != kept:
        blocks, start = blocks.to(dtype), summed(start, dtype)
    # Lean sums need one grid for all blocks that they add up without a cut.
    peak = peak_of(blocks) if tables.lean else torch.amax(torch.abs(blocks), -1, keepdim=True)
    rows = cut([blocks], len(tables.impulse), peak, tables.lean)
    if len(tables.reach) == len(rows):
        reached = times(rows, tables.reach)
    else:
        reached = [side_by_side(rows) @ tables.reach[0]]
    states, last = block_states(reached, start, tables, peak)
    if dtype != kept:
        last = in_terms(last, held, kept)
    return Response(times(rows, tables.impulse), states, last)


def summed(state: Tensor, dtype: torch.dtype) -> Tensor:
    """The state (B, F, 1, s) in a wider dtype, from terms (B, F, Q, s)."""
    terms = state.to(dtype)
    whole = terms[:, :, :1]
    for i in range(1, state.shape[2]):
        whole = whole + terms[:, :, i : i + 1]
    return whole


def in_terms(state: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """The state (B, F, 1, s) as `count` terms of a narrower dtype (B, F, Q, s)."""
    rest, terms = state, [state.to(dtype)]
    for i in range(count - 1):
        rest = rest - terms[i].to(state.dtype)
        terms.append(rest.to(dtype))
    return torch.cat(terms, dim=2) if count > 1 else terms[0]


def added_up(response: Response, tables: BlockTables) -> Tensor:
    """The filtered signal (B, F, K L), T x + O h, in the tables' dtype.

    Laid out before it is added: the sum then is the output, and not one more copy.
    """
    direct = [from_blocks(term) for term in response.direct]
    ringing = times(response.states, tables.observe)
    return total(direct, [from_blocks(term) for term in ringing])


def added_up_with(
    response: Response, tables: BlockTables, other: Response, other_tables: BlockTables
) -> Tensor:
    """Sum of the signals of two filters (B, F, K L), the other one in one term and of its dtype.

    What the states of both make in the last term is one product: that is a pass less over the whole signal.
    """
    if tables.top.dtype != other_tables.top.dtype:
        return added_up(response, tables).to(other_tables.top.dtype) + added_up(other, other_tables)
    direct = [from_blocks(term) for term in response.direct]
    ringing = times(response.states, tables.observe[:-1])
    both = torch.cat([tables.observe[-1], other_tables.observe[0]], dim=1)
    ringing.append(side_by_side(response.states + other.states) @ both)
    return total(direct, [from_blocks(term) for term in ringing]) + from_blocks(other.direct[0])


def filter_blocks(blocks: Tensor, tables: BlockTables, start: Tensor) -> Tuple[Tensor, Tensor]:
    """Filter each channel with its own linear system.

    Parameters
    ----------
    blocks : Tensor [shape=(B, F, K, L) or (B, 1, K, L)]
        One signal per channel, or one for all.
    tables : BlockTables
    start : Tensor [shape=(B, F, Q, s)]
        State before the first sample, Q terms whose sum it is; zeros for silence. Its dtype is that of the
        results; where that of the tables is wider, everything in between is computed in it.

    Returns
    -------
    filtered : Tensor [shape=(B, F, K L)]
    state : Tensor [shape=(B, F, Q, s)]
        State after the last block, to go on from.
    """
    response = respond(blocks, tables, start)
    return added_up(response, tables).to(start.dtype), response.last


class BlockFilter(nn.Module):
    """Keeper of the tables of one filter: numbers, and where they stand, not saved.

    They are in the module's dtype; or in float64, for a float32 stream that needs more than one term and has
    leave to. Its blocks are small: float64 costs less there than float32 terms, each of which is a few more
    operators.
    """

    numbers: Tensor
    where: Tensor
    rows: List[int]
    columns: List[int]
    radices: List[int]

    def __init__(self) -> None:
        super().__init__()
        self.terms, self.lean = 1, False
        self.size = 1
        self.count = 0  # blocks at once, where that is known
        self.goes_on = False  # whether somebody wants the state behind them
        self.may_widen = False  # whether float64 is allowed
        self.held = 1  # terms of the state that is handed on
        self.dtype = torch.float32  # of that state
        self.radices, self.forgets = grouping(0)
        self.rows, self.columns = [1], [1]

    def stream(self, count: int, may_widen: bool) -> None:
        """Prepare for so many blocks at once, from any state and to the next; `design` comes after it."""
        self.count, self.goes_on, self.may_widen = count, True, may_widen

    def sums(self, system: StateSpace, fs: float, block: int, terms: int | None) -> Sums:
        """Sums that a filter needs, unless they are told; see `design.rounding`.

        A stream's own block may be longer than those of whole signals. Less is rounded then, but in sums over
        more samples, which `tone_error` does not count: so it gets no credit for it.
        """
        return sums_needed(system, fs, min(block, BLOCK) if self.goes_on else block, terms)

    def design(
        self, system: StateSpace, block: int, like: Tensor, sums: Sums, trained: bool = False
    ) -> None:
        """Set the tables from a float64 system; dtype and device are those of `like`.

        For `sums` see `design.rounding`. A trained filter may come to remember for longer than it does now.
        """
        if like.dtype == torch.float64:
            sums = ONE_TERM
        self.held, self.dtype = carried(sums.terms, sums.lean), like.dtype
        if self.may_widen and like.dtype == torch.float32 and sums.terms > 1:
            like, sums = like.to(torch.float64), ONE_TERM
        self.terms, self.lean = sums
        self.size = system.b.shape[-1]
        remembered = None if trained else lambda blocks: memory(system, block * blocks, like.dtype)
        self.radices, self.forgets = grouping(self.count, remembered, self.goes_on)
        with torch.no_grad():
            found = packed(self.settled(system, block, like.dtype))
        self.rows, self.columns = found.rows, found.columns
        self.register_buffer("numbers", found.numbers.to(like.device), persistent=False)
        self.register_buffer("where", found.where.to(like.device), persistent=False)

    def settled(self, system: StateSpace, block: int, dtype: torch.dtype) -> BlockOperators:
        """Operators of a float64 system, differentiable."""
        designed = block_operators(system, block, self.radices, self.forgets)
        return settled(designed, dtype, self.terms, self.lean)

    def tables(self) -> BlockTables:
        """The tables, laid out."""
        found = looked_up(self.numbers, self.where, self.rows, self.columns)
        return in_order(found, self.radices, self.terms, self.forgets, self.lean)

    def rest(self, batch: int) -> Tensor:
        """State of silence (B, F, Q, s)."""
        return torch.zeros(
            batch,
            self.numbers.shape[0],
            self.held,
            self.size,
            dtype=self.dtype,
            device=self.numbers.device,
        )
