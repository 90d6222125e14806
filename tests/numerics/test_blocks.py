"""Signals in blocks, and Toeplitz matrices by shape operations."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export.numerics.blocks import from_blocks, pad_end, to_blocks, trim
from amt_export.numerics.toeplitz import toeplitz
from support.filters import noise


@given(
    radix=st.integers(1, 6), rows=st.integers(1, 4), columns=st.integers(1, 4), seed=st.integers(0)
)
@settings(max_examples=40, deadline=None)
def test_toeplitz(radix, rows, columns, seed):
    entries = noise(2, radix, rows, columns, seed=seed)
    found = toeplitz(entries)
    assert found.shape == (2, radix * rows, radix * columns)
    for j in range(radix):
        for k in range(radix):
            part = found[:, j * rows : (j + 1) * rows, k * columns : (k + 1) * columns]
            expected = entries[:, k - j] if k >= j else torch.zeros_like(part)
            assert torch.equal(part, expected), (j, k)


def test_a_toeplitz_matrix_convolves():
    row, taps = noise(12), noise(12, seed=1)
    expected = np.convolve(row.numpy(), taps.numpy())[:12]
    np.testing.assert_allclose(row @ toeplitz(taps[None, :, None, None])[0], expected, atol=1e-14)


@given(samples=st.integers(0, 200), block=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_blocks_and_back(samples, block):
    audio = noise(2, 3, samples)
    blocks = to_blocks(audio, block)
    assert blocks.shape == (2, 3, -(-samples // block), block)
    assert torch.equal(trim(from_blocks(blocks), samples), audio)
    assert torch.count_nonzero(blocks.flatten(2)[..., samples:]) == 0


def test_pad_end():
    padded = pad_end(torch.ones(2, 3, 4), 2, 1)
    assert padded.shape == (2, 5, 4)
    assert torch.count_nonzero(padded[:, 3:]) == 0
    same = torch.ones(2)
    assert pad_end(same, 0, 0) is same
