"""Recursive filters as matrix products: exact, static, with the state in and out.

Signals are cut into blocks of L samples, (B, C, K, L). With T the Toeplitz matrix of the impulse
response and h[k] the state at the start of block k

    y[k] = T x[k] + O h[k],    h[k+1] = A^L h[k] + R x[k],

and the second line, a recursion over blocks, is solved in groups of blocks (`block_states`).
"""

from typing import List, Tuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor, nn

from amt_export.design.blocks import BlockOperators, block_operators, settled
from amt_export.design.compensated import SHIFT
from amt_export.design.state_space import StateSpace

# Longer blocks cost more in the impulse matrix, shorter ones more in the states; 32 to 40 samples are the flat
# optimum of ONNX Runtime (30-channel gammatone at 16 kHz; the 50-channel DRNL has it at 36).
BLOCK = 32
# Longer blocks of odd lengths would still be right, but cost more than the filter should.
LONGEST_BLOCK = 256


def divisor_block(samples: int) -> int:
    """The shortest block from 32 to 64 samples that divides `samples`; 32 if there is none."""
    return next((block for block in range(BLOCK, 2 * BLOCK + 1) if samples % block == 0), BLOCK)


def stream_block(samples: int) -> int:
    """The filter's own block for a stream in blocks of `samples`: it must divide them.

    Raises
    ------
    ValueError
        If no block of 32 to 256 samples does.
    """
    if samples <= 2 * BLOCK:
        return samples
    divisors = [block for block in range(BLOCK, LONGEST_BLOCK + 1) if samples % block == 0]
    if not divisors:
        raise ValueError(
            f"no divisor from {BLOCK} to {LONGEST_BLOCK}; take a multiple of {BLOCK}, or {2 * BLOCK} at most"
        )
    return divisors[0]


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


def from_blocks(blocks: Tensor, samples: int) -> Tensor:
    """(B, F, K, L) -> (B, F, T)."""
    batch, channels, count, block = blocks.shape
    signal = blocks.reshape(batch, channels, count * block)
    if samples == count * block:
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


def multiplied(x: Tensor, table: Tensor, shift: float = SHIFT) -> Tensor:
    """Rows of x (..., n) times a table in parts (P, F, n, m).

    A table in two parts is multiplied with rounding once, see `design.compensated`: the rows are cut
    at a grid like the table, and head head + (rest whole + head rest) is their product.
    """
    if table.shape[0] == 1:
        return x @ table[0]
    head, rest = table[0], table[1]
    step = shift * torch.amax(torch.abs(x), dim=-1, keepdim=True)
    x_head = (x + step) - step
    mixed = torch.cat([x - x_head, x_head], dim=-1)
    return x_head @ head + mixed @ torch.cat([head + rest, rest], dim=1)


def impulse_matrix(operators: BlockOperators) -> Tensor:
    """T as (P, F, L, L): row j is what input sample j adds to the output samples of its block."""
    impulse = operators.impulse
    parts: List[Tensor] = []  # noqa: UP006
    for i in range(impulse.shape[0]):
        parts.append(toeplitz(impulse[i, :, :, None, None]))
    return torch.stack(parts)


def _handed_on(powers: Tensor) -> Tensor:
    """(F, r, s, s) -> (F, r s, s): what the blocks of a group add to the state behind it."""
    channels, radix, size, _ = powers.shape
    return powers.flip(1).reshape(channels, radix * size, size)


def _spread(powers: Tensor) -> Tensor:
    """(F, r, s, s) -> (F, s + r s, r s): states in a group from the one at its start and its blocks."""
    channels, radix, size, _ = powers.shape
    started = powers.permute(0, 2, 1, 3).reshape(channels, size, radix * size)
    within = toeplitz(powers)[:, :, : (radix - 1) * size]
    within = torch.cat([torch.zeros_like(within[:, :, :size]), within], dim=2)
    return torch.cat([started, within], dim=1)


