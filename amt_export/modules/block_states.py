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


def _remembered(added: Tensor, start: Tensor, tables: BlockTables, peak: Tensor) -> Tensor:
    """The top level: states at the start of all its groups, from what each adds to the state behind it.

    `added` (B, F, groups, P s) and `start` (B, F, 1, P s) -> (B, F, groups, P s), as products are.
    """
    top, lean = len(tables.radices) - 1, tables.lean
    reach, groups = tables.radices[top], added.shape[2]
    terms = len(tables.impulse) if top < 2 else carried(len(tables.impulse), lean)
    line = torch.cat([start, added[:, :, : groups - 1]], dim=2)
    if lean and top == 0:  # nothing is cut: the sound was
        recent = _recent(line, reach)
    elif reach >= groups:  # all look back on the first, so one grid does for all
        recent = _recent(with_terms(line, terms, terms, peak, lean), reach)
    else:
        recent = _to_multiply(_recent(line, reach), reach, terms, peak, lean)
    return recent @ tables.handed[top]


def _parts_below(states: Tensor, level: int, tables: BlockTables, peak: Tensor) -> List[Tensor]:  # noqa: UP006
    """States in groups (B, F, groups, r, Q s) from the products of a level, as parts for the level below."""
    parts, lean = len(tables.impulse), tables.lean
    if level > 1:
        held = carried(parts, lean)
        return in_parts(states, held, parts if level == 2 else held, peak, lean)
    return [states] if lean else in_parts(states, parts, parts, peak, False)


def _inside(peak: Tensor) -> Tensor:
    """The peak (B, F or 1, 1, 1) for states in groups."""
    return peak.unsqueeze(-1)


def _one_go(reached: Tensor, start: Tensor, tables: BlockTables, peak: Tensor) -> List[Tensor]:  # noqa: UP006
    """`block_states` for as many blocks as all groups together hold; `start` (B, F, 1, Q s)."""
    radices, parts, lean = tables.radices, len(tables.impulse), tables.lean
    held, top = carried(parts, lean), len(radices) - 1
    if reached.shape[2] == 1:
        if lean:
            return [with_terms(start, held, parts, peak, True)]
        return in_parts(start, parts, parts, peak, False)
    members: List[Tensor] = []  # noqa: UP006
    counts: List[int] = []  # noqa: UP006
    # Up: what each group, and each group of groups, hands to the next. Lean sums have two terms on the first
    # two levels and one further up, and are not cut on the first: the sound was.
    terms, rows = parts, reached
    for level in range(top):
        counts.append(rows.shape[2])
        rows = _grouped(rows, radices[level])
        if level > 0 or not lean:
            rows = _to_multiply(rows, radices[level], terms, peak, lean)
        members.append(rows)
        rows = rows @ tables.handed[level]
        if level > 0:
            if held < terms:
                rows = with_terms(rows, terms, held, peak, lean)
            terms = held
    counts.append(rows.shape[2])
    if held < terms:
        start = with_terms(start, held, terms, peak, lean)
    inner = _remembered(rows, start, tables, peak).unsqueeze(3)
    # Down: from the state at the start of a group to the states of its members.
    found = _parts_below(inner, top, tables, _inside(peak))
    for back in range(1, top + 1):
        level = top - back
        starts = side_by_side([_in_a_row(part, counts[level + 1]) for part in found])
        inner = _spread_out(starts, members[level], tables, level)
        found = _parts_below(inner, level, tables, _inside(peak))
    return [_in_a_row(part, counts[0]) for part in found]


def _behind(states: List[Tensor], reached: Tensor, tables: BlockTables, peak: Tensor) -> Tensor:  # noqa: UP006
    """State behind the last block (B, F, 1, Q s)."""
    last, parts = reached.shape[2] - 1, len(tables.impulse)
    state = (
        side_by_side([part[:, :, last:] for part in states]) @ tables.onward + reached[:, :, last:]
    )
    # Whoever goes on from it cuts it: together with what is added to it.
    return with_terms(state, parts, 1, peak, True) if tables.lean else state


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
