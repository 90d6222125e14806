"""The broken-stick compression alone, by its formula and in units of its knee."""

from __future__ import annotations

import math

import pytest
import torch

from amt_export.modules import DRNLFilterbank
from amt_export.modules.filterbanks.compression import (
    broken_stick,
    knee_velocity,
    quarter_power_stick,
)

CASP = {"fc": (250.0, 8000.0), "fs": 44100}
FLOAT64 = torch.float64


def test_the_broken_stick_is_the_formula():
    velocity = torch.cat([torch.logspace(-12, 3, 200, dtype=FLOAT64), torch.zeros(1)])
    velocity = torch.cat([velocity, -velocity])
    a, b, c = (torch.tensor(v, dtype=FLOAT64) for v in (1e4, 0.1, 0.25))
    expected = velocity.sign() * torch.minimum(a * velocity.abs(), b * velocity.abs() ** c)
    torch.testing.assert_close(broken_stick(velocity, a, b, c - 1.0), expected, rtol=1e-13, atol=0)


def test_the_broken_stick_hides_no_nan():
    velocity = torch.tensor([math.nan, 1.0])
    for a in (1e4, 0.0):  # HIx: nothing passes, but what is not a number shows
        compressed = broken_stick(velocity, torch.tensor(a), torch.tensor(0.1), torch.tensor(-0.75))
        assert torch.isnan(compressed[0])
        assert torch.isfinite(compressed[1])


@pytest.mark.parametrize("dtype", [torch.float32, FLOAT64])
def test_silence_through_the_broken_stick_is_silence_with_a_slope(dtype):
    velocity = torch.tensor([0.0, -0.0, 1e-38], dtype=dtype, requires_grad=True)
    a, b = torch.tensor(1e4, dtype=dtype), torch.tensor(0.1, dtype=dtype, requires_grad=True)
    compressed = broken_stick(velocity, a, b, torch.tensor(-0.75, dtype=dtype))
    assert torch.count_nonzero(compressed[:2]) == 0
    compressed.sum().backward()
    assert torch.equal(velocity.grad, torch.full_like(velocity, 1e4))
    assert torch.isfinite(b.grad)


def test_in_units_of_its_knee_the_stick_is_two_roots():
    velocity = torch.cat([torch.logspace(-12, 3, 200, dtype=FLOAT64), torch.zeros(1)])
    velocity = torch.cat([velocity, -velocity])
    a, b, c = (torch.tensor([value], dtype=FLOAT64) for value in (3e4, 0.1, 0.25))
    knee = knee_velocity(a, b, c)
    torch.testing.assert_close(a * knee, b * knee**c)
    expected = broken_stick(velocity, a, b, c - 1.0)
    found = a * knee * quarter_power_stick(velocity / knee)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_roots_have_a_slope_in_silence_and_hide_no_nan():
    velocity = torch.tensor([0.0, -0.0, 1e-38, -16.0, math.nan], requires_grad=True)
    compressed = quarter_power_stick(velocity)
    assert torch.equal(compressed[:4], torch.tensor([0.0, 0.0, 1e-38, -2.0]))
    assert torch.isnan(compressed[4])
    compressed[:4].sum().backward()
    assert torch.equal(velocity.grad[:4], torch.tensor([1.0, 1.0, 1.0, 2.0 / 64.0]))


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [(3e4, 0.1, 0.26), (3e4, 0.1, 0.25 + 3e-8), (1e12, 1e-6, 0.25), (-1.0, 0.1, 0.25)],
)
def test_other_sticks_have_no_knee_to_count_in(a, b, c):
    a, b, c = (
        torch.tensor([first, second], dtype=FLOAT64)
        for first, second in ((3e4, a), (0.1, b), (0.25, c))
    )
    assert knee_velocity(a, b, c) is None


def test_where_nothing_passes_any_unit_will_do():
    a, b, c = (
        torch.tensor(value, dtype=FLOAT64) for value in ([0.0, 3e4], [0.1, 0.0], [0.25, 0.25])
    )
    assert torch.equal(knee_velocity(a, b, c), torch.ones(2, dtype=FLOAT64))


def test_the_published_compression_is_two_roots_in_float32_and_a_trained_one_its_own_power():
    module = DRNLFilterbank(**CASP, n_channels=6, dtype=torch.float32)
    assert module.knee_units
    assert not DRNLFilterbank(**CASP, n_channels=6).knee_units  # float64 has digits for 10^-0.60206
    assert not module.to(torch.bfloat16).knee_units
    trained = DRNLFilterbank(**CASP, n_channels=6, learnable=True, dtype=torch.float32)
    assert not trained.knee_units
    assert trained.freeze(700).knee_units
    with torch.no_grad():
        trained.c += 0.01
    assert not trained.freeze(700).knee_units
