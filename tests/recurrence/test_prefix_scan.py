"""How blocks are grouped: none too many, and nothing looked up that a filter has forgotten."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amt_export.design.rounding import Sums
from amt_export.numerics.blocks import to_blocks
from amt_export.recurrence.linear_filter import BlockFilter, filter_blocks
from amt_export.recurrence.operators import (
    block_operators,
    grouping,
    impulse_response,
    memory,
    settled,
)
from amt_export.recurrence.tables import laid_out
from support.filters import noise, recursion, relative, system_of

FLOAT64 = torch.float64
ONE, LEAN = Sums(1, False), Sums(2, True)


@given(count=st.integers(1, 20000))
@settings(max_examples=100, deadline=None)
def test_groups_hold_all_blocks_and_not_many_more(count):
    """With two goes, or groups that are half empty, files would be larger and slower than need be."""
    radices, forgets = grouping(count)
    held = np.prod(radices)
    assert count <= held <= max(count + 4, 1.7 * count)
    assert all(2 <= radix <= 8 for radix in radices) or radices == [1]
    assert not forgets
    if count in (500, 400, 700, 980, 1000, 16, 8):  # those of the shipped models' lengths
        assert held == count


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("radius", [0.5, 0.99, 0.999])
def test_what_is_forgotten_is_below_the_precision(radius, dtype):
    """As many steps as are remembered hold all of the impulse response, and one less does not."""
    system = system_of([radius * np.exp(0.4j)], 3, None)
    tail = impulse_response(system, 200_000)[0].abs().flip(0).cummax(0)[0].flip(0)
    steps = memory(system, 1000, dtype, 99)
    assert 1 <= steps <= 99
    below = torch.finfo(dtype).eps ** 2
    assert tail[1000 * steps + 1] < below * tail[0] * 10
    assert steps == 1 or tail[1000 * (steps - 1)] > below * tail[0] / 1000


@given(
    block=st.integers(8, 40),
    count=st.integers(1, 400),
    radius=st.floats(0.3, 0.99),
    order=st.integers(1, 4),
    sums=st.sampled_from([ONE, Sums(2, False), LEAN]),
)
@example(
    block=32, count=400, radius=0.97, order=4, sums=LEAN
)  # three levels, the last one looks back on two
@settings(max_examples=40, deadline=None)
def test_filters_that_forget_are_the_recursion_too(block, count, radius, order, sums):
    """Any number of blocks at once, however many the groups were made for; a state from before as well."""
    pole = radius * np.exp(0.3j)
    system = system_of([pole], order, None)
    found = grouping(0, lambda blocks: memory(system, block * blocks, FLOAT64))
    if found.forgets:
        group = block * int(np.prod(found.radices[:-1]))
        assert found.radices[-1] == memory(system, group, FLOAT64)
    operators = block_operators(system, block, *found)
    tables = laid_out(settled(operators, FLOAT64, *sums))
    assert tables.forgets == found.forgets
    audio = noise(1, 1, count * block)
    rest = torch.zeros(1, 1, 1 if sums.lean else sums.terms, 2 * order, dtype=FLOAT64)
    first, state = filter_blocks(to_blocks(audio, block), tables, rest)
    second, _ = filter_blocks(to_blocks(audio, block), tables, state)
    both = torch.cat([first, second], 2)[:, 0]
    expected = recursion(np.tile(audio[0, 0].numpy(), 2), pole, order, None)
    assert relative(both, torch.from_numpy(expected)[None]) < 1e-9


def test_trained_filters_look_back_on_everything():
    """Training may make them remember for longer than they did when they were made."""
    keeper = BlockFilter()
    keeper.design(system_of([0.2 + 0.2j], 2, None), 16, torch.zeros(1), ONE, trained=True)
    assert not keeper.forgets
    keeper.design(system_of([0.2 + 0.2j], 2, None), 16, torch.zeros(1), ONE)
    assert keeper.forgets


def test_a_quiet_sound_after_a_loud_one_keeps_its_digits():
    """States are cut for what is looked back on, not for all the call: here 60 dB are between the two."""
    block, count = 32, 600
    system = system_of([0.99 * np.exp(0.9j)], 3, None)
    found = grouping(count, lambda blocks: memory(system, block * blocks, torch.float32))
    assert found.forgets
    assert np.prod(found.radices) < count
    tables = laid_out(settled(block_operators(system, block, *found), torch.float32, 2, False))
    steps = np.arange(block * count)
    late = steps > 0.8 * len(steps)
    audio = np.sin(0.5 * steps) * np.where(steps > 0.3 * len(steps), 1e-3, 1.0)
    audio = audio.astype(np.float32)
    rest = torch.zeros(1, 1, 2, 6)
    filtered, _ = filter_blocks(to_blocks(torch.from_numpy(audio)[None, None], block), tables, rest)
    expected = recursion(audio, 0.99 * np.exp(0.9j), 3, None)
    error = np.abs(filtered[0, 0].numpy() - expected)[late].max() / np.abs(expected[late]).max()
    assert error < 3e-5
