"""The block form of a recursive filter is the recursion: any block, radix, order and length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import signal

from amt_export.design.rounding import Sums
from amt_export.numerics.blocks import (
    from_blocks,
    pad_end,
    shortened,
    to_blocks,
    toeplitz,
)
from amt_export.recurrence.linear_filter import (
    BLOCK,
    BlockFilter,
    divisor_block,
    filter_blocks,
)
from amt_export.recurrence.operators import (
    block_operators,
    impulse_response,
    settled,
)
from amt_export.recurrence.prefix_scan import block_states
from amt_export.recurrence.state_space import (
    amplified,
)
from amt_export.recurrence.tables import in_order, laid_out, looked_up, packed
from support.filters import noise, recursion, relative, system_of

FLOAT64 = torch.float64
FS = 16000.0


ONE, LEAN = Sums(1, False), Sums(2, True)


def run(system, audio: torch.Tensor, block: int, radices: list[int], sums: Sums = ONE):
    tables = laid_out(settled(block_operators(system, block, radices), audio.dtype, *sums))
    channels, size = system.b.shape
    held = 1 if sums.lean else sums.terms
    rest = torch.zeros(audio.shape[0], channels, held, size, dtype=audio.dtype)
    filtered, state = filter_blocks(to_blocks(audio, block), tables, rest)
    return shortened(filtered, audio.shape[-1]), state


@given(
    block=st.integers(1, 40),
    radices=st.lists(st.integers(2, 7), min_size=1, max_size=4),
    order=st.integers(1, 5),
    cutoff=st.none() | st.floats(50.0, 7999.0),
    radius=st.floats(0.3, 0.999),
    angle=st.floats(-3.1, 3.1),
    samples=st.integers(0, 700),
    sums=st.just(LEAN) | st.builds(Sums, st.integers(1, 4), st.just(False)),
)
@example(  # more blocks than one pass takes
    block=3, radices=[2, 2], order=4, cutoff=1e3, radius=0.99, angle=-0.1, samples=700,
    sums=LEAN,
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_block_form_is_the_recursion(
    block, radices, order, cutoff, radius, angle, samples, sums
):
    poles = [radius * np.exp(1j * angle), 0.5 + 0.1j]
    audio = noise(2, 1, samples)
    found, _ = run(system_of(poles, order, cutoff), audio, block, radices, sums)
    assert found.shape == (2, 2, samples)
    if samples == 0:
        return
    for channel, pole in enumerate(poles):
        expected = recursion(audio[:, 0].numpy(), pole, order, cutoff)
        assert relative(found[:, channel], torch.from_numpy(expected)) < 1e-9


@given(
    block=st.integers(1, 33),
    cut=st.integers(0, 9),
    count=st.integers(1, 9),
    sums=st.sampled_from([Sums(1, False), Sums(2, False), LEAN, Sums(3, False)]),
)
@settings(max_examples=60, deadline=None)
def test_the_state_carries_everything(block, cut, count, sums):
    """Two calls, the second with the first one's state, are one call: also for calls without blocks."""
    cut = min(cut, count)
    system = system_of([0.97 * np.exp(-0.3j)], 3, 2000.0)
    tables = laid_out(settled(block_operators(system, block, [3, 2]), FLOAT64, *sums))
    blocks = noise(2, 1, count, block)
    start = noise(2, 1, 1 if sums.lean else sums.terms, 8, seed=1)
    whole, last = filter_blocks(blocks, tables, start)
    first, carried = filter_blocks(blocks[:, :, :cut], tables, start)
    second, state = filter_blocks(blocks[:, :, cut:], tables, carried)
    last, state = last.sum(2), state.sum(2)
    torch.testing.assert_close(torch.cat([first, second], 2), whole, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(state, last, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64, 70])
