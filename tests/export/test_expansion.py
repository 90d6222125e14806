"""Sums of float32 numbers: nothing is lost by cutting, and little by multiplying; how many terms it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from amt_export.design.expansion import (
    cut,
    joined,
    lost_in_sum,
    peak_of,
    products,
    table_parts,
    times,
    total,
    with_tails,
    with_terms,
)
from amt_export.design.gammatone import gammatone_bandwidth, gammatone_pole
from amt_export.design.rounding import Sums, answers, gramian, sums_needed, tone_error
from amt_export.modules import DRNLFilterbank, GammatoneFilterbank
from amt_export.recurrence.state_space import StateSpace, one_pole_cascade
from support.filters import noise, relative

FLOAT32 = torch.float32


def parts_of(x: torch.Tensor, count: int, lean: bool = False) -> list[torch.Tensor]:
    return cut([x], count, peak_of(x), lean)


def factors(matrix: torch.Tensor, count: int, dtype: torch.dtype = FLOAT32) -> list[torch.Tensor]:
    return products(with_tails(table_parts(matrix, count, [0], dtype)))


def value(terms: list[torch.Tensor]) -> torch.Tensor:
    return sum(term.double() for term in terms)


@given(
    count=st.integers(1, 5),
    seed=st.integers(0, 99),
    scale=st.floats(1e-6, 1e6),
    rows=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_the_parts_of_a_row_add_up_to_it_exactly(count, seed, scale, rows):
    x = (scale * noise(3, rows, seed=seed)).float()
    parts = parts_of(x, count)
    assert len(parts) == count
    assert torch.equal(value(parts), x.double())
    peak = x.abs().amax((-2, -1), keepdim=True)
    for i, part in enumerate(parts):
        assert (part.abs() <= 2.0 ** (-8 * i) * peak * 1.01).all()
        if i < count - 1:  # on a grid of 8 bits more, so products are exact
            grid = 2.0 ** (torch.floor(torch.log2(1.5 * 2.0**15 * peak)) - 23 - 8 * i)
            assert torch.equal(torch.round(part / grid) * grid, part)


def test_terms_of_a_row_are_cut_together():
    x, small = noise(2, 9).float(), 1e-4 * noise(2, 9, seed=1).float()
    parts = cut([x, small], 3, peak_of(x), False)
    assert relative(value(parts), x.double() + small.double()) < 1e-10


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_terms_that_overlap_lose_nothing_that_a_term_could_hold(count):
    """As sums of products do: each term has all of its 24 bits, and the next one begins within them."""
    terms = [(2.0 ** (-8 * k) * noise(2, 50, seed=k)).float() for k in range(count)]
    parts = cut(terms, count, peak_of(terms[0]), False)
    assert len(parts) == count
    assert relative(value(parts), value(terms)) < max(2.0 ** (-8 * count - 14), 2.0**-51)


def test_silence_and_nan_stay_what_they_are():
    assert all(torch.count_nonzero(part) == 0 for part in parts_of(torch.zeros(2, 4), 3))
    broken = torch.tensor([[[1.0, float("nan")]], [[1.0, 2.0]]])
    total_of = sum(parts_of(broken, 2))
    assert total_of[0].isnan().all()
    assert torch.equal(total_of[1], broken[1])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_products_gain_eight_bits_a_term(count):
    x, matrix = noise(200, 64).float(), noise(64, 32, seed=1)
    exact = x.double() @ matrix
    found = value(times(parts_of(x, count), factors(matrix, count)))
    assert relative(found, exact) < 2.0 ** (-11 - 8 * count)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_joined_table_makes_all_terms_at_once(count):
    x, matrix = noise(20, 8).float(), noise(8, 5, seed=1)
    parts, table = parts_of(x, count), table_parts(matrix, count, [0], FLOAT32)
    found = torch.cat(parts, dim=-1) @ joined(with_tails(table))
    for k, term in enumerate(times(parts, factors(matrix, count))):
        torch.testing.assert_close(found[:, 5 * k : 5 * k + 5], term, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize(
    ("terms", "count"), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 3)]
)
def test_terms_may_become_more_or_fewer(terms, count):
    x = noise(2, 7, 4).float()
    rows = torch.cat(parts_of(x, terms), dim=-1)
    found = with_terms(rows, terms, count, peak_of(x), False)
    assert found.shape == (2, 7, 4 * count)
    assert torch.equal(value(list(found.split(4, dim=-1))), x.double())


def test_lean_cuts_take_fewer_bits():
    x = noise(50, 40).float()
    head = parts_of(x, 2, lean=True)[0]
    assert 32 < len(torch.unique(head)) <= 2 * 86 + 1  # 6 bits, a sign, and up to 1.33 for the grid
    assert torch.equal(value(parts_of(x, 2, lean=True)), x.double())


def test_one_term_is_the_plain_product():
    x, matrix = noise(5, 8).float(), noise(8, 3, seed=1)
    (found,) = times(parts_of(x, 1), factors(matrix, 1))
    assert torch.equal(found, x @ matrix.float())


def test_sums_of_what_cancels_keep_what_is_left():
    """1 - 1 + 2^-40: float32 alone says 0 or, in another order, loses it as well."""
    one, tiny = torch.ones(1), torch.tensor([2.0**-40])
    zero = torch.zeros(1)
    found = total([one, zero, tiny], [-one, one * 2.0**-12, -one * 2.0**-12])
    assert float(found) == 2.0**-40
    a, b = noise(100).float(), 1e-5 * noise(100, seed=1).float()
    assert torch.equal(
        (a + b).double() + lost_in_sum(a, b, a + b).double(), a.double() + b.double()
    )


def test_gradients_pass_through_the_cuts():
    x = noise(3, 8).requires_grad_()
    matrix = noise(8, 4, seed=1).requires_grad_()
    (value(times(parts_of(x, 2), factors(matrix, 2, torch.float64))) ** 2).sum().backward()
    expected = 2.0 * (x @ matrix).detach()
    torch.testing.assert_close(x.grad, expected @ matrix.detach().T)
    torch.testing.assert_close(matrix.grad, x.detach().T @ expected)


# How many terms


def bank_error(fc: tuple[float, float], fs: float, samples: int, frequency: float) -> float:
    """Largest error of a bank, as it is exported, on a full-scale tone with ramps of 20 ms."""
    time = torch.arange(samples, dtype=torch.float64) / fs
    ramp = torch.clamp(torch.minimum(time, time.flip(0)) / 0.02, max=1.0)
    tone = torch.sin(2 * torch.pi * frequency * time) * (0.5 - 0.5 * torch.cos(torch.pi * ramp))
    tone = tone.float()[None]
    found = GammatoneFilterbank(fc, fs).frozen(samples)(tone)
    exact = GammatoneFilterbank(fc, fs, dtype=torch.float64)(tone.double())
    peak = exact.abs().amax(-1)
    error = (found.double() - exact).abs().amax(-1) / torch.clamp(peak, min=0.01 * peak.max())
    return float(error.max())


def gammatone(fc: list[float], fs: float) -> StateSpace:
    centre = torch.tensor(fc, dtype=torch.float64)
    pole = gammatone_pole(centre, gammatone_bandwidth(centre, 1.0186), fs)
    gain = (1.0 - pole.norm(dim=-1)) ** 4
    return one_pole_cascade(pole, 4, torch.stack([2.0 * gain, 0.0 * gain], dim=-1))


def test_answers_to_tones_are_the_transfer_function():
    system = gammatone([500.0], 16000.0)
    frequency = torch.tensor([100.0, 500.0, 3000.0], dtype=torch.float64)
    _, output = answers(system, frequency, 16000.0)
    a, b, c, d = (m[0].numpy() for m in system)
    _, expected = signal.freqz_zpk(
        *signal.ss2zpk(a, b[:, None], c[None], d.reshape(1, 1)), 2 * np.pi * frequency / 16000
    )
    np.testing.assert_allclose(output[:, 0], np.abs(expected), rtol=1e-5)


def test_the_gramian_is_the_energy_of_what_a_state_will_say():
    system = gammatone([800.0], 16000.0)
    said, state = 0.0, torch.zeros(8, dtype=torch.float64)
    state[2] = 1.0
    for _ in range(4000):
        said += float(system.c[0] @ state) ** 2
        state = system.A[0] @ state
    assert float(gramian(system)[0, 2, 2]) == pytest.approx(said, rel=1e-9)


def test_the_error_of_a_tone_is_foreseen():
    """The rule of thumb is right about the order of magnitude of what one float32 term makes."""
    fc, fs = [200.0, 500.0, 1000.0], 16000.0
    foreseen = tone_error(gammatone(fc, fs), fs, 32)
    module = GammatoneFilterbank(torch.tensor(fc), fs)
    module.filter.design(module.system(), module.block, module.fc, Sums(1, False))
    worst = 0.0
    for frequency in (125.0, 2000.0, 4000.0, 7000.0):
        time = torch.arange(8000, dtype=torch.float64) / fs
        tone = torch.sin(2 * torch.pi * frequency * time) * torch.clamp(20 * time, max=1.0)
        tone = tone.float()
        exact = GammatoneFilterbank(torch.tensor(fc), fs, dtype=torch.float64)(tone)
        error = (module(tone).double() - exact)[:, 4000:].abs().amax(-1)
        steady = exact[:, 4000:].abs().amax(-1)
        worst = max(worst, float((error / torch.clamp(steady, min=0.01 * steady.max())).max()))
    assert 0.05 * foreseen < worst < foreseen


def test_sparse_channels_need_more_terms_than_dense_ones():
    sparse = sums_needed(gammatone([500.0], 16000.0), 16000.0, 32)
    assert sparse.terms >= 3
    assert not sparse.lean
    dense = gammatone([100.0 * 1.15**k for k in range(32)], 16000.0)
    assert sums_needed(dense, 16000.0, 32) == Sums(2, True)
    assert sums_needed(dense, 16000.0, 32, 3) == Sums(3, False)


@pytest.mark.parametrize(
    ("fc", "fs", "samples"),
    [((80.0, 8000.0), 22050, 11025), ((100.0, 4000.0), 8000, 8000), ((50.0, 8000.0), 16000, 9600)],
)
def test_banks_close_to_where_lean_sums_end_keep_the_tolerance(fc, fs, samples):
    """Some are lean, some are not, as their design says; tones where the lean ones are worst."""
    for frequency in (246.0, 354.0, 1554.0):
        assert bank_error(fc, fs, samples, frequency) < 1.5e-6


@pytest.mark.parametrize("frequency", [125.0, 177.0, 246.0, 483.0, 1000.0, 1864.0, 4000.0, 7000.0])
@pytest.mark.parametrize(("fc", "fs"), [((100.0, 8000.0), 16000), ((80.0, 16000.0), 44100)])
def test_banks_keep_every_tone_to_the_tolerance_of_parity(fc, fs, frequency):
    """The lean and the two-term sums of shipped banks, as they are exported, on tones outside the suite."""
    assert bank_error(fc, fs, fs, frequency) < 1.5e-6


@pytest.mark.parametrize("frequency", [125.0, 1000.0, 4000.0, 7000.0])
def test_a_tone_outside_every_channel_is_as_exact_as_one_inside(frequency):
    """Float32 against float64, relative to each channel's own, tiny, answer."""
    fs = 16000.0
    time = torch.arange(16000, dtype=torch.float64) / fs
    ramp = torch.clamp(torch.minimum(time, time.flip(0)) / 0.02, max=1.0)
    tone = (
        torch.sin(2 * torch.pi * frequency * time) * (0.5 - 0.5 * torch.cos(torch.pi * ramp))
    ).float()
    fc = torch.tensor([200.0, 500.0, 1000.0])
    found = GammatoneFilterbank(fc, fs)(tone)
    exact = GammatoneFilterbank(fc, fs, dtype=torch.float64)(tone)
    peak = exact.abs().amax(-1)
    error = (found.double() - exact).abs().amax(-1) / torch.clamp(peak, min=0.01 * peak.max())
    assert float(error.max()) < 1e-6


