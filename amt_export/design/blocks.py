"""From a state-space system to the matrices that filter a whole block at once.

For a block of L samples   y = T x + O h,   h' = A^L h + R x   with T the Toeplitz matrix of the
impulse response, O = [c; cA; ...], R = [A^(L-1) b ... b]. The block states themselves are a prefix
over blocks, solved in groups of RADIX with the powers of A^L, then in groups of groups.
Only the generating numbers are kept: T and the group matrices are laid out from them in the graph.
"""

from typing import List, NamedTuple, Tuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor

from amt_export.design.expansion import table_parts
from amt_export.design.state_space import StateSpace

# Entries below this cannot move a float32 sum whose terms are of order 1, but as denormal numbers they
# would make products up to a hundred times slower.
NEGLIGIBLE = 1e-30
# Groups of 4 to 8 blocks are a flat optimum of ONNX Runtime; five levels of groups take 3124 blocks at once.
RADIX = 5
LEVELS = 5


# A stream's own blocks: shorter ones cost more in the states, longer ones more in the impulse matrix.
SHORTEST, LONGEST = 32, 256
# Numbers of a group matrix (1 MB) that a processor's own cache holds: one level of groups is then fastest.
CACHED = 1 << 18


def stream_block(samples: int) -> int:
    """The filter's own block for a stream in blocks of `samples`: it must divide them.

    Raises
    ------
    ValueError
        If no block of 32 to 256 samples does.
    """
    if samples <= 2 * SHORTEST:
        return samples
    for block in range(SHORTEST, LONGEST + 1):
        if samples % block == 0:
            return block
    raise ValueError(
        f"no divisor from {SHORTEST} to {LONGEST}; take a multiple of {SHORTEST}, or at most {2 * SHORTEST}"
    )


def grouping(
    count: int,
    channels: int,
    size: int,
    radix: int = RADIX,
    levels: int = LEVELS,
    cached: int = CACHED,
) -> Tuple[int, int]:  # noqa: UP006
    """Radix and levels of the prefix over blocks.

    Parameters
    ----------
    count : int
        Blocks at once; 0 for any number.
    channels, size : int
        Channels and states of the filter.
    radix, levels, cached : int
        Constants; TorchScript reads no globals.

    Returns
    -------
    radix, levels : int
        For few blocks one level, or two where its matrix would be too large.
    """
    if count == 0:
        return radix, levels
    states = count + 1
    if channels * (states * size) ** 2 <= cached:
        return states, 1
    root = 2
    while root * root < states:
        root += 1
    return root, 2


class BlockOperators(NamedTuple):
    """What `modules.block_filter` needs. F channels, s states, block L, J levels of radix r.

    All tables come in P parts, see `design.expansion`: one as designed, P when `settled`.

    impulse : (P, F, L) impulse response h[0..L-1]
    reach : (P, F, L, s) row j is (A^(L-1-j) b)^T
    observe : (P, F, s, L) column k is (c A^k)^T
    powers : (P, J, F, r, s, s) powers[:, l, :, m] is (A^(L r^l m))^T
    """

    impulse: Tensor
    reach: Tensor
    observe: Tensor
    powers: Tensor


def _march(system: StateSpace, length: int) -> Tuple[Tensor, Tensor, Tensor]:  # noqa: UP006
    """Rows c A^k (F, n, s), rows A^(n-1-k) b (F, n, s), and A^n (F, s, s), for n = `length`."""
    step = system.A  # A^count
    seen = system.c[:, None, :]
    reached = system.b[:, None, :]
    digits: List[int] = []  # noqa: UP006
    remaining = length
    while remaining > 1:
        digits.append(remaining % 2)
        remaining = remaining // 2
    digits.reverse()  # the binary digits behind the leading 1: double the count, then add one
    for digit in digits:
        seen = torch.cat([seen, seen @ step], dim=1)
        reached = torch.cat([reached @ step.transpose(-1, -2), reached], dim=1)
        step = step @ step
        if digit == 1:
            seen = torch.cat([seen, seen[:, -1:] @ system.A], dim=1)
            reached = torch.cat([reached[:, :1] @ system.A.transpose(-1, -2), reached], dim=1)
            step = step @ system.A
    return seen, reached, step


def impulse_response(system: StateSpace, length: int) -> Tensor:
    """First `length` samples (F, length) of the impulse response: d, c b, c A b, ..."""
    seen, _, _ = _march(system, length)
    echo = (seen[:, : length - 1] @ system.b[:, :, None])[:, :, 0]
    return torch.cat([system.d[:, None], echo], dim=1)


def block_operators(
    system: StateSpace, block: int, radix: int = RADIX, levels: int = LEVELS
) -> BlockOperators:
    """Matrices of the block form, in the dtype of the system (float64 by design).

    Parameters
    ----------
    system : StateSpace
    block : int
        L.
    radix, levels : int
        One pass of the filter takes up to radix**levels - 1 blocks.
    """
    seen, reached, step = _march(system, block)
    impulse = impulse_response(system, block)
    tables: List[Tensor] = []  # noqa: UP006
    for _ in range(levels):
        power = torch.eye(step.shape[-1], dtype=step.dtype, device=step.device).expand_as(step)
        table: List[Tensor] = []  # noqa: UP006
        for _ in range(radix):
            table.append(power.transpose(-1, -2))
            power = power @ step
        tables.append(torch.stack(table, dim=1))
        step = power
    return BlockOperators(
        impulse[None], reached[None], seen.transpose(-1, -2)[None], torch.stack(tables)[None]
    )


def settled(operators: BlockOperators, dtype: torch.dtype, parts: int) -> BlockOperators:
    """Cast once to the module's dtype; numbers too small to matter become zero.

    Parameters
    ----------
    operators : BlockOperators
        In one part, float64.
    dtype : torch.dtype
    parts : int
        P, see `design.expansion`. The grid of a part is common to all that is summed into one output number.
    """
    impulse, reach, observe, powers = operators
    return BlockOperators(
        table_parts(_settle(impulse[0]), parts, [1], dtype),
        table_parts(_settle(reach[0]), parts, [1], dtype),
        table_parts(_settle(observe[0]), parts, [1], dtype),
        table_parts(_settle(powers[0]), parts, [2, 3], dtype),
    )


def _settle(table: Tensor, negligible: float = NEGLIGIBLE) -> Tensor:
    # Taken off, not replaced: an entry that is 0 by design still has a gradient.
    return table - torch.where(table.abs() < negligible, table, torch.zeros_like(table)).detach()
