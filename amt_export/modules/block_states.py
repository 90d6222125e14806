"""States at the start of every block, from what each block adds: a recursion, solved in groups of blocks.

Within a group, and from group to group, it is one matrix product. Rows hold the states of a group's members one
after the other, each with its terms side by side (`design.expansion`).
"""

from typing import List, Tuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor

from amt_export.design.expansion import with_terms
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


def _members(rows: Tensor, radix: int, terms: int, peak: Tensor, lean: bool) -> Tensor:
    """States (B, F, K, P s) in groups (B, F, groups, r P s), as parts to be multiplied.

    They are cut together, on one grid for a group: its sum then is exact.
    """
    groups = _grouped(rows, radix)
    if terms == 1:
        return groups
    batch, channels, count, width = groups.shape
    apart = groups.reshape(batch, channels, count, radix, width // radix)
    return with_terms(apart, terms, terms, _inside(peak), lean).reshape(
        batch, channels, count, width
    )


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
    # Up: what each group of groups hands to the next, until one holds everything. Lean sums have two terms on
    # the first level, and one further up.
    terms, rows = parts, totals
    while rows.shape[2] > 1:
        level = len(members) + 1
        counts.append(rows.shape[2])
        rows = _members(rows, tables.radices[level], terms, peak, lean)
        members.append(rows)
        if rows.shape[2] > 1:
            rows = rows @ tables.handed[level]
            if held < terms:
                rows = with_terms(rows, terms, held, peak, lean)
        terms = held
    # Down: from the state at the start of a group to the states of its members.
    top = len(members)
    states = with_terms(start, held, parts if top == 1 else held, peak, lean)
    for back in range(top):
        level = top - back
        inner = _spread_out(states, members[level - 1], tables, level)
        if level > 1:
            inner = with_terms(inner, held, parts if level == 2 else held, _inside(peak), lean)
        elif not lean:
            inner = with_terms(inner, parts, parts, peak, False)
        states = _in_a_row(inner, counts[level - 1])
    return states


def _inside(peak: Tensor) -> Tensor:
    """The peak (B, F or 1, 1, 1) for states in groups."""
    return peak.unsqueeze(-1)


def _one_go(reached: Tensor, start: Tensor, tables: BlockTables, peak: Tensor) -> Tensor:
    """`block_states` for as many blocks as all groups together hold; `start` (B, F, 1, Q s)."""
    radix, parts, lean = tables.radices[0], len(tables.impulse), tables.lean
    # Lean sums are not cut here: the sound was.
    members = _grouped(reached, radix) if lean else _members(reached, radix, parts, peak, False)
    starts = group_starts(members @ tables.handed[0], start, tables, peak)
    states = _spread_out(starts, members, tables, 0)
    if not lean:
        states = with_terms(states, parts, parts, peak, False)
    return _in_a_row(states, reached.shape[2])


def _behind(states: Tensor, reached: Tensor, tables: BlockTables, peak: Tensor) -> Tensor:
    """State behind the last block (B, F, 1, Q s)."""
    last, parts = reached.shape[2] - 1, len(tables.impulse)
    state = states[:, :, last:] @ tables.onward + reached[:, :, last:]
    return with_terms(state, parts, carried(parts, tables.lean), peak, tables.lean)


def block_states(
    reached: Tensor, start: Tensor, tables: BlockTables, peak: Tensor
) -> Tuple[Tensor, Tensor]:  # noqa: UP006
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
    states : Tensor [shape=(B, F, K, P s)]
        As parts to be multiplied.
    last : Tensor [shape=(B, F, Q, s)]
        State behind the last block.
    """
    batch, channels, held, size = start.shape
    most = 1
    for radix in tables.radices:
        most *= radix
    last = start.reshape(batch, channels, 1, held * size)
    found: List[Tensor] = [reached[:, :, :0]]  # noqa: UP006
    for begin in range(0, reached.shape[2], most):
        piece = reached[:, :, begin : begin + most]
        found.append(_one_go(piece, last, tables, peak))
        last = _behind(found[-1], piece, tables, peak)
    states = found[1] if len(found) == 2 else torch.cat(found, dim=2)
    return states, last.reshape(batch, channels, held, size)
