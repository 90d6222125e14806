"""States at the start of every block, from what each block adds: a recursion, solved in groups of blocks.

Within a group, and from group to group, it is one matrix product. Rows hold the states of a group's members one
after the other, each with its terms side by side (`design.expansion`).
"""

from typing import List, Tuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor

from amt_export.design.expansion import in_parts, side_by_side, with_terms
from amt_export.modules.block_layout import blocks_of, pad_end
from amt_export.modules.block_tables import BlockTables, carried


def _grouped(rows: Tensor, radix: int) -> Tensor:
    """(B, F, K, s) -> (B, F, groups, r s), zeros behind the end."""
    batch, channels, count, size = rows.shape
    groups = blocks_of(count, radix)
    return pad_end(rows, groups * radix - count, 2).reshape(batch, channels, groups, radix * size)


def _spread_out(start: Tensor, members: Tensor, tables: BlockTables, level: int) -> Tensor:
    """States (B, F, groups, r, s) in all groups from those at the start of each (B, F, groups, s)."""
    batch, channels, groups, size = start.shape
    first, others = start.unsqueeze(3), tables.radices[level] - 1
    if others == 0:
        return first
    added = members[..., : others * size]
    if others > 1:  # the first member adds to the second state as it is
        added = added @ tables.within[level]
    inner = added + start @ tables.started[level]
    return torch.cat([first, inner.reshape(batch, channels, groups, others, size)], dim=3)


def _in_a_row(states: Tensor, count: int) -> Tensor:
    """(B, F, groups, r, s) -> the first (B, F, count, s)."""
    batch, channels, groups, radix, size = states.shape
    return states.reshape(batch, channels, groups * radix, size)[:, :, :count]


