"""Prefix scan: the states at the start of every block, from what each block adds.

    h[k+1] = h[k] (A^L)' + inputs[k],   h[0] = start

h and inputs are rows, and ' is the transpose. Blocks are taken in groups, groups in groups of groups, and so on
(the README of this folder has the picture). Up-sweep: one product gives what each group adds to the state after
it. Top: the state at the start of each of the largest groups is one product with the totals of the few groups
before it, as far back as the filter's memory reaches. Down-sweep: one product adds the state at the start of a
group to the states of its members.
"""

from typing import List, Tuple

import torch
from torch import Tensor

from amt_export.numerics.blocks import block_count, pad_end
from amt_export.recurrence.tables import Level, Tables

# Groups that the top level adds up at most.
LOOK_BACK = 9


def choose_radices(count: int, memory: int, look_back: int = LOOK_BACK) -> List[int]:
    """Members of a group on each level.

    Parameters
    ----------
    count : int
        Blocks; 0 for any number of them.
    memory : int
        Memory of the filter in blocks, see `memory_steps`.
    look_back : int
        A constant; TorchScript reads no globals.

    Returns
    -------
    list of int
        The last one is the number of groups that the top level adds up; the state before the first group counts
        as one of them. The others divide `count` where it has such divisors, so that nothing is padded.
    """
    radices: List[int] = []
    group = 1  # blocks in it
    groups = count
    needed = memory if count == 0 else min(memory, count + 1)
    while needed > look_back:
        # The best first, for a 30-channel gammatone at 16 kHz in ONNX Runtime. Larger groups make tables
        # that take longer to read than to use.
        choices = [5, 4, 7, 6, 3] if len(radices) > 0 else [4, 5, 3]
        radix = choices[0]
        for choice in choices:
            if groups % choice == 0:
                radix = choice
                break
        radices.append(radix)
        group = group * radix
        groups = block_count(groups, radix)
        needed = block_count(memory, group)
        if count > 0:
            needed = min(needed, groups + 1)
    radices.append(needed)
    return radices


def prefix_scan(inputs: Tensor, start: Tensor, tables: Tables) -> Tuple[Tensor, Tensor]:
    """States at the start of every block, and after the last one.

    Parameters
    ----------
    inputs : Tensor [shape=(B, F, K, s)]
        What each block adds to the state after it.
    start : Tensor [shape=(B, F, 1, s)]
    tables : Tables

    Returns
    -------
    states : Tensor [shape=(B, F, K, s)]
    next_state : Tensor [shape=(B, F, 1, s)]

    Raises
    ------
    ValueError
        For more blocks than the tables were designed for: the last states would miss the first inputs.
    """
    count = inputs.shape[2]
    if count == 0:
        return inputs, start
    if tables.most_blocks > 0 and count > tables.most_blocks:
        raise ValueError(
            f"input of {count} blocks of {tables.impulse.shape[1]} samples; this filter was built "
            f"for at most {tables.most_blocks}: build or freeze it for longer inputs, or for any length"
        )
    counts: List[int] = []
    inside: List[Tensor] = []
    totals = inputs
    for level in tables.levels:
        counts.append(totals.shape[2])
        members = _groups(totals, level.group_total)
        inside.append(members[..., : level.group_inputs.shape[1]] @ level.group_inputs)
        totals = members @ level.group_total
    groups = totals.shape[2]
    tops = _scan_top(totals, start, tables.top)
    states = tops[:, :, :groups]
    for back in range(len(counts)):
        i = len(counts) - 1 - back
        states = _down_sweep(states, inside[i], counts[i], tables.levels[i])
    if _all_full(counts, tables.levels):
        return states, tops[:, :, groups:]
    last = states[:, :, count - 1 :] @ tables.transition + inputs[:, :, count - 1 :]
    return states, last


def _all_full(counts: List[int], levels: List[Level]) -> bool:
    """Whether no group was filled up with zeros: then the state after the last group is the final one.

    This saves a product: 4 to 9 % of the time that a gammatone takes for a block of a stream.
    """
    for i in range(len(counts)):
        radix = _radix(levels[i].group_total)
        if counts[i] % radix != 0:
            return False
    return True


def _radix(table: Tensor) -> int:
    """Members of a group, r, from a table (F, r s, s)."""
    return table.shape[1] // table.shape[2]


def _groups(totals: Tensor, group_total: Tensor) -> Tensor:
    """(B, F, K, s) -> (B, F, groups, r s), zeros after the end."""
    batch, channels, count, size = totals.shape
    radix = _radix(group_total)
    groups = block_count(count, radix)
    padded = pad_end(totals, groups * radix - count, 2)
    return padded.reshape(batch, channels, groups, radix * size)


def _scan_top(totals: Tensor, start: Tensor, top: Tensor) -> Tensor:
    """States at the start of the largest groups and after the last, from the r totals before each.

    (B, F, groups, s) -> (B, F, groups + 1, s); `start` counts as the total before the first.
    """
    before = torch.cat([start, totals], dim=2)
    return sliding_windows(before, _radix(top)) @ top


def sliding_windows(rows: Tensor, count: int) -> Tensor:
    """Each row preceded by the `count` - 1 rows before it: (B, F, K, s) -> (B, F, K, count s).

    Zeros stand for rows before the first.
    """
    if count == 1:
        return rows
    batch, channels, length, size = rows.shape
    zeros = torch.zeros(batch, channels, count - 1, size, dtype=rows.dtype, device=rows.device)
    steps = torch.arange(length, device=rows.device)[:, None]
    indices = (steps + torch.arange(count, device=rows.device)).flatten()
    windows = torch.index_select(torch.cat([zeros, rows], dim=2), 2, indices)
    return windows.reshape(batch, channels, length, count * size)


def _down_sweep(states: Tensor, inside: Tensor, count: int, level: Level) -> Tensor:
    """From the states at the start of groups to those of their members, (B, F, count, s)."""
    batch, channels, _, size = states.shape
    members = torch.cat([states, inside + states @ level.group_carry], dim=3)
    members = members.reshape(batch, channels, -1, size)
    return members if count == members.shape[2] else members[:, :, :count]
