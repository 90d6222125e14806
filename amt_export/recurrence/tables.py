"""The matrices of the block form, laid out from the few numbers that make them.

Laid out, the tables are five to seven times as large as the numbers, each of which stands in many places.
So a file keeps the numbers, and for each entry of a table where its number is; ONNX Runtime looks them up
when it loads.
"""

from typing import List, NamedTuple

import torch
from torch import Tensor

from amt_export.design.expansion import joined, products, with_tails
from amt_export.numerics.blocks import LANES, toeplitz
from amt_export.recurrence.operators import BlockOperators


class BlockTables(NamedTuple):
    """What blocks and states are multiplied by: P terms, F channels, s states, blocks of L, groups of r.

    Numbers in P parts are multiplied by P tables (`design.expansion.times`), one for each term of the result.
    Lean sums' states have their terms side by side, as if they were one part of P s, and one table.

    impulse : P of (F, (k + 1) L, L): row j of the first is what input sample j adds to its block
    reach : P of (F, (k + 1) L, s) what a block adds to the state; or one (F, P L, P s), see `reached_at_once`
    observe : P of (F, (k + 1) s, L) what the state adds to a block; of lean sums (F, P s, L)
    onward : (F, P s, P s) the state one block later, terms side by side
    top : (F, r P s, P s) what the last r of the largest groups add to the state behind them, or what all began
        with; terms side by side in each group
    within : for each level below P of (F, (k + 1) r s, r s): what the members of a group add to the state
        behind each of them, the last of which is handed on; of lean sums two, (F, (r - 1) P s, (r - 1) P s) for
        the states inside the group and (F, r P s, P s) for the one that is handed on
    started : for each level below P of (F, (k + 1) s, (r - 1) s): the states inside a group from the one at its
        start
    radices : r of each level
    forgets : more than r members at the top would add nothing, so any number of blocks can be taken at once
    lean : lean sums, whose states above the second level have one term
    """

    impulse: List[Tensor]
    reach: List[Tensor]
    observe: List[Tensor]
    onward: Tensor
    top: Tensor
    within: List[List[Tensor]]
    started: List[List[Tensor]]
    radices: List[int]
    forgets: bool
    lean: bool


def carried(parts: int, lean: bool) -> int:
    """Q, the terms of a state that is handed on for long.

    Lean sums have a second term because float32 loses a digit when it adds 50 numbers. The state itself loses
    little when it is rounded once in hundreds of samples.
    """
    return 1 if lean else parts


def states_apart(parts: int, lean: bool) -> int:
    """In how many tensors states are kept: one for each part, or lean ones side by side in one."""
    return 1 if lean else parts


def reached_at_once(parts: int, size: int, lean: bool, lanes: int = LANES) -> bool:
    """Whether one product makes all terms of what a block adds to the state.

    Two spare the zeros in its table, but fewer columns than a processor takes at once cost the same.
    """
    return lean or parts * size <= lanes


def in_order(
    tables: List[Tensor],
    radices: List[int],
    parts: int,
    forgets: bool,
    lean: bool,
) -> BlockTables:
    """Tables from one list: `impulse`, `reach`, `observe`, `onward`, `top`, then two of each level below."""
    kinds = states_apart(parts, lean)
    first = len(tables) - (len(radices) - 1) * (parts + kinds)
    seen = first - 2 - parts
    within: List[List[Tensor]] = []
    started: List[List[Tensor]] = []
    for _ in range(len(radices) - 1):
        within.append(tables[first : first + parts])
        first += parts
        started.append(tables[first : first + kinds])
        first += kinds
    return BlockTables(
        tables[:parts],
        tables[parts:seen],
        tables[seen : seen + parts],
        tables[seen + parts],
        tables[seen + parts + 1],
        within,
        started,
        radices,
        forgets,
        lean,
    )


def laid_out(operators: BlockOperators) -> BlockTables:
    """Lay out tables by shape operations only; differentiable."""
    parts = operators.impulse.shape[0]
    radices = [operators.fine.shape[2] - 1]
    radices.extend(operators.radices)
    tables = _laid_out(_with_tails(operators))
    return in_order(tables, radices, parts, operators.forgets, operators.lean)


class Packed(NamedTuple):
    """Tables as the numbers in them, and where each entry stands among those.

    numbers : (F, n), the first one is 0
    where : (m,), int32, all tables one after the other
    rows, columns : of each table
    """

    numbers: Tensor
    where: Tensor
    rows: List[int]
    columns: List[int]


