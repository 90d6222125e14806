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
    x = torch.randn(2, taps - 1 + 11 * block, generator=generator, dtype=torch.float64)
    matrix = convolution_matrix(h, block)
    found = (overlapping(x, len(matrix), block) @ matrix).reshape(2, -1)
    expected = np.stack([np.convolve(row, h, "valid") for row in x])
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("samples", "length", "hop", "zeros"),
    [(20, 20, 3, 0), (23, 7, 3, 2), (100, 9, 4, 1), (9, 2, 2, 1)],
)
def test_stretches(samples: int, length: int, hop: int, zeros: int) -> None:
    x = torch.arange(2 * samples).reshape(2, samples)
    whole = torch.nn.functional.pad(x, (0, zeros))
    assert torch.equal(overlapping(x, length, hop), whole.unfold(1, length, hop))
