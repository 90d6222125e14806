"""FIR filters as matrix products."""

import numpy as np
import pytest
import torch

from amt_export.numerics.fir import convolution_matrix, overlapping


@pytest.mark.parametrize("block", [1, 3, 8, 50])
@pytest.mark.parametrize("taps", [1, 2, 9])
def test_blocks_of_the_convolution(taps: int, block: int) -> None:
    generator = torch.Generator().manual_seed(1)
    h = torch.randn(taps, generator=generator, dtype=torch.float64)
    count = 4 if block == 50 else 11  # few long stretches, or many short ones
    x = torch.randn(2, taps - 1 + count * block, generator=generator, dtype=torch.float64)
    matrix = convolution_matrix(h, block)
    found = (overlapping(x, len(matrix), block) @ matrix).reshape(2, -1)
    expected = np.stack([np.convolve(row, h, "valid") for row in x])
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("samples", "length", "hop"), [(20, 20, 3), (23, 7, 3), (100, 9, 4), (9, 2, 2)]
)
def test_stretches(samples: int, length: int, hop: int) -> None:
    x = torch.arange(2 * samples).reshape(2, samples)
    assert torch.equal(overlapping(x, length, hop), x.unfold(1, length, hop))