@pytest.mark.parametrize(("terms", "bound"), [(2, 5e-7), (None, 3e-5)])
def test_quiet_sounds_behind_a_loud_one(terms, bound):
    """60 dB below a click 0.6 s ago. Lean sums have one grid for a call, and are one-term sums there."""
    time = torch.arange(16000, dtype=torch.float64) / 16000.0
    ramp = torch.clamp((time - 0.6) / 0.02, 0.0, 1.0) * torch.clamp((1.0 - time) / 0.02, 0.0, 1.0)
    tone = 1e-3 * torch.sin(2 * torch.pi * 1000.0 * time) * (0.5 - 0.5 * torch.cos(torch.pi * ramp))
    tone[400] = 1.0
    found = GammatoneFilterbank((100.0, 8000.0), 16000, terms=terms)(tone.float())[:, 11000:]
    exact = GammatoneFilterbank((100.0, 8000.0), 16000, dtype=torch.float64)(tone.float())[
        :, 11000:
    ]
    peak = exact.abs().amax(-1)
    error = (found.double() - exact).abs().amax(-1) / torch.clamp(peak, min=0.01 * peak.max())
    assert float(error.max()) < bound


def made(module, terms):
    if module is GammatoneFilterbank:
        return GammatoneFilterbank((100.0, 7900.0), 16000, terms=terms)
    return DRNLFilterbank((500.0, 7500.0), 16000, n_channels=20, dtype=torch.float32, terms=terms)