def test_block_states_are_the_recursion_over_blocks(count):
    system = system_of([0.99 * np.exp(-0.3j), 0.5 + 0.0j], 2, None)
    tables = laid_out(settled(block_operators(system, 4, [2, 2, 2]), FLOAT64, 1, False))
    reached, start = noise(1, 2, count, 4), noise(1, 2, 4, seed=1)
    peak = torch.ones(1, 1, 1, 1)
    (found,), last = block_states([reached], start[:, :, None], tables, peak)
    state, expected = start[0], [start[0]]
    power = torch.linalg.matrix_power(system.A, 4)
    for k in range(count):
        state = (power @ state[..., None])[..., 0] + reached[0, :, k]
        expected.append(state)
    found = torch.cat([found, last], dim=2)
    torch.testing.assert_close(found[0], torch.stack(expected, dim=1), rtol=1e-11, atol=1e-12)


def test_every_channel_may_have_its_own_signal():
    poles = [0.9 + 0.1j, 0.5 - 0.5j, 0.99 + 0.0j]
    audio = noise(2, 3, 200)
    found, _ = run(system_of(poles, 2, None), audio, 16, [4, 4, 4])
    for channel, pole in enumerate(poles):
        expected = recursion(audio[:, channel].numpy(), pole, 2, None)
        assert relative(found[:, channel], torch.from_numpy(expected)) < 1e-11


@pytest.mark.parametrize("length", [1, 2, 3, 31, 32, 33, 100])
def test_impulse_response(length):
    system = amplified(system_of([0.9 + 0.2j], 3, 3000.0), torch.tensor([7.0], dtype=FLOAT64))
    click = np.eye(1, length)[0]
    expected = 7.0 * recursion(click, 0.9 + 0.2j, 3, 3000.0)
    np.testing.assert_allclose(impulse_response(system, length)[0], expected, atol=1e-13)


def test_every_term_takes_more_of_a_distant_tone_out_of_the_noise():
    """A pole near the unit circle and float32: what expansions are for."""
    poles = [0.98 * np.exp(-0.05j)]
    system = system_of(poles, 4, None)
    time = np.arange(8000)
    tone = torch.from_numpy(np.sin(1.5 * time) * signal.windows.tukey(time.size, 0.3))
    audio = tone.float()[None, None]
    expected = torch.from_numpy(recursion(audio[0, 0].double().numpy(), poles[0], 4, None))
    sums = [Sums(1, False), LEAN, Sums(2, False), Sums(3, False), Sums(4, False)]
    errors = [relative(run(system, audio, 32, [5, 5, 5, 5], s)[0][0, 0], expected) for s in sums]
    assert errors[0] > 1e-3
    assert errors[1] < 0.3 * errors[0]
    assert errors[2] < 0.3 * errors[1]
    assert errors[3] < 0.1 * errors[2]
    assert errors[4] < 3e-7


def test_numbers_too_small_to_matter_are_zero():
    """Denormal float32 numbers would make products slow; the recursion loses nothing."""
    system = system_of([0.05 + 0.0j], 1, None)
    for sums in (Sums(1, False), Sums(2, False), LEAN):
        operators = settled(block_operators(system, 32, [5, 4]), torch.float32, *sums)
        for table in operators[:5]:
            small = table[table != 0].abs().min()
            assert small > torch.finfo(torch.float32).tiny


# Layout


@given(
    radix=st.integers(1, 6), rows=st.integers(1, 4), columns=st.integers(1, 4), seed=st.integers(0)
)
@settings(max_examples=40, deadline=None)
def test_toeplitz(radix, rows, columns, seed):
    table = noise(2, radix, rows, columns, seed=seed)
    found = toeplitz(table)
    assert found.shape == (2, radix * rows, radix * columns)
    for j in range(radix):
        for k in range(radix):
            part = found[:, j * rows : (j + 1) * rows, k * columns : (k + 1) * columns]
            expected = table[:, k - j] if k >= j else torch.zeros_like(part)
            assert torch.equal(part, expected), (j, k)


