"""From a state-space system to the matrices that filter a whole block at once.

For a block of L samples   y = T x + O h,   h' = A^L h + R x   with T the Toeplitz matrix of the
impulse response, O = [c; cA; ...], R = [A^(L-1) b ... b]. The block states themselves are a prefix
over blocks, solved in groups of a few blocks with the powers of A^L, then in groups of groups.
Only the generating numbers are kept: T and the group matrices are laid out from them in the graph.
"""

from collections.abc import Callable
from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor

from amt_export.design.compensated import HEAD_BITS
from amt_export.design.expansion import (
    OBSERVE_BITS,
    POWER_BITS,
    REACH_BITS,
    table_parts,
)
from amt_export.recurrence.state_space import StateSpace

# Entries below this cannot move a float32 sum whose terms are of order 1, but as denormal numbers they
# would make products up to a hundred times slower.
NEGLIGIBLE = 1e-30
# Blocks in a group, the best first: ONNX Runtime is as fast with four as with five, and lean sums are more
# exact (30-channel gammatone at 16 kHz; ten take a fifth more time).
FINE = (4, 5, 3)
# Groups in a group, the best first. Larger ones would make tables that take longer to read than to use.
COARSE = (5, 4, 7, 6, 3)
# Groups that the top level looks back on: all, if there are no more than this, or those that are not forgotten.
# A gammatone stream of 8 blocks is a tenth faster without a level below; one of 16 (the DRNL's) is slower.
LOOK_BACK, FORGETS = 8, 7
# Blocks at once where their number is not known and none is forgotten.
MANY = 4 * 5**4


# A stream's own blocks: shorter ones cost more in the states, longer ones more in the impulse matrix.
SHORTEST, LONGEST = 32, 256


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


def memory(system: StateSpace, samples: int, dtype: torch.dtype, most: int = FORGETS) -> int:
    """How many steps of so many samples a filter remembers, as far as `dtype` can tell; `most` + 1 if more.

    What is below the square of a dtype's precision is forgotten: float32's is 1e-14, of which a compression
    makes 1e-9 of an output.

    Parameters
    ----------
    system : StateSpace
        float64, in coordinates whose states are no larger than the input.
    samples : int
    dtype : torch.dtype
        Of the filter, not of its design.
    most : int
    """
    step = torch.linalg.matrix_power(system.A.detach(), samples)
    power, count = step, 1
    while count <= most and float(power.abs().max()) > torch.finfo(dtype).eps ** 2:
        power, count = power @ step, count + 1
    return count


class Groups(NamedTuple):
    """How blocks are grouped.

    radices : blocks in a group, groups in a group of groups, and so on; the last one: how many of the largest
        groups are looked back on
    forgets : it need not look back further
    """

    radices: List[int]
    forgets: bool


