"""Windows of the Moore et al. (2016) spectrum: the bins that each serves, and their DFT columns."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from amt_export.numerics.dft import dft_columns, hann

FS = 32000  # Hz, the only rate the model is defined for
LENGTH = 2048  # samples in a frame, and of every DFT
# 64 to 2 ms (Glasberg and Moore 2002; Moore et al. 2016).
WINDOW_LENGTHS = (2048, 1024, 512, 256, 128, 64)
# Hz; window i serves [low, high) (Moore et al. 2016).
FREQ_LIMITS = (
    (20.0, 80.0),
    (80.0, 500.0),
    (500.0, 1250.0),
    (1250.0, 2540.0),
    (2540.0, 4050.0),
    (4050.0, 15000.0),
)
BIN_WIDTH = FS / LENGTH  # 15.625 Hz, which float32 holds without rounding
BLOCK = 32  # samples; one millisecond, and all windows start on a multiple of it in their frame
# Samples of a piece of a long window: 8 ms, which is a sum of few shapes, see `stretch_basis`.
# Shorter windows are folded in the middle, which halves the work.
STRETCH = 8 * BLOCK
# Share of the largest singular value below which a shape of columns is rounding of float64.
NEGLIGIBLE = 1e-12
# dB, part of the model: about what the Hann window takes from a sine.
HANN_CORRECTION = 3.32


def centred_window(length: int) -> Tensor:
    """Symmetric Hann window in the middle of 2048 zeros, float64."""
    room = torch.zeros((LENGTH - length) // 2, dtype=torch.float64)
    return torch.cat([room, hann(length, periodic=False), room])


def bin_frequencies(like: Tensor) -> Tensor:
    """Frequencies (1024,) of the bins above DC in Hz, float64, on the device of `like`."""
    bins = torch.arange(1, LENGTH // 2 + 1, dtype=torch.float64, device=like.device)
    return bins * BIN_WIDTH


def amplitude_scale(window: int, db_max: float) -> float:
    """Factor from |rfft| to the square root of intensity for window number `window`.

    Intensity is A^2 10^(3.32/10) 10^(db_max/10) 2^window with A = 2 |rfft| / 2048.
    """
    # 2^window, as the sum of the squares of a window that is half as long is half as large.
    decibels = HANN_CORRECTION + db_max + 10.0 * math.log10(2.0) * window
    return float(2.0 / LENGTH * 10.0 ** (decibels / 20.0))


def support(window: Tensor) -> int:
    """Samples in the middle of a window that are not zero: a power of two of at least 64."""
    index = torch.nonzero(window)
    if index.numel() == 0:
        return 2 * BLOCK
    reach = max(LENGTH // 2 - int(index.min()), int(index.max()) - LENGTH // 2 + 1)
    return int(max(2 * BLOCK, 2 ** math.ceil(math.log2(2 * reach))))


def band_columns(window: Tensor, bins: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine columns of a window for some bins.

    Parameters
    ----------
    window : Tensor [shape=(2048,)], float64
    bins : Tensor [shape=(b,)], long
        From 1 to 1024.
    scale : float
        See `amplitude_scale`.

    Returns
    -------
    cosine, sine : Tensor [shape=(w, b)]
        For a window of w samples; phase 0 is in its middle, so that those of a symmetric window are
        even and odd.
    """
    length = support(window)
    start = (LENGTH - length) // 2
    inner = window[start : start + length]
    columns = scale * dft_columns(inner, bins, LENGTH, 0.5 * (length - 1))
    # The bin at fs/2 is its own mirror image and not doubled.
    share = torch.where(bins == LENGTH // 2, 0.5, 1.0)
    cosine, sine = columns.chunk(2, dim=1)
    return cosine * share, sine * share


def stretch_basis(columns: list[Tensor]) -> Tensor:
    """Shapes of which the columns of long windows are made.

    Their bins lie below 1250 Hz, so any STRETCH samples of their columns (w, b) are sums of few shapes.

    Returns
    -------
    Tensor [shape=(STRETCH, r)]
        Orthonormal; r is 42 for the windows and limits of the model, and STRETCH (the samples themselves)
        for windows that are not smooth.
    """
    itself = torch.eye(STRETCH, dtype=torch.float64)
    if not columns:
        return itself[:, :1]
    courses = torch.cat(
        [c.reshape(-1, STRETCH, c.shape[1]).transpose(0, 1).flatten(1) for c in columns], 1
    )
    shapes, weights, _ = torch.linalg.svd(courses, full_matrices=False)
    needed = int((weights > NEGLIGIBLE * weights[0]).sum())
    return shapes[:, :needed] if 0 < needed <= STRETCH // 2 else itself.to(courses.device)


def in_pieces(columns: Tensor, basis: Tensor) -> Tensor:
    """Columns (w, b) of a long window for frames that are cut into pieces of STRETCH samples.

    Parameters
    ----------
    columns : Tensor [shape=(w, b)]
    basis : Tensor [shape=(STRETCH, r)]
        What each piece is given in.

    Returns
    -------
    Tensor [shape=(r, pieces * b)]
        What a piece adds to the frame that has it as piece 0, 1, ...
    """
    length, bins = columns.shape
    pieces = basis.T @ columns.reshape(length // STRETCH, STRETCH, bins)
    return pieces.transpose(0, 1).reshape(basis.shape[1], -1)


def folded(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Columns (w, b) for the sum and the difference of a frame's halves, each (w / 2, b).

    With r the later half and l the earlier one read backwards, frame @ columns is
    (r + l) @ even + (r - l) @ odd.
    """
    earlier, later = columns.chunk(2)
    return 0.5 * (later + earlier.flip(0)), 0.5 * (later - earlier.flip(0))


def serving_window(limits: Tensor, frequencies: Tensor) -> Tensor:
    """Window (1024,) that serves each frequency (1024,), -1 for none; the later one counts."""
    served = torch.full_like(frequencies, -1.0)
    for i in range(limits.shape[0]):
        inside = (frequencies >= limits[i, 0]) & (frequencies < limits[i, 1])
        served = torch.where(inside, torch.full_like(served, float(i)), served)
    return served


class Analysis(NamedTuple):
    """How a frame is analysed.

    windows : (6, 2048), scaled to the square root of intensity
    columns : cosine and sine columns of each window for the bins it serves
    bins : number of the bin of every column, window by window; 0 for a column of zeros
    """

    windows: Tensor
    columns: list[tuple[Tensor, Tensor]]
    bins: Tensor


def analysis(windows: Tensor, limits: Tensor, db_max: float) -> Analysis:
    """Give every bin to its window.

    Parameters
    ----------
    windows : Tensor [shape=(6, 2048)], float64
    limits : Tensor [shape=(6, 2)], float64, Hz
    db_max : float
        Level of a full-scale sine.
    """
    served = serving_window(limits, bin_frequencies(limits))
    scaled, columns, served_bins = [], [], []
    for i, window in enumerate(windows):
        scale = amplitude_scale(i, db_max)
        scaled.append(scale * window)
        bins = torch.nonzero(served == i)[:, 0] + 1
        if len(bins) == 0:  # keep one column of zeros: empty tensors do not export
            served_bins.append(bins.new_zeros(1))
            columns.append(band_columns(window, bins.new_ones(1), 0.0))
        else:
            served_bins.append(bins)
            columns.append(band_columns(window, bins, scale))
    return Analysis(torch.stack(scaled), columns, torch.cat(served_bins))


# What the MATLAB toolbox computes: the first bin of each window, and one past the last bin of all.
AMT_BINS = (1, 5, 32, 80, 162, 259, 961)
# Window i serves [low, high), as above.
AMT_LIMITS = tuple((BIN_WIDTH * first, BIN_WIDTH * stop) for first, stop in pairwise(AMT_BINS))
