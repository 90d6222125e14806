"""Recursive filters as matrix products: exact, static, with the state in and out.

Signals are cut into blocks of L samples, (B, C, K, L). With T the Toeplitz matrix of the impulse
response and h[k] the state at the start of block k

    y[k] = T x[k] + O h[k],    h[k+1] = A^L h[k] + R x[k],

and the second line, a recursion over blocks, is solved in groups of blocks (`block_states`).
"""

from typing import List, NamedTuple, Tuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor, nn

from amt_export.design.blocks import BlockOperators, block_operators, grouping, settled
from amt_export.design.expansion import cut, times, total
from amt_export.design.state_space import StateSpace

# Longer blocks cost more in the impulse matrix, shorter ones more in the states; from 30 to 60 samples are a
# flat optimum of ONNX Runtime (30-channel gammatone at 16 kHz, 50-channel DRNL at 44.1 kHz).
BLOCK = 32
# Matrix products work on this many columns at once (AVX-512): 45 samples cost what 48 do, and so do 33.
LANES = 16


def divisor_block(samples: int) -> int:
    """A block of 32 to 64 samples that divides `samples`, the cheapest; 32 if there is none.

    That is one that fills as few groups of `LANES` as possible, and of those the longest.
    """
    blocks = [block for block in range(BLOCK, 2 * BLOCK + 1) if samples % block == 0]
    return min(blocks, key=lambda block: (-(-block // LANES), -block), default=BLOCK)


def pad_end(signal: Tensor, count: int, dim: int) -> Tensor:
    """`count` zeros behind `signal` along `dim`."""
    if count == 0:
        return signal
    shape = list(signal.shape)
    shape[dim] = count
    return torch.cat([signal, torch.zeros(shape, dtype=signal.dtype, device=signal.device)], dim)


def to_blocks(signal: Tensor, block: int) -> Tensor:
    """(B, C, T) -> (B, C, K, L), zeros behind the end."""
    batch, channels, samples = signal.shape
    count = (samples + block - 1) // block
    return pad_end(signal, count * block - samples, 2).reshape(batch, channels, count, block)


def from_blocks(blocks: Tensor) -> Tensor:
    """(B, F, K, L) -> (B, F, K L)."""
    batch, channels, count, block = blocks.shape
    return blocks.reshape(batch, channels, count * block)


def shortened(signal: Tensor, samples: int) -> Tensor:
    """The first samples of (B, F, T)."""
    if samples == signal.shape[2]:
        return signal
    return signal[:, :, :samples]


def toeplitz(table: Tensor) -> Tensor:
    """Block Toeplitz matrix of `table`: block (j, k) is table[k - j], zero for k < j.

    Parameters
    ----------
    table : Tensor [shape=(F, r, p, q)]

    Returns
    -------
    Tensor [shape=(F, r * p, r * q)]
        Made by shape operations only: a ring of 2r entries repeated r times and read with a stride
        of 2r - 1 moves on by one entry in each row. So a file keeps r entries instead of r^2.
    """
    channels, radix, rows, columns = table.shape
    ring = pad_end(table, radix, 1).unsqueeze(1)
    ring = ring.expand(channels, radix, 2 * radix, rows, columns)
    ring = ring.reshape(channels, radix * 2 * radix, rows, columns)[:, : radix * (2 * radix - 1)]
    # [i, m] is now table[(m - i) mod 2r]
    ring = ring.reshape(channels, radix, 2 * radix - 1, rows, columns)[:, :, :radix]
    return ring.permute(0, 1, 3, 2, 4).reshape(channels, radix * rows, radix * columns)


def impulse_matrix(operators: BlockOperators) -> Tensor:
    """T as (P, F, L, L): row j is what input sample j adds to the output samples of its block."""
    parts, channels, block = operators.impulse.shape
    flat = operators.impulse.reshape(parts * channels, block, 1, 1)
    return toeplitz(flat).reshape(parts, channels, block, block)


def _handed_on(powers: Tensor) -> Tensor:
    """(P, F, r, s, s) -> (P, F, r s, s): what the blocks of a group add to the state behind it."""
    parts, channels, radix, size, _ = powers.shape
    return powers.flip(2).reshape(parts, channels, radix * size, size)


def _spread(powers: Tensor) -> Tensor:
    """(P, F, r, s, s) -> (P, F, s + r s, r s): states in a group from the one at its start and its blocks."""
    parts, channels, radix, size, _ = powers.shape
    flat = powers.reshape(parts * channels, radix, size, size)  # all parts at once: a smaller graph
    started = flat.permute(0, 2, 1, 3).reshape(parts * channels, size, radix * size)
    within = toeplitz(flat)[:, :, : (radix - 1) * size]
    within = torch.cat([torch.zeros_like(within[:, :, :size]), within], dim=2)
    table = torch.cat([started, within], dim=1)
    return table.reshape(parts, channels, size + radix * size, radix * size)


def _grouped(terms: List[Tensor], groups: int, radix: int) -> List[Tensor]:  # noqa: UP006
    """(B, F, K, s) each -> (B, F, groups, r s) each, zeros behind the end."""
    batch, channels, count, size = terms[0].shape
    missing = groups * radix - count
    zeros = torch.zeros(
        (batch, channels, missing, size), dtype=terms[0].dtype, device=terms[0].device
    )
    grouped: List[Tensor] = []  # noqa: UP006
    for term in terms:
        padded = term if missing == 0 else torch.cat([term, zeros], dim=2)
        grouped.append(padded.reshape(batch, channels, groups, radix * size))
    return grouped


def _prefix(reached: List[Tensor], start: List[Tensor], powers: Tensor) -> List[Tensor]:  # noqa: UP006
    """`block_states` for K < radix**levels; `start` (B, F, 1, s) each."""
    batch, channels, count, size = reached[0].shape
    parts, radix = powers.shape[0], powers.shape[3]
    # Up: what each group of blocks hands to the next, until one group holds everything.
    grouped: List[List[Tensor]] = []  # noqa: UP006
    groups = (count + radix) // radix  # room for K + 1 states
    current = reached
    while groups > 1:
        # Cut while a row holds the states of a whole group: fewer peaks to be found.
        grouped.append(cut(_grouped(current, groups, radix), parts))
        current = times(grouped[-1], _handed_on(powers[:, len(grouped) - 1]))
        groups = (groups + radix - 1) // radix
    grouped.append(_grouped(current, groups, radix))
    # Down: from the state at the start of a group to the states of its members.
    states = start
    for back in range(len(grouped)):
        level = len(grouped) - 1 - back
        groups = grouped[level][0].shape[2]
        known: List[Tensor] = []  # noqa: UP006
        for state, members in zip(states, grouped[level]):  # noqa: B905  (TorchScript's zip)
            known.append(torch.cat([state[:, :, :groups], members], dim=3))
        if back == 0:  # further down, both are cut already
            known = cut(known, parts)
        found: List[Tensor] = []  # noqa: UP006
        for part in cut(times(known, _spread(powers[:, level])), parts):
            found.append(part.reshape(batch, channels, groups * radix, size))
        states = found
    return [state[:, :, : count + 1] for state in states]


def block_states(
    reached: List[Tensor],  # noqa: UP006
    start: Tensor,
    powers: Tensor,
) -> List[Tensor]:  # noqa: UP006
    """States at the start of every block: h[k+1] = A^L h[k] + reached[k], h[0] = start.

    Parameters
    ----------
    reached : list of P Tensor [shape=(B, F, K, s)]
        R x: what each block adds to the state, as an expansion (`design.expansion`).
    start : Tensor [shape=(B, F, P, s)]
        Its P terms.
    powers : Tensor [shape=(P, J, F, r, s, s)]
        See `BlockOperators`. More than r^J - 1 blocks are taken in several goes.

    Returns
    -------
    list of P Tensor [shape=(B, F, K + 1, s)]
        In parts, see `cut`. The last one of each is the state after the last block.
    """
    longest = 1  # TorchScript's int ** int is a float
    for _ in range(powers.shape[1]):
        longest *= powers.shape[3]
    longest -= 1
    count = reached[0].shape[2]
    states = [start[:, :, i : i + 1] for i in range(start.shape[2])]
    if count <= longest:
        return _prefix(reached, states, powers)
    pieces: List[List[Tensor]] = []  # noqa: UP006
    for begin in range(0, count, longest):
        piece = _prefix([term[:, :, begin : begin + longest] for term in reached], states, powers)
        states = [term[:, :, term.shape[2] - 1 :] for term in piece]
        pieces.append([term[:, :, : term.shape[2] - 1] for term in piece])
    pieces.append(states)
    joined: List[Tensor] = []  # noqa: UP006
    for i in range(len(states)):
        joined.append(torch.cat([piece[i] for piece in pieces], dim=2))
    return joined


class Response(NamedTuple):
    """What a filter makes of blocks, before it is added up: every list is an expansion.

    direct : T x, P tensors (B, F, K, L)
    states : h at the start of each block in parts, P tensors (B, F, K, s)
    last : the state after the last block (B, F, P, s)
    """

    direct: List[Tensor]  # noqa: UP006
    states: List[Tensor]  # noqa: UP006
    last: Tensor


def respond(
    rows: List[Tensor],  # noqa: UP006
    reached: List[Tensor],  # noqa: UP006
    operators: BlockOperators,
    start: Tensor,
) -> Response:
    """T x and the states of a filter that is fed blocks; see `filter_blocks`.

    Parameters
    ----------
    rows : list of P Tensor [shape=(B, F or 1, K, L)]
        The blocks in parts.
    reached : list of P Tensor [shape=(B, F, K, s)]
        Their products with `operators.reach`.
    operators : BlockOperators
    start : Tensor [shape=(B, F, P, s)]
    """
    count = rows[0].shape[2]
    states = block_states(reached, start, operators.powers)
    last = torch.cat([term[:, :, count:] for term in states], dim=2)
    direct = times(rows, impulse_matrix(operators))
    return Response(direct, [term[:, :, :count] for term in states], last)


def added_up(response: Response, observe: Tensor) -> Tensor:
    """The filtered signal (B, F, K L), T x + O h.

    Laid out before it is added: the sum then is the output, and not one more copy.
    """
    direct = [from_blocks(term) for term in response.direct]
    ringing = [from_blocks(term) for term in times(response.states, observe)]
    return total(direct, ringing)


def filter_blocks(
    blocks: Tensor, operators: BlockOperators, start: Tensor
) -> Tuple[Tensor, Tensor]:  # noqa: UP006
    """Filter each channel with its own linear system.

    Parameters
    ----------
    blocks : Tensor [shape=(B, F, K, L) or (B, 1, K, L)]
        One signal per channel, or one for all.
    operators : BlockOperators
    start : Tensor [shape=(B, F, P, s)]
        State before the first sample, P terms whose sum it is; zeros for silence.

    Returns
    -------
    filtered : Tensor [shape=(B, F, K L)]
    state : Tensor [shape=(B, F, P, s)]
        State after the last block, to go on from.
    """
    rows = cut([blocks], operators.reach.shape[0])
    reached = times(rows, operators.reach)
    response = respond(rows, reached, operators, start)
    return added_up(response, operators.observe), response.last


class BlockFilter(nn.Module):
    """Keeper of the operators of one filter: buffers in the module's dtype that are not saved."""

    impulse: Tensor
    reach: Tensor
    observe: Tensor
    powers: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.parts = 1
        self.count = 0  # blocks at once, where that is known to be few

    def design(self, system: StateSpace, block: int, like: Tensor, parts: int) -> None:
        """Set the operators from a float64 system; dtype and device are those of `like`.

        `parts` is the number of terms of the sums, see `design.rounding`.
        """
        self.parts = parts
        with torch.no_grad():
            designed = self.settled(system, block, like.dtype)
        for name, table in zip(designed._fields, designed, strict=True):
            self.register_buffer(name, table.to(like.device), persistent=False)

    def settled(self, system: StateSpace, block: int, dtype: torch.dtype) -> BlockOperators:
        """Operators of a float64 system, differentiable."""
        # float64 needs no expansions: its own rounding is 2^-29 of float32's.
        parts = 1 if dtype == torch.float64 else self.parts
        radix, levels = grouping(self.count, system.b.shape[0], system.b.shape[1])
        return settled(block_operators(system, block, radix, levels), dtype, parts)

    def operators(self) -> BlockOperators:
        """The four tables."""
        return BlockOperators(self.impulse, self.reach, self.observe, self.powers)

    def rest(self, batch: int) -> Tensor:
        """State of silence (B, F, P, s)."""
        parts, channels, size, _ = self.observe.shape
        return torch.zeros(
            batch, channels, parts, size, dtype=self.observe.dtype, device=self.observe.device
        )