def grouping(
    count: int, remembered: Callable[[int], int] | None = None, goes_on: bool = False
) -> Groups:
    """Choose groups for so many blocks.

    Parameters
    ----------
    count : int
        Blocks at once; 0 for any number.
    remembered : callable, optional
        How many groups of so many blocks are remembered: see `memory`. By default all.
    goes_on : bool
        Whether the state behind the last group is found like those at the start of groups: where none is
        forgotten, it looks back on one more.

    Returns
    -------
    Groups
        The product of its radices is at least `count`, and `count` if there are factors of up to 7 (so that
        nothing is padded), unless it forgets or goes on.
    """
    count = count or MANY
    radices = list[int]()
    group, groups = 1, count
    while True:
        needed = FORGETS + 1 if remembered is None else remembered(group)
        if needed <= min(groups, FORGETS):
            return Groups([*radices, needed], True)
        if groups <= LOOK_BACK:
            return Groups([*radices, groups + 1 if goes_on else groups], False)
        radices.append(_divisor(groups, COARSE if radices else FINE))
        group, groups = group * radices[-1], -(-groups // radices[-1])


def _divisor(count: int, among: Tuple[int, ...]) -> int:
    return next((radix for radix in among if count % radix == 0), among[0])


class BlockOperators(NamedTuple):
    """What `modules.block_filter` needs. F channels, s states, block L, groups of r blocks.

    Tables come in P parts, see `design.expansion`: one as designed, P when `settled`.

    impulse : (P, F, L) impulse response h[0..L-1]
    reach : (P, F, L, s) row j is (A^(L-1-j) b)^T
    observe : (P, F, s, L) column k is (c A^k)^T
    fine : (P, F, r + 1, s, s) fine[:, :, m] is (A^(L m))^T
    coarse : (P, F, r1 + r2 + ..., s, s) for each level of groups the powers 0 to r1 - 1 of a group's A^(L r)
    radices : [r1, r2, ...], see `Groups`
    forgets : see `Groups`
    lean : the parts are those of lean sums, P = 2
    """

    impulse: Tensor
    reach: Tensor
    observe: Tensor
    fine: Tensor
    coarse: Tensor
    radices: List[int]
    forgets: bool
    lean: bool


def _march(system: StateSpace, length: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Rows c A^k (F, n, s), rows A^(n-1-k) b (F, n, s), and A^n (F, s, s), for n = `length`."""
    step = system.A  # A^count
    seen = system.c[:, None, :]
    reached = system.b[:, None, :]
    digits: List[int] = []
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


def _powers(step: Tensor, count: int) -> Tensor:
    """Transposed powers 0 to `count` of (F, s, s) as (F, count + 1, s, s)."""
    power = torch.eye(step.shape[-1], dtype=step.dtype, device=step.device).expand_as(step)
    table: List[Tensor] = [power]
    for _ in range(count):
        table.append(table[-1] @ step)
    return torch.stack(table, dim=1).transpose(-1, -2)


def block_operators(
    system: StateSpace,
    block: int,
    radices: List[int],
    forgets: bool = False,
) -> BlockOperators:
    """Matrices of the block form, in the dtype of the system (float64 by design).

    Parameters
    ----------
    system : StateSpace
    block : int
        L.
    radices, forgets : see `Groups`
    """
    seen, reached, step = _march(system, block)
    impulse = impulse_response(system, block)
    fine = _powers(step, radices[0])
    step = fine[:, radices[0]].transpose(-1, -2)
    levels: List[Tensor] = [fine[:, :0]]
    for radix in radices[1:]:
        powers = _powers(step, radix)
        levels.append(powers[:, :radix])
        step = powers[:, radix].transpose(-1, -2)
    return BlockOperators(
        impulse[None],
        reached[None],
        seen.transpose(-1, -2)[None],
        fine[None],
        torch.cat(levels, dim=1)[None],
        radices[1:],
        forgets,
        False,
    )


def settled(
    operators: BlockOperators,
    dtype: torch.dtype,
    parts: int,
    lean: bool,
    bits: Tuple[int, int, int, int] = (HEAD_BITS, REACH_BITS, OBSERVE_BITS, POWER_BITS),
    head: int = HEAD_BITS,
) -> BlockOperators:
    """Cast once to the module's dtype; numbers too small to matter become zero.

    Parameters
    ----------
    operators : BlockOperators
        In one part, float64.
    dtype : torch.dtype
    parts : int
        P, see `design.expansion`. The grid of a part is common to all that is summed into one output number.
    lean : bool
        Lean sums, P = 2.
    bits, head : int
        Constants; TorchScript reads no globals.
    """
    impulse, reach, observe, fine, coarse, radices, forgets, _ = operators
    if not lean:
        bits = (head, head, head, head)
    # One table for both, so that there is something to find the peak of where there are no coarse levels.
    powers = table_parts(
        _settle(torch.cat([fine[0], coarse[0]], dim=1)), parts, [1, 2, 3], dtype, bits[3]
    )
    return BlockOperators(
        table_parts(_settle(impulse[0]), parts, [1], dtype, bits[0]),
        table_parts(_settle(reach[0]), parts, [1], dtype, bits[1]),
        table_parts(_settle(observe[0]), parts, [1], dtype, bits[2]),
        powers[:, :, : fine.shape[2]].contiguous(),
        powers[:, :, fine.shape[2] :].contiguous(),
        radices,
        forgets,
        lean,
    )


def _settle(table: Tensor, negligible: float = NEGLIGIBLE) -> Tensor:
    # Taken off, not replaced: an entry that is 0 by design still has a gradient.
    return table - torch.where(table.abs() < negligible, table, torch.zeros_like(table)).detach()
