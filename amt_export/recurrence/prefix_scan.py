"""Prefix scan: the states at the start of every block, from what each block adds.

    h[k+1] = A^L h[k] + inputs[k],   h[0] = start

Blocks are taken in groups, groups in groups of groups, and so on (the README of this folder has the
picture). Up-sweep: one product gives what each group adds to the state behind it. Top: each of the largest
groups looks back on a few before it, as far as its memory reaches. Down-sweep: one product brings the
state at the start of a group to its members.
"""

from typing import List, Tuple

import torch
from torch import Tensor

from amt_export.numerics.blocks import block_count, pad_end
from amt_export.recurrence.tables import Level, Tables

# Groups that the top level looks back on at most.
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
        The last one is the number of groups that the top level looks back on, the state before the first
        among them. The others divide `count` where it has such divisors, so that nothing is padded.
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
    """States at the start of every block, and behind the last one.

    Parameters
    ----------
    inputs : Tensor [shape=(B, F, K, s)]
        What each block adds to the state behind it.
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
    """Whether no group was filled up with zeros: then the state behind the last group is the final one."""
    for i in range(len(counts)):
        radix = levels[i].group_total.shape[1] // levels[i].group_total.shape[2]
        if counts[i] % radix != 0:
            return False
    return True


def _groups(totals: Tensor, group_total: Tensor) -> Tensor:
    """(B, F, K, s) -> (B, F, groups, r s), zeros behind the end."""
    batch, channels, count, size = totals.shape
    width = group_total.shape[1]
    radix = width // size
    groups = block_count(count, radix)
    return pad_end(totals, groups * radix - count, 2).reshape(batch, channels, groups, width)


def _scan_top(totals: Tensor, start: Tensor, top: Tensor) -> Tensor:
    """States at the start of the largest groups and behind the last, from the r totals before each.

    (B, F, groups, s) -> (B, F, groups + 1, s); `start` counts as the total before the first.
    """
    before = torch.cat([start, totals], dim=2)
    return sliding_windows(before, top.shape[1] // top.shape[2]) @ top


def sliding_windows(rows: Tensor, count: int) -> Tensor:
    """Each row behind the `count` - 1 before it: (B, F, K, s) -> (B, F, K, count s); zeros before the first."""
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