def _prefix(reached: Tensor, start: Tensor, powers: Tensor) -> Tensor:
    """`block_states` for K < radix**levels."""
    batch, channels, count, size = reached.shape
    radix = powers.shape[2]
    # Up: what each group of blocks hands to the next, until one group holds everything.
    grouped: List[Tensor] = []  # noqa: UP006
    groups = (count + radix) // radix  # room for K + 1 states
    current = reached
    while True:
        current = pad_end(current, groups * radix - current.shape[2], 2)
        grouped.append(current.reshape(batch, channels, groups, radix * size))
        if groups == 1:
            break
        current = grouped[-1] @ _handed_on(powers[len(grouped) - 1])
        groups = (groups + radix - 1) // radix
    # Down: from the state at the start of a group to the states of its members.
    states = start.unsqueeze(2)
    for back in range(len(grouped)):
        level = len(grouped) - 1 - back
        groups = grouped[level].shape[2]
        known = torch.cat([states[:, :, :groups], grouped[level]], dim=3)
        states = known @ _spread(powers[level])
        states = states.reshape(batch, channels, groups * radix, size)
    return states[:, :, : count + 1]


def block_states(reached: Tensor, start: Tensor, powers: Tensor) -> Tensor:
    """States at the start of every block: h[k+1] = A^L h[k] + reached[k], h[0] = start.

    Parameters
    ----------
    reached : Tensor [shape=(B, F, K, s)]
        R x: what each block adds to the state.
    start : Tensor [shape=(B, F, s)]
    powers : Tensor [shape=(J, F, r, s, s)]
        See `BlockOperators`. More than r^J - 1 blocks are taken in several goes.

    Returns
    -------
    Tensor [shape=(B, F, K + 1, s)]
        The last one is the state after the last block.
    """
    longest = 1  # TorchScript's int ** int is a float
    for _ in range(powers.shape[0]):
        longest *= powers.shape[2]
    longest -= 1
    if reached.shape[2] <= longest:
        return _prefix(reached, start, powers)
    pieces: List[Tensor] = []  # noqa: UP006
    for begin in range(0, reached.shape[2], longest):
        piece = _prefix(reached[:, :, begin : begin + longest], start, powers)
        start = piece[:, :, -1]
        pieces.append(piece[:, :, :-1])
    pieces.append(start.unsqueeze(2))
    return torch.cat(pieces, dim=2)


def run_states(blocks: Tensor, operators: BlockOperators, start: Tensor) -> Tensor:
    """States (B, F, K + 1, s) of a filter that is fed blocks (B, F or 1, K, L)."""
    return block_states(multiplied(blocks, operators.reach), start, operators.powers)


def filter_blocks(
    blocks: Tensor, operators: BlockOperators, start: Tensor
) -> Tuple[Tensor, Tensor]:  # noqa: UP006
    """Filter each channel with its own linear system.

    Parameters
    ----------
    blocks : Tensor [shape=(B, F, K, L) or (B, 1, K, L)]
        One signal per channel, or one for all.
    operators : BlockOperators
    start : Tensor [shape=(B, F, s)]
        State before the first sample; zeros for silence.

    Returns
    -------
    filtered : Tensor [shape=(B, F, K, L)]
    state : Tensor [shape=(B, F, s)]
        State after the last block, to go on from.
    """
    count = blocks.shape[2]
    states = run_states(blocks, operators, start)
    direct = multiplied(blocks, impulse_matrix(operators))
    ringing = states[:, :, :count] @ operators.observe
    return direct + ringing, states[:, :, count]


class BlockFilter(nn.Module):
    """Keeper of the operators of one filter: buffers in the module's dtype that are not saved."""

    impulse: Tensor
    reach: Tensor
    observe: Tensor
    powers: Tensor

    def __init__(self, precise: bool) -> None:
        super().__init__()
        self.precise = precise

    def design(self, system: StateSpace, block: int, like: Tensor) -> None:
        """Set the operators from a float64 system; dtype and device are those of `like`."""
        with torch.no_grad():
            designed = self.settled(system, block, like.dtype)
        for name, table in zip(designed._fields, designed, strict=True):
            self.register_buffer(name, table.to(like.device), persistent=False)

    def settled(self, system: StateSpace, block: int, dtype: torch.dtype) -> BlockOperators:
        """Operators of a float64 system, differentiable."""
        return settled(block_operators(system, block), dtype, self.precise)

    def operators(self) -> BlockOperators:
        """The four tables."""
        return BlockOperators(self.impulse, self.reach, self.observe, self.powers)

    def rest(self, batch: int) -> Tensor:
        """State of silence (B, F, s)."""
        channels, size, _ = self.observe.shape
        return torch.zeros(
            batch, channels, size, dtype=self.observe.dtype, device=self.observe.device
        )