def test_the_impulse_matrix_convolves_within_a_block():
    system = system_of([0.9 + 0.2j], 2, None)
    operators = settled(block_operators(system, 12, [2]), FLOAT64, 1, False)
    row = noise(12)
    expected = np.convolve(row.numpy(), operators.impulse[0, 0].numpy())[:12]
    np.testing.assert_allclose(row @ laid_out(operators).impulse[0][0], expected, atol=1e-14)


@given(samples=st.integers(0, 200), block=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_blocks_and_back(samples, block):
    audio = noise(2, 3, samples)
    blocks = to_blocks(audio, block)
    assert blocks.shape == (2, 3, -(-samples // block), block)
    assert torch.equal(shortened(from_blocks(blocks), samples), audio)
    assert torch.count_nonzero(blocks.flatten(2)[..., samples:]) == 0


def test_pad_end():
    padded = pad_end(torch.ones(2, 3, 4), 2, 1)
    assert padded.shape == (2, 5, 4)
    assert torch.count_nonzero(padded[:, 3:]) == 0
    same = torch.ones(2)
    assert pad_end(same, 0, 0) is same


@given(samples=st.integers(1, 200000))
@settings(max_examples=100, deadline=None)
def test_the_block_divides_the_audio_where_one_can(samples):
    block = divisor_block(samples)
    fitting = [b for b in range(32, 65) if samples % b == 0]
    assert block in (fitting or [BLOCK])
    # No other one leaves a smaller share of its groups of 16 empty.
    assert all(-(-block // 16) / block <= -(-b // 16) / b for b in fitting)


def test_the_terms_add_up_to_the_table():
    one = block_operators(system_of([0.99 * np.exp(-0.2j)], 3, None), 32, [5, 4, 5])
    for sums in (Sums(2, False), Sums(3, False), LEAN):
        many = settled(one, torch.float32, *sums)
        for name in ("impulse", "reach", "observe", "fine", "coarse"):
            whole, terms = getattr(one, name), getattr(many, name)
            assert terms.shape == (sums.terms, *whole.shape[1:]), name
            error = (terms.double().sum(0) - whole[0]).abs().max() / whole.abs().max()
            assert float(error) < 2.0 ** (-26 if sums.lean else -14 - 8 * sums.terms), name


@given(
    block=st.integers(1, 12),
    radices=st.just([1]) | st.lists(st.integers(2, 5), min_size=1, max_size=4),
    sums=st.just(LEAN) | st.builds(Sums, st.integers(1, 4), st.just(False)),
)
@settings(max_examples=40, deadline=None)
def test_tables_that_are_looked_up_are_those_laid_out(block, radices, sums):
    system = system_of([0.9 + 0.2j, 0.5 + 0.1j], 2, None)
    operators = settled(block_operators(system, block, radices), torch.float32, *sums)
    expected, found = laid_out(operators), packed(operators)
    assert torch.count_nonzero(found.numbers[:, 0]) == 0
    assert int(found.where.max()) == found.numbers.shape[1] - 1
    flat = in_order(looked_up(*found), expected.radices, sums.terms, False, sums.lean)
    assert flat.radices == [*radices]
    for name in ("impulse", "reach", "observe", "onward", "top", "started", "within"):
        right, table = (tensors(getattr(of, name)) for of in (expected, flat))
        for a, b in zip(right, table, strict=True):
            assert torch.equal(a, b), name


def tensors(nested) -> list[torch.Tensor]:
    """All tensors of a tensor, or of lists of them."""
    if isinstance(nested, torch.Tensor):
        return [nested]
    return [tensor for inner in nested for tensor in tensors(inner)]


@pytest.mark.parametrize("sums", [Sums(1, False), Sums(2, False), LEAN])
def test_tables_are_kept_but_not_saved(sums):
    keeper = BlockFilter()
    keeper.design(system_of([0.9 + 0.2j], 2, None), 16, torch.zeros(1), sums)
    assert not keeper.state_dict()
    assert keeper.numbers.dtype == torch.float32
    held = 2 if sums == Sums(2, False) else 1
    assert keeper.rest(3).shape == (3, 1, held, 4)
    assert torch.count_nonzero(keeper.rest(3)) == 0
