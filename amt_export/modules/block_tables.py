"""The matrices of the block form, laid out from the few numbers that make them.

Laid out, the tables are five to seven times as large as the numbers, each of which stands in many places.
So a file keeps the numbers, and for each entry of a table where its number is; ONNX Runtime looks them up
when it loads.
"""

from typing import List, NamedTuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor

from amt_export.design.blocks import BlockOperators
from amt_export.design.expansion import joined, products, with_tails
from amt_export.modules.block_layout import toeplitz


class BlockTables(NamedTuple):
    """What blocks and states are multiplied by: P terms, F channels, s states, blocks of L, groups of r.

    impulse : P of (F, (k + 1) L, L): row j of the first is what input sample j adds to its block
    reach : (F, P L, P s) what a block adds to the state
    observe : P of (F, (k + 1) s, L) what the state adds to a block; of lean sums (F, P s, L)
    onward : (F, P s, P s) the state one block later
    handed : for each level of groups (F, r s', s'), what its members add to the state behind a group; at the
        top what the last r of them add, or what all began with
    started : for the others (F, s', (r - 1) s') the other states in a group from the one at its start
    within : (F, (r - 1) s', (r - 1) s') the same from all members but the last
    radices : r of each level
    forgets : more than r members at the top would add nothing, so any number of blocks can be taken at once
    lean : lean sums; s' = P s, but s for lean sums above the second level
    """

    impulse: List[Tensor]  # noqa: UP006
    reach: Tensor
    observe: List[Tensor]  # noqa: UP006
    onward: Tensor
    handed: List[Tensor]  # noqa: UP006
    started: List[Tensor]  # noqa: UP006
    within: List[Tensor]  # noqa: UP006
    radices: List[int]  # noqa: UP006
    forgets: bool
    lean: bool


def carried(parts: int, lean: bool) -> int:
    """Q, the terms of a state that is handed on for long.

    Lean sums have a second term because float32 loses a digit when it adds 50 numbers. The state itself loses
    little when it is rounded once in hundreds of samples.
    """
    return 1 if lean else parts


def in_order(
    tables: List[Tensor],  # noqa: UP006
    radices: List[int],  # noqa: UP006
    parts: int,
    forgets: bool,
    lean: bool,
) -> BlockTables:
    """Tables from one list: `impulse`, `reach`, `observe`, `onward`, three of each level, then the top one."""
    behind = 2 * parts + 2
    return BlockTables(
        tables[:parts],
        tables[parts],
        tables[parts + 1 : behind - 1],
        tables[behind - 1],
        tables[behind::3],
        tables[behind + 1 :: 3],
        tables[behind + 2 :: 3],
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
    rows: List[int]  # noqa: UP006
    columns: List[int]  # noqa: UP006


def packed(operators: BlockOperators) -> Packed:
    """Find where each entry of `laid_out` comes from: by laying out places instead of numbers."""
    whole = _with_tails(operators)
    numbers: List[Tensor] = [torch.zeros_like(whole.impulse[0, :, :1])]  # noqa: UP006
    places: List[Tensor] = []  # noqa: UP006
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
    rows: List[int],  # noqa: UP006
    columns: List[int],  # noqa: UP006
) -> List[Tensor]:  # noqa: UP006
    """Tables (F, rows, columns) of `packed`."""
    sizes = [a * b for a, b in zip(rows, columns)]  # noqa: B905  (TorchScript knows no strict)
    pieces = torch.split(torch.index_select(numbers, 1, where), sizes, dim=1)
    tables: List[Tensor] = []  # noqa: UP006
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


def _laid_out(operators: BlockOperators) -> List[Tensor]:  # noqa: UP006
    """Tables in the order of `in_order`, from numbers with their tails or from places of numbers."""
    impulse, reach, observe, fine, coarse, radices, _, lean = operators
    kinds, channels, block = impulse.shape
    flat = impulse.reshape(kinds * channels, block, 1, 1)
    matrix = toeplitz(flat).reshape(kinds, channels, block, block)
    tables = products(matrix)
    terms = len(tables)
    tables.append(joined(reach))
    if lean:
        seen = joined(observe)
        for k in range(terms):
            tables.append(seen[:, :, k * block : (k + 1) * block])
    else:
        tables.extend(products(observe))
    tables.append(joined(fine[:, :, 1]))
    levels = [joined(fine[:, :, : fine.shape[2] - 1])]
    first = 0
    for level in range(len(radices)):
        powers = coarse[:, :, first : first + radices[level]]
        first += radices[level]
        # Lean sums have two terms on the first two levels, and one further up: all parts in one.
        levels.append(powers[terms] if lean and level > 0 else joined(powers))
    for level in range(len(levels) - 1):
        _add_level(tables, levels[level])
    tables.append(_handed(levels[-1]))
    return tables


def _handed(powers: Tensor) -> Tensor:
    """What members add, the first of them the longest ago: (F, r, s, s) -> (F, r s, s)."""
    channels, radix, size, _ = powers.shape
    return powers.flip(1).reshape(channels, radix * size, size)


def _add_level(tables: List[Tensor], powers: Tensor) -> None:  # noqa: UP006
    """Add `handed`, `started` and `within` of a level with these powers (F, r, s, s)."""
    channels, radix, size, _ = powers.shape
    others = max(radix - 1, 1)  # tables are not empty, even where nothing needs them
    tables.append(_handed(powers))
    later = powers[:, radix - others :]
    tables.append(later.permute(0, 2, 1, 3).reshape(channels, size, others * size))
    tables.append(toeplitz(powers[:, :others]))
