"""Which window of the Moore et al. (2016) spectrum serves which bin, and its DFT columns."""

import math

import torch
from torch import Tensor

from amt_export.design.dft import dft_columns, hann

FS = 32000  # Hz, the only rate the model is defined for
LENGTH = 2048  # samples in a frame, and of every DFT
WINDOW_LENGTHS = (2048, 1024, 512, 256, 128, 64)
# Hz; window i serves [low, high).
FREQ_LIMITS = (
    (20.0, 80.0),
    (80.0, 500.0),
    (500.0, 1250.0),
    (1250.0, 2540.0),
    (2540.0, 4050.0),
    (4050.0, 15000.0),
)
BLOCK = 32  # samples; one millisecond, and all windows start on a multiple of it in their frame
# dB, part of the model: about what the Hann window takes from a sine.
HANN_CORRECTION = 3.32


def centred_window(length: int) -> Tensor:
    """Symmetric Hann window in the middle of 2048 zeros, float64."""
    room = torch.zeros((LENGTH - length) // 2, dtype=torch.float64)
    return torch.cat([room, hann(length, periodic=False), room])


def bin_frequencies(like: Tensor) -> Tensor:
    """Frequencies (1024,) of the bins above DC in Hz, float64, on the device of `like`."""
    bins = torch.arange(1, LENGTH // 2 + 1, dtype=torch.float64, device=like.device)
    return bins * (FS / LENGTH)


def amplitude_scale(window: int, db_max: float) -> float:
    """Factor from |rfft| to the square root of intensity for window number `window`.

    Intensity is A^2 10^(3.32/10) 10^(db_max/10) 2^window with A = 2 |rfft| / 2048.
    """
    decibels = HANN_CORRECTION + db_max + 10.0 * math.log10(2.0) * window
    return float(2.0 / LENGTH * 10.0 ** (decibels / 20.0))


def support(window: Tensor) -> int:
    """Samples in the middle of a window that are not zero: a power of two of at least 64."""
    index = torch.nonzero(window)
    if index.numel() == 0:
        return 2 * BLOCK
    reach = max(LENGTH // 2 - int(index.min()), int(index.max()) - LENGTH // 2 + 1)
    return int(max(2 * BLOCK, 2 ** math.ceil(math.log2(2 * reach))))


def band_columns(window: Tensor, bins: Tensor, scale: float, unit: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine columns of a window for some bins.

    Parameters
    ----------
    window : Tensor [shape=(2048,)], float64
    bins : Tensor [shape=(b,)], long
        From 1 to 1024.
    scale : float
        See `amplitude_scale`.
    unit : int
        Longest piece of a frame that is laid out.

    Returns
    -------
    cosine, sine : Tensor [shape=(min(unit, w), pieces * b)]
        For a window of w samples in ceil(w / unit) pieces.
    """
    length = support(window)
    rows = min(unit, length)
    start = (LENGTH - length) // 2
    inner = window[start : start + length]
    # Phase 0 in the middle keeps the columns of a symmetric window even and odd.
    columns = scale * dft_columns(inner, bins, LENGTH, 0.5 * (length - 1))
    cosine, sine = columns.chunk(2, dim=1)
    # The bin at fs/2 is its own mirror image and not doubled.
    share = torch.where(bins == LENGTH // 2, 0.5, 1.0)

    def pieces(table: Tensor) -> Tensor:
        table = (table * share).reshape(length // rows, rows, len(bins)).transpose(0, 1)
        return table.reshape(rows, length // rows * len(bins))

    return pieces(cosine), pieces(sine)


def serving_window(limits: Tensor, frequencies: Tensor) -> Tensor:
    """Window (1024,) that serves each frequency (1024,), -1 for none; the later one counts."""
    served = torch.full_like(frequencies, -1.0)
    for i in range(limits.shape[0]):
        inside = (frequencies >= limits[i, 0]) & (frequencies < limits[i, 1])
        served = torch.where(inside, torch.full_like(served, float(i)), served)
    return served
