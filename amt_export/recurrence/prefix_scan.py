"""States at the start of every block, from what each block adds: a recursion, solved in groups of blocks.

Within a group, and from group to group, it is one matrix product for each term. States are kept in as many
tensors as they have parts; those of lean sums in one, their terms side by side (`design.expansion`).
"""

from typing import List, Tuple

import torch
from torch import Tensor

from amt_export.design.expansion import cut, in_parts, side_by_side, times, with_terms
from amt_export.numerics.blocks import blocks_of, pad_end
from amt_export.recurrence.tables import BlockTables, carried, states_apart


def _grouped(rows: Tensor, radix: int) -> Tensor:
    """(B, F, K, s) -> (B, F, groups, r s), zeros behind the end."""
    batch, channels, count, size = rows.shape
    groups = blocks_of(count, radix)
    return pad_end(rows, groups * radix - count, 2).reshape(batch, channels, groups, radix * size)


def _in_a_row(groups: Tensor, radix: int, count: int) -> Tensor:
    """(B, F, groups, r s) -> the first (B, F, count, s)."""
    batch, channels, many, width = groups.shape
    rows = groups.reshape(batch, channels, many * radix, width // radix)
    return rows if count == many * radix else rows[:, :, :count]


def _apart(rows: Tensor, count: int) -> List[Tensor]:
    """(..., count n) -> `count` of (..., n)."""
    size = rows.shape[-1] // count
    return [rows[..., i * size : (i + 1) * size] for i in range(count)] if count > 1 else [rows]


def _cut_in_rows(terms: List[Tensor]) -> List[Tensor]:
    """Terms (B, F, K, n) as parts to be multiplied, each row on one grid: its sums then are exact."""
    if len(terms) == 1:
        return terms
    return cut(terms, len(terms), torch.amax(torch.abs(terms[0]), -1, keepdim=True), False)


def _members(terms: List[Tensor], level: int, tables: BlockTables, peak: Tensor) -> List[Tensor]:
    """States (B, F, K, s) in groups (B, F, groups, r s), as parts to be multiplied.

    Lean sums have two terms on the first two levels and one further up, and are not cut on the first: the sound
    was.
    """
    parts, radix = len(tables.impulse), tables.radices[level]
    if tables.lean:
        rows = with_terms(terms[0], parts, parts, peak, True) if level == 1 else terms[0]
        return [_grouped(rows, radix)]
    return _cut_in_rows([_grouped(term, radix) for term in terms])


def _handed_on(
    members: List[Tensor],
    level: int,
    tables: BlockTables,
) -> Tuple[List[Tensor], List[Tensor]]:
    """What members add to the states inside their group, and to the one behind it: terms."""
    if tables.lean:  # one product for both has more zeros
        within, handed = tables.within[level]
        return [members[0][..., : within.shape[1]] @ within], [members[0] @ handed]
    radix = tables.radices[level]
    behind_each = times(members, tables.within[level])
    inside = behind_each[0].shape[3] // radix * (radix - 1)
    handed_on = [term[..., inside:] for term in behind_each]
    return [term[..., :inside] for term in behind_each], handed_on


def _recent(line: Tensor, count: int) -> Tensor:
    """Each row and those before it, `count` in all: (B, F, K, s) -> (B, F, K, count s).

    The oldest comes first, and zeros before the first row.
    """
    batch, channels, rows, size = line.shape
    if count == 1:
        return line
    nothing = torch.zeros(batch, channels, count - 1, size, dtype=line.dtype, device=line.device)
    padded = torch.cat([nothing, line], dim=2)
    steps = torch.arange(rows, device=line.device)[:, None]
    places = (steps + torch.arange(count, device=line.device)).reshape(rows * count)
    return torch.index_select(padded, 2, places).reshape(batch, channels, rows, count * size)


def _cut_together(groups: Tensor, radix: int, terms: int, peak: Tensor, lean: bool) -> Tensor:
    """States in groups (B, F, groups, r P s), as parts to be multiplied, each group on one grid."""
    if terms == 1:
        return groups
    batch, channels, count, width = groups.shape
    apart = groups.reshape(batch, channels, count, radix, width // radix)
    return with_terms(apart, terms, terms, peak.unsqueeze(-1), lean).reshape(
        batch, channels, count, width
    )


def _remembered(
    added: Tensor, start: Tensor, tables: BlockTables, peak: Tensor, through: bool
) -> Tensor:
    """The top level: states at the start of all its groups, from what each adds to the state behind it.

    `added` (B, F, groups, P s) and `start` (B, F, 1, P s) -> (B, F, groups, P s), as products are; with the one
    behind the last group, if `through`.
    """
    top, lean = len(tables.radices) - 1, tables.lean
    reach, groups = tables.radices[top], added.shape[2]
    terms = len(tables.impulse) if top < 2 else carried(len(tables.impulse), lean)
    line = torch.cat([start, added if through else added[:, :, : groups - 1]], dim=2)
    if lean and top == 0:  # nothing is cut: the sound was
        recent = _recent(line, reach)
    elif reach >= line.shape[2]:  # all look back on the first, so one grid does for all
        recent = _recent(with_terms(line, terms, terms, peak, lean), reach)
    else:
        recent = _cut_together(_recent(line, reach), reach, terms, peak, lean)
    return recent @ tables.top


def _one_go(
    reached: List[Tensor],
    start: Tensor,
    tables: BlockTables,
    peak: Tensor,
) -> Tuple[List[Tensor], Tensor]:
    """`block_states` for as many blocks as all groups together hold; states are (B, F, 1, Q s)."""
    parts, lean = len(tables.impulse), tables.lean
    held, top = carried(parts, lean), len(tables.radices) - 1
    if reached[0].shape[2] == 1:
        alone = in_parts(start, held, parts, peak, lean)
        states = [side_by_side(alone)] if lean else alone
        return states, _behind(states, reached, tables, peak)
    inner: List[List[Tensor]] = []
    counts: List[int] = []
    full = True  # no group has empty places
    # Up: what each group, and each group of groups, hands to the next.
    terms = reached
    for level in range(top):
        counts.append(terms[0].shape[2])
        full = full and counts[level] % tables.radices[level] == 0
        inside, terms = _handed_on(_members(terms, level, tables, peak), level, tables)
        inner.append(inside)
        if lean and level == 1:
            terms = [with_terms(terms[0], parts, held, peak, True)]
    groups = terms[0].shape[2]
    counts.append(groups)
    if lean and top < 2:
        start = with_terms(start, held, parts, peak, True)
    # Whoever goes on from the last of full groups has its state from the same product.
    through = full and (tables.forgets or groups < tables.radices[top])
    found = _remembered(side_by_side(terms), start, tables, peak, through)
    last = found[:, :, groups:]
    found = found[:, :, :groups]
    if lean and top == 2:
        found = with_terms(found, held, parts, peak, True)
    states = [found] if lean else _cut_in_rows(_apart(found, parts))
    states = _spread(states, inner, counts, tables, peak)
    if through:
        return states, with_terms(last, parts, 1, peak, True) if lean and top < 2 else last
    return states, _behind(states, reached, tables, peak)


def _spread(
    states: List[Tensor],
    inner: List[List[Tensor]],
    counts: List[int],
    tables: BlockTables,
    peak: Tensor,
) -> List[Tensor]:
    """Down: from states at the start of the largest groups to those of all members.

    `inner` has what members add inside their groups, and `counts` how many members there are, level by level.
    """
    parts, lean, top = len(tables.impulse), tables.lean, len(tables.radices) - 1
    for back in range(1, top + 1):
        level = top - back
        brought = times(states, tables.started[level])
        inside = [inner[level][k] + brought[k] for k in range(len(states))]
        together = [torch.cat([states[k], inside[k]], dim=-1) for k in range(len(states))]
        if not lean:  # a group has one grid
            together = _cut_in_rows(together)
        states = [_in_a_row(part, tables.radices[level], counts[level]) for part in together]
        if lean and level == 2:
            states = [with_terms(states[0], carried(parts, lean), parts, peak, True)]
    return states


def _behind(
    states: List[Tensor],
    reached: List[Tensor],
    tables: BlockTables,
    peak: Tensor,
) -> Tensor:
    """State behind the last block (B, F, 1, Q s), from the one at its start."""
    last, parts = states[0].shape[2] - 1, len(tables.impulse)
    state = side_by_side(states)[:, :, last:] @ tables.onward
    state = state + side_by_side([term[:, :, last:] for term in reached])
    # Whoever goes on from it cuts it: together with what is added to it.
    return with_terms(state, parts, 1, peak, True) if tables.lean else state


def block_states(
    reached: List[Tensor],
    start: Tensor,
    tables: BlockTables,
    peak: Tensor,
) -> Tuple[List[Tensor], Tensor]:
    """States at the start of every block: h[k+1] = A^L h[k] + reached[k], h[0] = start.

    Parameters
    ----------
    reached : list of Tensor [shape=(B, F, K, s)]
        R x: what each block adds to the state, P terms; or one (B, F, K, P s), side by side.
    start : Tensor [shape=(B, F, Q, s)]
        The state before the first block, see `carried`.
    tables : BlockTables
        More blocks than its groups hold are taken in several goes.
    peak : Tensor [shape=(B, F or 1, 1, 1)]
        Of the sound.

    Returns
    -------
    states : list of Tensor [shape=(B, F, K, s)]
        As parts to be multiplied. Lean ones are side by side, in one (B, F, K, P s).
    last : Tensor [shape=(B, F, Q, s)]
        State behind the last block.
    """
    batch, channels, held, size = start.shape
    kinds = states_apart(len(tables.impulse), tables.lean)
    if len(reached) < kinds:
        reached = _apart(reached[0], kinds)
    count = reached[0].shape[2]
    most = max(count, 1)
    if not tables.forgets:
        most = 1
        for radix in tables.radices:
            most *= radix
    last = start.reshape(batch, channels, 1, held * size)
    states = [term[:, :, :0] for term in reached]
    for begin in range(0, count, most):
        piece = [term[:, :, begin : begin + most] for term in reached] if count > most else reached
        found, last = _one_go(piece, last, tables, peak)
        if begin > 0:
            found = [torch.cat([states[i], found[i]], dim=2) for i in range(kinds)]
        states = found
    return states, last.reshape(batch, channels, held, size)
