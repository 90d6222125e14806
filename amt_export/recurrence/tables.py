"""The matrices of a filter in block form, and the few numbers that a file keeps of them.

With h the state at the start of a block of L samples x, the output y and the next state are

    y = x T + h O,    h' = h (A^L)' + x K

x, y and h are rows, and ' after a matrix is its transpose, so that all products are from the right. T is the
upper triangular Toeplitz matrix of the impulse response, O = [c; cA; ...; cA^(L-1)]', and the rows of K are
A^(L-1) b, ..., b. The states of many blocks are a prefix scan with (A^L)', see `prefix_scan`.
"""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor

from amt_export.numerics.toeplitz import toeplitz
from amt_export.recurrence.state_space import StateSpace

# Smaller entries become zero, in float32 and float64: their products with samples of 1e-8 would be denormal
# numbers, which take processors up to a hundred times as long.
NEGLIGIBLE, NEGLIGIBLE_DOUBLE = 1e-30, 1e-300


class Level(NamedTuple):
    """One level of the prefix scan: groups of r members with s states each.

    group_inputs : (F, (r - 1) s, (r - 1) s), from the members to the states inside their group
    group_total : (F, r s, s), from the members to the state after their group
    group_carry : (F, s, (r - 1) s), from the state at the start of a group to those inside it
    """

    group_inputs: Tensor
    group_total: Tensor
    group_carry: Tensor


class Tables(NamedTuple):
    """Matrices of one filter for F channels, s states and blocks of L samples.

    impulse : (F, L, L), T
    input_to_state : (F, L, s), K
    state_to_output : (F, s, L), O
    transition : (F, s, s), the transpose of A^L
    top : (F, r s, s), from the last r of the largest groups to the state after them
    levels : list of Level, from single blocks upwards
    most_blocks : blocks that the levels were chosen for, which is the most they may be given; 0 for any number
    """

    impulse: Tensor
    input_to_state: Tensor
    state_to_output: Tensor
    transition: Tensor
    top: Tensor
    levels: List[Level]
    most_blocks: int


def design_tables(
    system: StateSpace, block: int, radices: List[int], most_blocks: int = 0
) -> Tables:
    """Tables of a float64 system; differentiable.

    Parameters
    ----------
    system : StateSpace
    block : int
        L.
    radices : list of int
        Members of a group on each level; the last one is r of `Tables.top`. See `choose_radices`.
    most_blocks : int
        The count that `choose_radices` was given.
    """
    state_to_output, input_to_state, step = krylov_products(system, block)
    transition = step.transpose(-1, -2)
    levels: List[Level] = []
    for radix in radices[:-1]:
        powers = _powers(step, radix)
        levels.append(
            Level(toeplitz(powers[:, : radix - 1]), _total(powers, radix), _carry(powers, radix))
        )
        step = powers[:, radix].transpose(-1, -2)
    return Tables(
        toeplitz(_taps(system, state_to_output)[:, :, None, None]),
        input_to_state,
        state_to_output.transpose(-1, -2),
        transition,
        _total(_powers(step, radices[-1]), radices[-1]),
        levels,
        most_blocks,
    )


