"""Matrix products whose sums round once."""

import math

import pytest
import torch

from amt_export.numerics.double_float import split_matrix, split_product, split_rows


def windowed_columns(size: int = 1024, count: int = 30) -> torch.Tensor:
    window = torch.hann_window(size, dtype=torch.float64)
    angle = torch.arange(size, dtype=torch.float64)[:, None] * torch.arange(20, 20 + count)
    return 0.37 * window[:, None] * torch.cos(2 * math.pi / size * angle)


def test_parts_add_up_to_the_whole():
    matrix = windowed_columns()
    head, rest = split_matrix(matrix, torch.float32)
    assert (head.double() + rest.double() - matrix).abs().max() < 1e-9 * matrix.abs().max()
    assert rest.abs().max() <= 2.0**-9 * 0.5
    rows = torch.randn(3, 5, 1024, generator=torch.Generator().manual_seed(1))
    head, rest = split_rows(rows)
    assert torch.equal(head + rest, rows)
    peak = rows.abs().amax(-1, keepdim=True)
    assert (rest.abs() <= 2.0**-7 * peak).all()


@pytest.mark.parametrize("level", [1.0, 1e-8])
def test_a_tone_outside_the_band_leaves_as_little_as_in_float64(level):
    """The error is 2e-9 of what the tone gives in its own bin; that of a plain product is above 1e-8."""
    matrix = windowed_columns()
    tone = level * torch.sin(2 * math.pi * 4.3 / 1024 * torch.arange(1024, dtype=torch.float64))
    tone = tone.float()[None]
    expected = tone.double() @ matrix
    plain = (tone @ matrix.float()).double() - expected
    main, small = split_product(*split_rows(tone), *split_matrix(matrix, torch.float32))
    split = (main + small).double() - expected
    own = 0.37 * level * 1024 / 4
    assert expected.abs().max() < 1e-3 * own, "the bins lie outside"
    assert split.abs().max() < 2e-9 * own
    assert plain.abs().max() > 1e-8 * own


def test_zeros():
    assert not any(
        part.any() for part in split_matrix(torch.zeros(4, 2, dtype=torch.float64), torch.float32)
    )
    main, small = split_product(*split_rows(torch.zeros(1, 4)), torch.ones(4, 2), torch.zeros(4, 2))
    assert not main.any()
    assert not small.any()


@pytest.mark.parametrize("size", [3, 63, 1024])
def test_the_sum_of_two_heads_does_not_round(size):
    generator = torch.Generator().manual_seed(size)
    tone = torch.sin(0.1 * torch.arange(size))
    rows = torch.stack([torch.randn(size, generator=generator), tone, torch.ones(size)])
    matrix = torch.randn(size, 20, generator=generator, dtype=torch.float64)
    matrix[:, 0] = matrix.abs().max()  # all products of the last row have one sign
    head, _ = split_rows(rows)
    other = split_matrix(matrix, torch.float32).head
    assert torch.equal((head @ other).double(), head.double() @ other.double())
    assert not torch.equal(
        (rows @ matrix.float()).double(), rows.double() @ matrix.float().double()
    )
