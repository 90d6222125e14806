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
from amt_export.design.state_space import StateSpace

# 32 to 64 samples a block are the flat optimum of ONNX Runtime on two cores (13.5-14.5 ms for one second
# of the 50-channel DRNL).
BLOCK = 32


def divisor_block(samples: int) -> int:
    """The block from 24 to 64 samples that divides `samples`, nearest to 32; 32 if there is none."""
    fitting = [block for block in range(24, 65) if samples % block == 0]
    return min(fitting, key=lambda block: abs(block - BLOCK), default=BLOCK)


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


def impulse_matrix(operators: BlockOperators) -> Tensor:
    """T as (F, L, L): row j is what input sample j adds to the output samples of its block."""
    return toeplitz(operators.impulse[:, :, None, None])


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
        handed_on = powers[len(grouped) - 1].flip(1).reshape(channels, radix * size, size)
        current = grouped[-1] @ handed_on
        groups = (groups + radix - 1) // radix
    # Down: from the state at the start of a group to the states of its members.
    states = start.unsqueeze(2)
    for back in range(len(grouped)):
        level = len(grouped) - 1 - back
        groups = grouped[level].shape[2]
        spread = powers[level].permute(0, 2, 1, 3).reshape(channels, size, radix * size)
        within = toeplitz(powers[level])[:, :, : (radix - 1) * size]
        within = torch.cat([torch.zeros_like(within[:, :, :size]), within], dim=2)
        states = states[:, :, :groups] @ spread + grouped[level] @ within
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
    """States (B, F, K + 1, s) of a filter that is fed `blocks` (B, F or 1, K, L)."""
    return block_states(blocks @ operators.reach, start, operators.powers)


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
    states = run_states(blocks, operators, start)
    count = blocks.shape[2]
    ringing = states[:, :, :count] @ operators.observe
    return blocks @ impulse_matrix(operators) + ringing, states[:, :, count]


class BlockFilter(nn.Module):
    """Keeper of the operators of one filter: buffers in the module's dtype that are not saved."""

    impulse: Tensor
    observe: Tensor
    reach: Tensor
    powers: Tensor

    def design(self, system: StateSpace, block: int, like: Tensor) -> None:
        """Set the operators from a float64 system; dtype and device are those of `like`."""
        with torch.no_grad():
            designed = settled(block_operators(system, block), like.dtype)
        for name, table in zip(designed._fields, designed, strict=True):
            self.register_buffer(name, table.to(like.device), persistent=False)

    def operators(self) -> BlockOperators:
        """The four tables."""
        return BlockOperators(self.impulse, self.observe, self.reach, self.powers)

    def rest(self, batch: int) -> Tensor:
        """State of silence (B, F, s)."""
        channels, size, _ = self.observe.shape
        return torch.zeros(
            batch, channels, size, dtype=self.observe.dtype, device=self.observe.device
        )