def packed(operators: BlockOperators) -> Packed:
    """Find where each entry of `laid_out` comes from: by laying out places instead of numbers."""
    whole = _with_tails(operators)
    numbers: List[Tensor] = [torch.zeros_like(whole.impulse[0, :, :1])]
    places: List[Tensor] = []
    first = 1
    for table in whole[:5]:
        count = table[:, 0].numel()
        numbers.append(table.transpose(0, 1).reshape(table.shape[1], count))
        place = torch.arange(first, first + count, dtype=torch.float64)
        places.append(place.reshape(table[:, :1].shape))
        first += count
    tables = _laid_out(
        BlockOperators(
            places[0],
            places[1],
            places[2],
            places[3],
            places[4],
            whole.radices,
            whole.forgets,
            whole.lean,
        )
    )
    used, where = torch.unique(
        torch.cat([place.new_zeros(1), *(table.flatten() for table in tables)]), return_inverse=True
    )
    return Packed(
        torch.cat(numbers, dim=1)[:, used.long()].contiguous(),
        where[1:].to(torch.int32),
        [table.shape[1] for table in tables],
        [table.shape[2] for table in tables],
    )


def looked_up(
    numbers: Tensor,
    where: Tensor,
    rows: List[int],
    columns: List[int],
) -> List[Tensor]:
    """Tables (F, rows, columns) of `packed`."""
    sizes = [a * b for a, b in zip(rows, columns)]
    pieces = torch.split(torch.index_select(numbers, 1, where), sizes, dim=1)
    tables: List[Tensor] = []
    for i in range(len(sizes)):
        tables.append(pieces[i].reshape(numbers.shape[0], rows[i], columns[i]))
    return tables


def _with_tails(operators: BlockOperators) -> BlockOperators:
    return BlockOperators(
        with_tails(operators.impulse),
        with_tails(operators.reach),
        with_tails(operators.observe),
        with_tails(operators.fine),
        with_tails(operators.coarse),
        operators.radices,
        operators.forgets,
        operators.lean,
    )


def _laid_out(operators: BlockOperators) -> List[Tensor]:
    """Tables in the order of `in_order`, from numbers with their tails or from places of numbers."""
    impulse, reach, observe, fine, coarse, radices, _, lean = operators
    kinds, channels, block = impulse.shape
    flat = impulse.reshape(kinds * channels, block, 1, 1)
    matrix = toeplitz(flat).reshape(kinds, channels, block, block)
    tables = products(matrix)
    terms = len(tables)
    if reached_at_once(terms, reach.shape[3], lean):
        tables.append(joined(reach))
    else:
        tables.extend(products(reach))
    if lean:
        seen = joined(observe)
        for k in range(terms):
            tables.append(seen[:, :, k * block : (k + 1) * block])
    else:
        tables.extend(products(observe))
    tables.append(joined(fine[:, :, 1]))
    levels = [fine[:, :, : fine.shape[2] - 1]]
    first = 0
    for level in range(len(radices)):
        levels.append(coarse[:, :, first : first + radices[level]])
        first += radices[level]
    if not lean:
        tables.append(_handed(joined(levels[-1])))
        for powers in levels[:-1]:
            tables.extend(products(_behind_each(powers)))
            tables.extend(products(_started(powers)))
        return tables
    # Two terms, side by side, on the first two levels; further up one, of all parts.
    flat_levels = [joined(powers) for powers in levels[:2]]
    flat_levels.extend([powers[terms] for powers in levels[2:]])
    tables.append(_handed(flat_levels[-1]))
    for powers in flat_levels[:-1]:
        tables.append(_behind_each(powers[None, :, :-1])[0])
        tables.append(_handed(powers))
        tables.append(_started(powers[None])[0])
    return tables


def _handed(powers: Tensor) -> Tensor:
    """What members add, the first of them the longest ago: (F, r, s, s) -> (F, r s, s)."""
    channels, radix, size, _ = powers.shape
    return powers.flip(1).reshape(channels, radix * size, size)


def _behind_each(powers: Tensor) -> Tensor:
    """What members add to the state behind each of them: (N, F, r, s, s) -> (N, F, r s, r s)."""
    kinds, channels, radix, size, _ = powers.shape
    flat = powers.reshape(kinds * channels, radix, size, size)
    return toeplitz(flat).reshape(kinds, channels, radix * size, radix * size)


def _started(powers: Tensor) -> Tensor:
    """The states behind all members but the last from the one before the first: -> (N, F, s, (r - 1) s)."""
    kinds, channels, radix, size, _ = powers.shape
    later = powers[:, :, 1:].permute(0, 1, 3, 2, 4)
    return later.reshape(kinds, channels, size, (radix - 1) * size)