def krylov_products(system: StateSpace, length: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Products of powers of A with b and c.

    Parameters
    ----------
    system : StateSpace
        float64, F channels with s states.
    length : int
        n >= 1.

    Returns
    -------
    state_to_output : Tensor [shape=(F, n, s)]
        Rows c A^k for k = 0 ... n - 1.
    input_to_state : Tensor [shape=(F, n, s)]
        Rows A^(n - 1 - k) b.
    step : Tensor [shape=(F, s, s)]
        A^n.
    """
    power = system.A
    state_to_output = system.c[:, None, :]
    input_to_state = system.b[:, None, :]
    digits: List[int] = []
    remaining = length
    while remaining > 1:
        digits.append(remaining % 2)
        remaining = remaining // 2
    digits.reverse()
    for digit in (
        digits
    ):  # the binary digits after the leading 1: double n, and add one where the digit is 1
        state_to_output = torch.cat([state_to_output, state_to_output @ power], dim=1)
        earlier = input_to_state @ power.transpose(-1, -2)
        input_to_state = torch.cat([earlier, input_to_state], dim=1)
        power = power @ power
        if digit == 1:
            last = state_to_output[:, -1:] @ system.A
            state_to_output = torch.cat([state_to_output, last], dim=1)
            first = input_to_state[:, :1] @ system.A.transpose(-1, -2)
            input_to_state = torch.cat([first, input_to_state], dim=1)
            power = power @ system.A
    return state_to_output, input_to_state, power


def impulse_response(system: StateSpace, length: int) -> Tensor:
    """The beginning of the impulse response: d, c b, c A b, ...

    Parameters
    ----------
    system : StateSpace
        float64.
    length : int
        Samples, at least 1.

    Returns
    -------
    Tensor [shape=(F, length)], float64

    Examples
    --------
    >>> from amt_export.recurrence.state_space import one_pole_cascade
    >>> pole = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    >>> impulse_response(one_pole_cascade(pole, 1, torch.tensor([[1.0, 0.0]]).double()), 3)
    tensor([[1.0000, 0.5000, 0.2500]], dtype=torch.float64)
    """
    return _taps(system, krylov_products(system, length)[0])


def _taps(system: StateSpace, state_to_output: Tensor) -> Tensor:
    """d, and c A^k b for all rows c A^k but the last."""
    count = state_to_output.shape[1]
    after_first = (state_to_output[:, : count - 1] @ system.b[:, :, None])[:, :, 0]
    return torch.cat([system.d[:, None], after_first], dim=1)


def _powers(step: Tensor, count: int) -> Tensor:
    """Transposed powers 0 to `count` of (F, s, s), as (F, count + 1, s, s)."""
    power = torch.eye(step.shape[-1], dtype=step.dtype, device=step.device).expand_as(step)
    powers: List[Tensor] = [power]
    for _ in range(count):
        powers.append(powers[-1] @ step)
    return torch.stack(powers, dim=1).transpose(-1, -2)


def _total(powers: Tensor, radix: int) -> Tensor:
    """Reverse the powers: the oldest member is multiplied by the highest."""
    return powers[:, :radix].flip(1).flatten(1, 2)


def _carry(powers: Tensor, radix: int) -> Tensor:
    """Powers 1 to `radix` - 1 side by side: (F, s, (r - 1) s)."""
    return powers[:, 1:radix].permute(0, 2, 1, 3).flatten(2, 3)


def cast_tables(tables: Tables, dtype: torch.dtype) -> Tables:
    """Cast once to the dtype of the computation; entries too small to matter become zero."""
    levels: List[Level] = []
    for level in tables.levels:
        levels.append(
            Level(
                cast_table(level.group_inputs, dtype),
                cast_table(level.group_total, dtype),
                cast_table(level.group_carry, dtype),
            )
        )
    return Tables(
        cast_table(tables.impulse, dtype),
        cast_table(tables.input_to_state, dtype),
        cast_table(tables.state_to_output, dtype),
        cast_table(tables.transition, dtype),
        cast_table(tables.top, dtype),
        levels,
        tables.most_blocks,
    )


def cast_table(
    table: Tensor,
    dtype: torch.dtype,
    single: float = NEGLIGIBLE,
    double: float = NEGLIGIBLE_DOUBLE,
) -> Tensor:
    """Cast once; entries too small to matter become zero. The limits are defaults for TorchScript."""
    negligible = double if dtype == torch.float64 else single
    # Subtracted, not replaced: an entry that is 0 by design still has a gradient.
    small = torch.where(table.abs() < negligible, table, torch.zeros_like(table)).detach()
    return (table - small).to(dtype)


class PackedTables(NamedTuple):
    """Each distinct column once, and an index for every place.

    A column has the F numbers, one for each channel, at one place of a table. The tables are five to seven
    times as large as their distinct columns. A file stores the latter, and runtimes gather the tables when they
    load it.

    values : (F, n), distinct columns, sorted
    indices : (m,), int32, into `values`, all tables one after the other
    rows, columns : sizes of each table
    most_blocks : see `Tables`
    """

    values: Tensor
    indices: Tensor
    rows: List[int]
    columns: List[int]
    most_blocks: int


def pack_tables(tables: Tables) -> PackedTables:
    """Find the distinct columns of all tables."""
    # First the tables of the whole filter, then three for each level; `unpack_tables` relies on this order.
    flat = [*tables[:5], *(table for level in tables.levels for table in level)]
    entries = torch.cat([table.flatten(1) for table in flat], dim=1)
    values, indices = torch.unique(entries, dim=1, return_inverse=True)
    return PackedTables(
        values.contiguous(),
        indices.to(torch.int32),
        [table.shape[1] for table in flat],
        [table.shape[2] for table in flat],
        tables.most_blocks,
    )


def unpack_tables(packed: PackedTables) -> Tables:
    """Gather the tables."""
    channels = packed.values.shape[0]
    sizes = [rows * columns for rows, columns in zip(packed.rows, packed.columns)]
    pieces = torch.split(torch.index_select(packed.values, 1, packed.indices), sizes, dim=1)
    flat: List[Tensor] = []
    for i in range(len(sizes)):
        flat.append(pieces[i].reshape(channels, packed.rows[i], packed.columns[i]))
    levels: List[Level] = []
    for i in range(5, len(flat), 3):
        levels.append(Level(flat[i], flat[i + 1], flat[i + 2]))
    return Tables(flat[0], flat[1], flat[2], flat[3], flat[4], levels, packed.most_blocks)
