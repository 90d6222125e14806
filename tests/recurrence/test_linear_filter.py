"""The block form of a recursive filter is the recursion: any block, grouping, order and length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.numerics.blocks import block_count, to_blocks, trim
from amt_export.recurrence.block_length import BLOCK, stream_blocks, whole_blocks
from amt_export.recurrence.linear_filter import (
    LinearFilter,
    differentiable_tables,
    filter_blocks,
    filter_parts,
    sum_outputs,
)
from amt_export.recurrence.memory import memory_steps
from amt_export.recurrence.tables import impulse_response
from support.filters import noise, recursion, relative, system_of

FLOAT64 = torch.float64
UNLIMITED = 2**40


def run(system, audio: torch.Tensor, block: int, state=None):
    """Filter whole signals by tables that look back on everything."""
    count = block_count(audio.shape[-1], block)
    tables = differentiable_tables(system, block, count, audio, UNLIMITED)
    channels, size = system.b.shape
    silence = torch.zeros(audio.shape[0], channels, 1, size, dtype=audio.dtype)
    filtered, state = filter_blocks(
        to_blocks(audio, block), tables, silence if state is None else state
    )
    return trim(filtered, audio.shape[-1]), state


@given(
    block=st.integers(1, 40),
    order=st.integers(1, 5),
    cutoff=st.none() | st.floats(50.0, 7999.0),
    radius=st.floats(0.3, 0.999),
    angle=st.floats(-3.1, 3.1),
    samples=st.integers(0, 900),
)
@settings(max_examples=80, deadline=None)
def test_the_block_form_is_the_recursion(block, order, cutoff, radius, angle, samples):
    poles = [radius * np.exp(1j * angle), 0.5 + 0.1j]
    audio = noise(2, 1, samples)
    found, _ = run(system_of(poles, order, cutoff), audio, block)
    assert found.shape == (2, 2, samples)
    if samples == 0:
        return
    for channel, pole in enumerate(poles):
        expected = recursion(audio[:, 0].numpy(), pole, order, cutoff)
        assert relative(found[:, channel], torch.from_numpy(expected)) < 1e-9


@given(block=st.integers(1, 33), cut=st.integers(0, 40), count=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_the_state_carries_everything(block, cut, count):
    """Two calls, the second with the first one's state, are one call: also for calls without blocks."""
    cut = min(cut, count) * block
    system = system_of([0.97 * np.exp(-0.3j)], 3, 2000.0)
    audio, start = noise(2, 1, count * block), noise(2, 1, 1, 8, seed=1)
    whole, last = run(system, audio, block, start)
    first, carry = run(system, audio[..., :cut], block, start)
    second, state = run(system, audio[..., cut:], block, carry)
    torch.testing.assert_close(torch.cat([first, second], 2), whole, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(state, last, rtol=1e-10, atol=1e-10)


def test_every_channel_may_have_its_own_signal():
    poles = [0.9 + 0.1j, 0.5 - 0.5j, 0.99 + 0.0j]
    audio = noise(2, 3, 200)
    found, _ = run(system_of(poles, 2, None), audio, 16)
    for channel, pole in enumerate(poles):
        expected = recursion(audio[:, channel].numpy(), pole, 2, None)
        assert relative(found[:, channel], torch.from_numpy(expected)) < 1e-11


def test_two_filters_are_added_up():
    systems = [system_of([0.9 + 0.1j], 2, None), system_of([0.7 - 0.2j], 3, 900.0)]
    audio = noise(1, 1, 96)
    tables = [differentiable_tables(system, 8, 12, audio, UNLIMITED) for system in systems]
    parts = [
        filter_parts(to_blocks(audio, 8), t, torch.zeros(1, 1, 1, s.b.shape[1], dtype=FLOAT64))
        for t, s in zip(tables, systems, strict=True)
    ]
    found = sum_outputs(parts[0], tables[0], parts[1], tables[1])
    expected = run(systems[0], audio, 8)[0] + run(systems[1], audio, 8)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@given(
    block=st.integers(8, 40),
    count=st.integers(1, 400),
    known=st.booleans(),
    radius=st.floats(0.3, 0.99) | st.floats(0.999, 0.9999),
    order=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_a_bank_of_fixed_filters_is_the_recursion(block, count, known, radius, order):
    """The scan reaches as far back as the memory, for a known or any number of blocks, from any state."""
    pole = radius * np.exp(0.3j)
    system = system_of([pole], order, None)
    bank = LinearFilter(system, block, torch.zeros(1, dtype=FLOAT64), count if known else 0)
    blocks = to_blocks(noise(1, 1, count * block), block)
    first, state = bank(blocks, bank.initial_state(1))
    second, _ = bank(blocks, state)
    expected = recursion(np.tile(blocks.flatten().numpy(), 2), pole, order, None)
    both = torch.cat([first, second], 2)[:, 0]
    assert relative(both, torch.from_numpy(expected)[None]) < 1e-9


@pytest.mark.parametrize("script", [False, True])
def test_more_blocks_than_a_bank_was_built_for_are_refused(script):
    """Its tables do not reach back to the first of them."""
    bank = LinearFilter(system_of([0.999 + 0.0j], 1, None), 32, torch.zeros(1), 2)
    blocks = to_blocks(noise(1, 1, 96).float(), 32)
    start = bank.initial_state(1)
    run_bank = torch.jit.script(bank) if script else bank
    assert run_bank(blocks[:, :, :2], start)[0].shape == (1, 1, 64)
    assert run_bank(blocks[:, :, :1], start)[0].shape == (1, 1, 32)
    refusal = "3 blocks of 32 samples; this filter was built for at most 2: .* for any length"
    with pytest.raises(torch.jit.Error if script else ValueError, match=refusal):
        run_bank(blocks, start)


def test_float32_leaves_rounding_only():
    """A tone far outside the band of a narrow filter: the hardest case, 1e-7 of the input is left."""
    pole = 0.98 * np.exp(-0.05j)
    tone = torch.sin(1.5 * torch.arange(8000, dtype=FLOAT64)).float()
    bank = LinearFilter(system_of([pole], 4, None), 32, torch.zeros(1), 250)
    found, _ = bank(to_blocks(tone[None, None], 32), bank.initial_state(1))
    expected = recursion(tone.double().numpy(), pole, 4, None)
    assert np.abs(found[0, 0].double().numpy() - expected).max() < 5e-7


def test_what_a_file_keeps_is_small_and_not_saved_twice():
    bank = LinearFilter(system_of([0.9 + 0.2j, 0.8 + 0.1j], 2, None), 32, torch.zeros(1), 100)
    tables = bank.tables()
    entries = sum(t.shape[1] * t.shape[2] for t in (*tables[:5], *sum(tables.levels, ())))
    assert bank.values.shape[1] < entries / 5
    assert not bank.state_dict()
    assert bank.values.dtype == torch.float32
    assert bank.initial_state(3).shape == (3, 2, 1, 4)
    assert torch.count_nonzero(bank.initial_state(3)) == 0


def test_no_number_of_a_table_is_denormal():
    """Denormal float32 numbers would make products slow; the filter loses nothing by their absence."""
    bank = LinearFilter(system_of([0.05 + 0.0j], 1, None), 32, torch.zeros(1), 100)
    assert bank.values[bank.values != 0].abs().min() > torch.finfo(torch.float32).tiny


def test_coefficients_that_are_trained_have_gradients():
    system = system_of([0.9 + 0.2j], 2, 3000.0)
    leaves = [value.clone().requires_grad_() for value in system]
    audio = noise(1, 1, 40)
    found, _ = run(type(system)(*leaves), audio, 8)
    found.square().sum().backward()
    assert all(leaf.grad is not None and torch.isfinite(leaf.grad).all() for leaf in leaves)


# Memory and block lengths


@pytest.mark.parametrize("tolerance", [1e-7, 1e-30])
@pytest.mark.parametrize("radius", [0.5, 0.99, 0.999])
def test_what_is_beyond_the_memory_is_below_the_tolerance(radius, tolerance):
    """As many steps as the memory has hold all of the impulse response, and one less does not."""
    system = system_of([radius * np.exp(0.4j)], 3, None)
    tail = impulse_response(system, 200_000)[0].abs().flip(0).cummax(0)[0].flip(0)
    steps = memory_steps(system, 1000, tolerance)
    assert tail[1000 * steps + 1] < tolerance * tail[0] * 10
    assert steps == 1 or tail[1000 * (steps - 1)] > tolerance * tail[0] / 1000


@given(samples=st.integers(1, 200000))
@settings(max_examples=100, deadline=None)
def test_the_block_divides_the_audio_where_one_can(samples):
    block, _ = whole_blocks(samples)
    fitting = [b for b in range(32, 65) if samples % b == 0]
    fitting = [b for b in fitting if b <= 48] or fitting
    assert block in (fitting or [BLOCK])
    # No other one leaves a smaller share of its groups of 16 empty.
    assert all(-(-block // 16) / block <= -(-b // 16) / b for b in fitting)


@pytest.mark.parametrize(("samples", "block"), [(1, 1), (64, 64), (128, 32), (512, 32), (441, 49)])
def test_the_block_of_a_stream_divides_it(samples, block):
    assert stream_blocks(samples).length == block


def test_a_stream_that_no_block_divides_is_refused():
    with pytest.raises(ValueError, match="no divisor from 32 to 256; take a multiple of 32"):
        stream_blocks(2 * 509)
