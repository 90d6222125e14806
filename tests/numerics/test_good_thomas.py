"""The transform of the fast DRNL: numpy's spectra, precise in every bin, at lengths that suit the sound."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.numerics.double_float import split_matrix
from amt_export.numerics.good_thomas import (
    SplitTorus,
    best_torus,
    halved,
    inverse,
    ordered_inverse,
    ordered_inverse_matrices,
    precise_transform,
    product,
    torus,
    transform,
    wrap_order,
)
from support.filters import noise

SIZES = [(2, 3), (3, 4), (8, 9), (9, 8), (5, 13), (16, 17)]


def wrapped(row: torch.Tensor, n1: int, n2: int) -> torch.Tensor:
    return row[..., wrap_order(n1, n2)].reshape(*row.shape[:-1], n1, n2)


@pytest.mark.parametrize(("n1", "n2"), SIZES)
def test_the_spectrum_is_numpys(n1, n2):
    row = noise(2, n1 * n2)
    found = transform(wrapped(row, n1, n2), torus(n1, n2))
    expected = np.fft.fft(row.numpy())
    k1, k2 = np.arange(n1 // 2 + 1)[:, None], np.arange(n2 // 2 + 1)
    for real, imaginary, sign in (
        (found.plus_re, found.plus_im, 1),
        (found.minus_re, found.minus_im, -1),
    ):
        # exp(-2 pi i (n k1/n1 + n k2/n2)) is bin k1 n2 + k2 n1 of the long transform.
        bins = (k1 * n2 + sign * k2 * n1) % (n1 * n2)
        np.testing.assert_allclose(real + 1j * imaginary, expected[:, bins], atol=1e-12 * n1 * n2)


@pytest.mark.parametrize(("n1", "n2"), SIZES)
def test_products_of_spectra_are_circular_convolutions(n1, n2):
    row, taps, to = noise(3, n1 * n2), noise(n1 * n2, seed=1), torus(n1, n2)
    spectrum = product(
        transform(wrapped(row, n1, n2), to), halved(transform(wrapped(taps, n1, n2), to))
    )
    expected = np.fft.ifft(np.fft.fft(row.numpy()) * np.fft.fft(taps.numpy())).real
    within = 1e-13 * (n1 * n2) ** 2
    on_torus = inverse(spectrum, to)
    np.testing.assert_allclose(on_torus, wrapped(torch.from_numpy(expected), n1, n2), atol=within)
    for first in (0, 1, n1, n1 * n2 - 1):
        found = ordered_inverse(spectrum, ordered_inverse_matrices(n1, n2, first))
        np.testing.assert_allclose(found, np.roll(expected, -first, -1), atol=within)


def test_common_factors_are_refused():
    with pytest.raises(ValueError, match="6 and 4"):
        torus(6, 4)


def test_each_sample_has_its_place_on_the_torus():
    order = wrap_order(7, 8).reshape(7, 8)
    assert sorted(order.flatten().tolist()) == list(range(56))
    assert torch.equal(order % 7, torch.arange(7)[:, None].expand(7, 8))
    assert torch.equal(order % 8, torch.arange(8).expand(7, 8))


def test_the_precise_transform_is_right_in_every_bin():
    n1, n2 = 23, 24
    time = np.arange(n1 * n2)
    # A tone in a bin of its own: all other bins hold 1e-6 of it.
    row = torch.from_numpy(np.sin(2 * np.pi * 120 / (n1 * n2) * time)) + 1e-6 * noise(n1 * n2)
    row = row.float()
    to = torus(n1, n2)
    reference = transform(wrapped(row.double(), n1, n2), to)
    forward = (to.cosine1, to.sine1, to.cosine2, to.sine2)
    precise = SplitTorus(*(split_matrix(m, torch.float32) for m in forward))
    found = precise_transform(wrapped(row, n1, n2), precise)
    plain = transform(wrapped(row, n1, n2), type(to)(*(m.float() for m in to)))
    loud = max(float(part.abs().max()) for part in reference)
    errors, plain_errors = (
        max(float((a - b).abs().max()) for a, b in zip(result, reference, strict=True)) / loud
        for result in (found, plain)
    )
    quiet = [part.abs() < 1e-3 * loud for part in reference]
    in_quiet = [
        max(
            float((a - b)[mask].abs().max())
            for a, b, mask in zip(result, reference, quiet, strict=True)
        )
        / loud
        for result in (found, plain)
    ]
    assert errors < plain_errors
    # 2^-24 is half a unit in the last place of the loudest; precise is 2^-8 of that in the others.
    assert in_quiet[0] < 2.0**-30 < 2.0**-26 < in_quiet[1]


@given(samples=st.integers(1, 60000), taps=st.integers(1, 9000))
@settings(max_examples=60, deadline=None)
def test_the_chosen_lengths_cover_the_signal(samples, taps):
    n1, n2 = best_torus(samples, taps)
    assert math.gcd(n1, n2) == 1
    new = n1 * n2 - taps + 1
    assert new >= max(taps - 1, 1), "one piece only reaches into the next"
    pieces = -(-samples // new)
    assert pieces * new >= samples


def test_the_chosen_lengths_suit_the_length():
    """Short sounds do not pay for the transform of a long one."""
    short, long = math.prod(best_torus(1000, 256)), math.prod(best_torus(44100, 4096))
    assert short < 2500
    assert 8192 < long < 3 * 44100
