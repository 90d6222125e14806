"""Recursions with one state: a constant pole, and a coefficient that changes from sample to sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from amt_export.numerics.blocks import from_blocks, to_blocks
from amt_export.recurrence.affine_scan import affine_scan, doubling_rounds, running_sum
from amt_export.recurrence.block_length import whole_blocks
from amt_export.recurrence.one_pole import OnePole
from support.filters import noise

DOUBLE = torch.float64


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("samples", [40, 1024, 31 * 32, 37 * 32, 44100])
def test_one_pole_is_its_recursion(samples, known):
    """Few blocks, blocks in groups of equal size, and a prime number of them; a pole close to 1."""
    decay, gain, block = 1e-4, 0.25, 32
    x, start = noise(2, 1, samples).abs(), torch.full((2, 1, 1), 3.0, dtype=DOUBLE)
    blocks = to_blocks(x, block)
    count = blocks.shape[2] if known else 0
    module = OnePole(decay, gain, block, count, torch.zeros(1, dtype=DOUBLE))
    states, last = module(blocks, module.tables(blocks.shape[2]), start)
    a, h = math.exp(-decay), start[:, :, 0].numpy().copy()
    expected = np.empty((2, 1, blocks.shape[2] * block))
    for i, value in enumerate(from_blocks(blocks).permute(2, 0, 1).numpy()):
        expected[:, :, i] = h
        h = a * h + gain * value
    np.testing.assert_allclose(from_blocks(states), expected, rtol=1e-12)
    np.testing.assert_allclose(last[:, :, 0], h, rtol=1e-12)


def test_one_pole_keeps_float32_where_a_float32_pole_would_not():
    """A time constant of 0.5 s at 44.1 kHz: rounding the pole would be 1e-3 of the answer."""
    decay = 2.0 / 22050.0
    x = noise(1, 1, 44100).abs()
    answers = []
    for dtype in (torch.float32, DOUBLE):
        module = OnePole(decay, decay, 30, 1470, torch.zeros(1, dtype=dtype))
        zero = torch.zeros(1, 1, 1, dtype=dtype)
        answers.append(module(to_blocks(x.to(dtype), 30), module.tables(1470), zero)[0].double())
    assert (
        float(((answers[0] - answers[1]) / answers[1].clamp(min=1e-12)).abs()[0, 0, 1:].max())
        < 1e-6
    )


@pytest.mark.parametrize("samples", [32, 160, 3000])
def test_affine_scan_is_its_recursion(samples):
    factors = 0.85 + 0.1 * torch.rand(1, 3, samples, dtype=DOUBLE)
    terms, start = noise(1, 3, samples), noise(1, 3, 1, seed=1)
    ready = [to_blocks(factors, 32), to_blocks(terms, 32)]
    ready[0] = torch.where(ready[0] == 0.0, torch.ones_like(ready[0]), ready[0])
    rounds = doubling_rounds(0.95, 32, 1e-30)
    states, last = affine_scan(*ready, start, running_sum(32), rounds)
    h = start[0, :, 0].numpy()
    for i in range(samples):
        h = factors[0, :, i].numpy() * h + terms[0, :, i].numpy()
        np.testing.assert_allclose(from_blocks(states)[0, :, i], h, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(last[0, :, 0], h, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("samples", "length"), [(44100, 30), (16000, 32), (512, 32), (10007, 32)])
def test_blocks_that_divide_the_signal(samples, length):
    assert whole_blocks(samples, 24).length == length
