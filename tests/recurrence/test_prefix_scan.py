"""The prefix scan is the recursion over blocks, whatever the groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.recurrence.prefix_scan import choose_radices, prefix_scan, sliding_windows
from amt_export.recurrence.tables import design_tables
from support.filters import noise, system_of


@given(count=st.integers(1, 200), look_back=st.integers(2, 9))
@settings(max_examples=60, deadline=None)
def test_the_scan_is_the_recursion_over_blocks(count, look_back):
    system = system_of([0.99 * np.exp(-0.3j), 0.5 + 0.0j], 2, None)
    tables = design_tables(system, 4, choose_radices(count, 2**40, look_back))
    inputs, start = noise(1, 2, count, 4), noise(1, 2, 1, 4, seed=1)
    found, last = prefix_scan(inputs, start, tables)
    found = torch.cat([found, last], dim=2)
    power = torch.linalg.matrix_power(system.A, 4)
    state = start[0, :, 0]
    expected = [state]
    for k in range(count):
        state = (power @ state[..., None])[..., 0] + inputs[0, :, k]
        expected.append(state)
    torch.testing.assert_close(found[0], torch.stack(expected, 1), rtol=1e-11, atol=1e-12)


def test_no_block_has_no_state():
    tables = design_tables(system_of([0.9 + 0.1j], 2, None), 4, [2, 3])
    found, last = prefix_scan(torch.zeros(1, 1, 0, 4), torch.ones(1, 1, 1, 4), tables)
    assert found.shape == (1, 1, 0, 4)
    assert torch.equal(last, torch.ones(1, 1, 1, 4))


@given(count=st.integers(1, 20000), memory=st.integers(1, 30000))
@settings(max_examples=200, deadline=None)
def test_groups_hold_all_blocks_or_the_memory(count, memory):
    radices = choose_radices(count, memory)
    assert all(2 <= radix <= 8 for radix in radices[:-1])
    assert 1 <= radices[-1] <= 9
    held = int(np.prod(radices))
    assert held >= min(count, memory)


@pytest.mark.parametrize("count", [8, 16, 400, 500, 700, 980, 1000])
def test_nothing_is_padded_at_the_lengths_of_the_published_models(count):
    *radices, top = choose_radices(count, 2**40)
    assert np.prod(radices) * (top - 1) == count


def test_any_number_of_blocks_needs_a_memory_only():
    radices = choose_radices(0, 1000)
    assert np.prod(radices) >= 1000


def test_sliding_windows():
    rows = torch.arange(1.0, 4.0).reshape(1, 1, 3, 1)
    expected = [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    assert sliding_windows(rows, 2)[0, 0].tolist() == expected
    assert sliding_windows(rows, 1) is rows