@pytest.mark.parametrize("module", [GammatoneFilterbank, DRNLFilterbank])
def test_one_term_is_plain_float32_and_less_exact(module):
    time = torch.arange(8000, dtype=torch.float64) / 16000.0
    ramp = torch.clamp(torch.minimum(time, time.flip(0)) / 0.02, max=1.0)
    tone = (0.1 * torch.sin(2 * torch.pi * 1000.0 * time) * ramp).float()

    def error(terms):
        found = made(module, terms)(tone).double()
        exact = made(module, terms).double()(tone.double())
        peak = exact.abs().amax(-1)
        return float(
            ((found - exact).abs().amax(-1) / torch.clamp(peak, min=0.01 * peak.max())).max()
        )

    one, chosen = error(1), error(None)
    assert chosen < 1e-6 < one < 5e-5
    assert [state.shape[2] for state in made(module, 1).rest(1)] == [1] * len(module.states)
    assert made(module, 3).rest(1)[0].shape[2] == 3
    assert error(3) < 1e-6


@pytest.mark.parametrize("module", [GammatoneFilterbank, DRNLFilterbank])
@pytest.mark.parametrize("terms", [0, 7, -1])
def test_terms_are_one_to_six(module, terms):
    with pytest.raises(ValueError, match=f"terms is {terms}; from 1 to 6"):
        made(module, terms)