def _to_multiply(groups: Tensor, radix: int, terms: int, peak: Tensor, lean: bool) -> Tensor:
    """States in groups (B, F, groups, r P s), as parts to be multiplied.

    They are cut together, on one grid for a group: its sum then is exact.
    """
    if terms == 1:
        return groups
    batch, channels, count, width = groups.shape
    apart = groups.reshape(batch, channels, count, radix, width // radix)
    return with_terms(apart, terms, terms, _inside(peak), lean).reshape(
        batch, channels, count, width
    )


def _recent(rows: Tensor, start: Tensor, count: int) -> Tensor:
    """For each group what it started from so far: the last `count` of `start` and the rows before it.

    (B, F, groups, P s) and (B, F, 1, P s) -> (B, F, groups, count P s), the oldest first, zeros before `start`.
    """
    batch, channels, groups, size = rows.shape
    nothing = torch.zeros(batch, channels, count - 1, size, dtype=rows.dtype, device=rows.device)
    line = torch.cat([nothing, start, rows[:, :, : groups - 1]], dim=2)
    return torch.cat([line[:, :, i : i + groups] for i in range(count)], dim=-1)


def group_starts(totals: Tensor, start: Tensor, tables: BlockTables, peak: Tensor) -> Tensor:
    """State at the start of every group, from what each one adds to the state behind it.

    Parameters
    ----------
    totals : Tensor [shape=(B, F, groups, P s)]
    start : Tensor [shape=(B, F, 1, Q s)]
    tables : BlockTables
    peak : Tensor [shape=(B, F or 1, 1, 1)]

    Returns
    -------
    Tensor [shape=(B, F, groups, P s)]
        As parts to be multiplied.
    """
    parts, lean = len(tables.impulse), tables.lean
    held = carried(parts, lean)
    if totals.shape[2] == 1:
        return with_terms(start, held, parts, peak, lean)
    members: List[Tensor] = []  # noqa: UP006
    counts: List[int] = []  # noqa: UP006
    # Up: what each group of groups hands to the next. Lean sums have two terms on the first level, and one
    # further up.
    radices, top = tables.radices, len(tables.radices) - 1
    terms, rows = parts, totals
    for level in range(1, top):
        counts.append(rows.shape[2])
        rows = _to_multiply(_grouped(rows, radices[level]), radices[level], terms, peak, lean)
        members.append(rows)
        rows = rows @ tables.handed[level]
        if held < terms:
            rows = with_terms(rows, terms, held, peak, lean)
        terms = held
    # At the top all that a group still remembers.
    reach = radices[top]
    recent = _recent(rows, with_terms(start, held, terms, peak, lean), reach)
    found = (_to_multiply(recent, reach, terms, peak, lean) @ tables.handed[top]).unsqueeze(3)
    states = _next_parts(found, top, tables, _inside(peak)).squeeze(3)
    # Down: from the state at the start of a group to the states of its members.
    for back in range(1, top):
        level = top - back
        inner = _spread_out(states, members[level - 1], tables, level)
        inner = _next_parts(inner, level, tables, _inside(peak))
        states = _in_a_row(inner, counts[level - 1])
    return states


def _next_parts(states: Tensor, level: int, tables: BlockTables, peak: Tensor) -> Tensor:
    """States in groups from the products of a level (B, F, groups, r, Q s), as parts for the level below."""
    parts, lean = len(tables.impulse), tables.lean
    held = carried(parts, lean)
    if level > 1:
        return with_terms(states, held, parts if level == 2 else held, peak, lean)
    return states if lean else with_terms(states, parts, parts, peak, False)


def _inside(peak: Tensor) -> Tensor:
    """The peak (B, F or 1, 1, 1) for states in groups."""
    return peak.unsqueeze(-1)


def _one_go(reached: Tensor, start: Tensor, tables: BlockTables, peak: Tensor) -> List[Tensor]:  # noqa: UP006
    """`block_states` for as many blocks as all groups together hold; `start` (B, F, 1, Q s)."""
    radix, parts, lean = tables.radices[0], len(tables.impulse), tables.lean
    # Lean sums are not cut here: the sound was.
    members = _grouped(reached, radix)
    if not lean:
        members = _to_multiply(members, radix, parts, peak, False)
    starts = group_starts(members @ tables.handed[0], start, tables, peak)
    states = _spread_out(starts, members, tables, 0)
    found = [states] if lean else in_parts(states, parts, parts, peak, False)
    return [_in_a_row(part, reached.shape[2]) for part in found]


def _behind(states: List[Tensor], reached: Tensor, tables: BlockTables, peak: Tensor) -> Tensor:  # noqa: UP006
    """State behind the last block (B, F, 1, Q s)."""
    last, parts = reached.shape[2] - 1, len(tables.impulse)
    state = (
        side_by_side([part[:, :, last:] for part in states]) @ tables.onward + reached[:, :, last:]
    )
    return with_terms(state, parts, carried(parts, tables.lean), peak, tables.lean)


def block_states(
    reached: Tensor, start: Tensor, tables: BlockTables, peak: Tensor
) -> Tuple[List[Tensor], Tensor]:  # noqa: UP006
    """States at the start of every block: h[k+1] = A^L h[k] + reached[k], h[0] = start.

    Parameters
    ----------
    reached : Tensor [shape=(B, F, K, P s)]
        R x: what each block adds to the state.
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
    most = max(reached.shape[2], 1)
    if not tables.forgets:
        most = 1
        for radix in tables.radices:
            most *= radix
    last = start.reshape(batch, channels, 1, held * size)
    kept = 1 if tables.lean else len(tables.impulse)
    width = reached.shape[3] // kept
    states = [reached[:, :, :0, i * width : (i + 1) * width] for i in range(kept)]
    for begin in range(0, reached.shape[2], most):
        piece = reached[:, :, begin : begin + most]
        found = _one_go(piece, last, tables, peak)
        last = _behind(found, piece, tables, peak)
        if begin > 0:
            found = [torch.cat([states[i], found[i]], dim=2) for i in range(kept)]
        states = found
    return states, last.reshape(batch, channels, held, size)
