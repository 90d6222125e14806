"""States at the start of every block, from what each block adds: a recursion, solved in groups of blocks.

Within a group, and from group to group, it is one matrix product. Rows hold the states of a group's members one
after the other, each with its terms side by side (`design.expansion`).
"""

from typing import List, Tuple  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor

from amt_export.design.blocks import BlockOperators
from amt_export.design.expansion import joined, with_terms
from amt_export.modules.block_layout import blocks_of, pad_end, toeplitz


def _handed_on(powers: Tensor) -> Tensor:
    """(F, r, s, s) -> (F, r s, s): what the members of a group add to the state behind it."""
    channels, radix, size, _ = powers.shape
    return powers.flip(1).reshape(channels, radix * size, size)


def _spread(powers: Tensor) -> Tensor:
    """(F, r, s, s) -> (F, s + r s, r s): states in a group from the one at its start and its members."""
    channels, radix, size, _ = powers.shape
    started = powers.permute(0, 2, 1, 3).reshape(channels, size, radix * size)
    within = toeplitz(powers)
    nothing = torch.zeros_like(within[:, :, :size])
    within = torch.cat([nothing, within[:, :, : (radix - 1) * size]], dim=2)
    return torch.cat([started, within], dim=1)


def _grouped(rows: Tensor, radix: int) -> Tensor:
    """(B, F, K, s) -> (B, F, groups, r s), zeros behind the end."""
    batch, channels, count, size = rows.shape
    groups = blocks_of(count, radix)
    return pad_end(rows, groups * radix - count, 2).reshape(batch, channels, groups, radix * size)


def _spread_out(start: Tensor, members: Tensor, powers: Tensor) -> Tensor:
    """States (B, F, groups, r, s) in all groups from those at the start of each (B, F, groups, s)."""
    batch, channels, groups, size = start.shape
    table = _spread(powers)
    states = members @ table[:, size:] + start @ table[:, :size]
    return states.reshape(batch, channels, groups, powers.shape[1], size)


def _in_a_row(states: Tensor, count: int) -> Tensor:
    """(B, F, groups, r, s) -> the first (B, F, count, s)."""
    batch, channels, groups, radix, size = states.shape
    return states.reshape(batch, channels, groups * radix, size)[:, :, :count]


def carried(parts: int, lean: bool) -> int:
    """Q, the terms of a state that is handed on for long.

    Lean sums have a second term because float32 loses a digit when it adds 50 numbers. The state itself loses
    little when it is rounded once in hundreds of samples.
    """
    return 1 if lean else parts


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


def group_starts(totals: Tensor, start: Tensor, operators: BlockOperators, peak: Tensor) -> Tensor:
    """State at the start of every group, from what each one adds to the state behind it.

    Parameters
    ----------
    totals : Tensor [shape=(B, F, groups, P s)]
    start : Tensor [shape=(B, F, 1, Q s)]
    operators : BlockOperators
    peak : Tensor [shape=(B, F or 1, 1, 1)]

    Returns
    -------
    Tensor [shape=(B, F, groups, P s)]
        As parts to be multiplied.
    """
    coarse, lean = operators.coarse, operators.lean
    parts = coarse.shape[0]
    held = carried(parts, lean)
    if totals.shape[2] == 1:
        return with_terms(start, held, parts, peak, lean)
    powers: List[Tensor] = []  # noqa: UP006
    members: List[Tensor] = []  # noqa: UP006
    counts: List[int] = []  # noqa: UP006
    # Up: what each group of groups hands to the next, until one holds everything. Lean sums have two terms on
    # the first level, and one further up.
    first, terms, rows = 0, parts, totals
    while rows.shape[2] > 1:
        radix = operators.radices[len(powers)]
        table = coarse[:, :, first : first + radix]
        first += radix
        powers.append(joined(table) if terms == parts else torch.sum(table, dim=0))
        counts.append(rows.shape[2])
        rows = _members(rows, radix, terms, peak, lean)
        members.append(rows)
        if rows.shape[2] > 1:
            rows = rows @ _handed_on(powers[-1])
            if held < terms:
                rows = with_terms(rows, terms, held, peak, lean)
        terms = held
    # Down: from the state at the start of a group to the states of its members.
    top = len(powers) - 1
    states = with_terms(start, held, parts if top == 0 else held, peak, lean)
    for back in range(len(powers)):
        level = top - back
        inner = _spread_out(states, members[level], powers[level])
        if level > 0:
            inner = with_terms(inner, held, parts if level == 1 else held, _inside(peak), lean)
        elif not lean:
            inner = with_terms(inner, parts, parts, peak, False)
        states = _in_a_row(inner, counts[level])
    return states


def _inside(peak: Tensor) -> Tensor:
    """The peak (B, F or 1, 1, 1) for states in groups."""
    return peak.unsqueeze(-1)


def _one_go(reached: Tensor, start: Tensor, operators: BlockOperators, peak: Tensor) -> Tensor:
    """`block_states` for as many blocks as all groups together hold; `start` (B, F, 1, Q s)."""
    radix, parts, lean = operators.fine.shape[2] - 1, operators.fine.shape[0], operators.lean
    powers = joined(operators.fine[:, :, :radix])
    # Lean sums are not cut here: the sound was.
    members = _grouped(reached, radix) if lean else _members(reached, radix, parts, peak, False)
    starts = group_starts(members @ _handed_on(powers), start, operators, peak)
    states = _spread_out(starts, members, powers)
    if not lean:
        states = with_terms(states, parts, parts, peak, False)
    return _in_a_row(states, reached.shape[2])


def _behind(states: Tensor, reached: Tensor, operators: BlockOperators, peak: Tensor) -> Tensor:
    """State behind the last block (B, F, 1, Q s)."""
    last, parts = reached.shape[2] - 1, operators.fine.shape[0]
    state = states[:, :, last:] @ joined(operators.fine[:, :, 1]) + reached[:, :, last:]
    return with_terms(state, parts, carried(parts, operators.lean), peak, operators.lean)


def block_states(
    reached: Tensor, start: Tensor, operators: BlockOperators, peak: Tensor
) -> Tuple[Tensor, Tensor]:  # noqa: UP006
    """States at the start of every block: h[k+1] = A^L h[k] + reached[k], h[0] = start.

    Parameters
    ----------
    reached : Tensor [shape=(B, F, K, P s)]
        R x: what each block adds to the state.
    start : Tensor [shape=(B, F, Q, s)]
        The state before the first block, see `carried`.
    operators : BlockOperators
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
    most = operators.fine.shape[2] - 1
    for radix in operators.radices:
        most *= radix
    last = start.reshape(batch, channels, 1, held * size)
    found: List[Tensor] = [reached[:, :, :0]]  # noqa: UP006
    for begin in range(0, reached.shape[2], most):
        piece = reached[:, :, begin : begin + most]
        found.append(_one_go(piece, last, operators, peak))
        last = _behind(found[-1], piece, operators, peak)
    states = found[1] if len(found) == 2 else torch.cat(found, dim=2)
    return states, last.reshape(batch, channels, held, size)
