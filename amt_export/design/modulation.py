"""Centre frequencies and filters of the modulation filterbank."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from amt_export.recurrence.state_space import StateSpace, rotation

# Hz: the low-pass of order 2 that stands for modulation 0 (Dau et al. 1997).
SLOWEST = 2.5
# Hz: the filters up to 10 Hz keep their phase and have the bandwidth of the first, 5 Hz; those above have Q = 2
# and give their envelope (Dau et al. 1997).
FIRST, SECOND = 5.0, 10.0
BANDWIDTH = 5.0
Q = 2.0
# A centre over the one below: (1 + 1/(2 Q)) / (1 - 1/(2 Q)).
RATIO = 5.0 / 3.0
# Far above the rounding of a quotient of logarithms, far below the step from one filter to the next, 1.
MARGIN = 1e-9
# Hz, and the share of a channel's centre frequency, above which there is no filter (Verhey et al. 1999).
HIGHEST = 1000.0
SHARE = 0.25


def modulation_centres(highest: float) -> list[float]:
    """Centre frequencies in Hz of a channel with modulations up to `highest` Hz; the first is 0, a low-pass.

    A channel that ends between 10 Hz and the 16.7 Hz filter still has it, as the toolbox rounds its count
    towards zero.

    Examples
    --------
    >>> [round(f, 1) for f in modulation_centres(100.0)]
    [0.0, 5.0, 10.0, 16.7, 27.8, 46.3, 77.2]
    >>> modulation_centres(7.0)
    [0.0, 5.0, 10.0]
    """
    slow = [FIRST, SECOND] if highest >= SECOND else [FIRST]
    first = (slow[-1] + BANDWIDTH / 2.0) / (1.0 - 1.0 / (2.0 * Q))
    # Without the margin rounding decides what a channel at 40 Hz has, whose quotient is -1.
    last = math.trunc(math.log(highest / first) / math.log(RATIO) + MARGIN)
    return [0.0, *slow, *(first * RATIO**i for i in range(last + 1))]


def filter_counts(fc: list[float], upper_limit: bool) -> list[int]:
    """Filters of each channel: up to a quarter of its centre frequency in Hz and 1 kHz, or 1 kHz for all."""
    highest = [min(SHARE * f, HIGHEST) if upper_limit else HIGHEST for f in fc]
    return [len(modulation_centres(limit)) for limit in highest]


class Modes(NamedTuple):
    """A sum of one-pole filters d x + sum of R_i z^-1 / (1 - p_i z^-1) x, for each of M filters.

    poles : (N,), complex128; of the filters' shared low-pass first where there is one
    residues : (M, N), complex128
    direct : (M,), float64
    """

    poles: Tensor
    residues: Tensor
    direct: Tensor


def modulation_modes(centres: list[float], fs: float, lowpass: float) -> Modes:
    """The filters as partial fractions, well conditioned as each has two or three of the poles.

    Parameters
    ----------
    centres : list of float
        In Hz, see `modulation_centres`.
    fs : float
        Sampling rate in Hz.
    lowpass : float
        Cutoff in Hz of the first-order Butterworth low-pass in front of all; 0 for none.
    """
    shared = [first_order_lowpass(lowpass, fs)] if lowpass else []
    poles = [one.pole for one in shared]
    terms = [[0j] * (len(shared) + len(centres)) for _ in centres]
    direct = torch.zeros(len(centres), dtype=torch.float64)
    for row, centre in enumerate(centres):
        own = resonator(centre, fs) if centre else second_order_lowpass(SLOWEST, fs)
        chain = [*shared, *own]
        direct[row] = math.prod(one.gain.real for one in chain)
        for i, one in enumerate(chain):
            if i > len(shared):
                continue  # the other of a conjugate pair
            others = [other.pole for j, other in enumerate(chain) if j != i]
            inverse = 1.0 / one.pole
            value: complex = one.pole
            for part in chain:
                value *= part.gain * (1.0 + inverse) ** part.zeros
            for pole in others:
                value /= 1.0 - pole * inverse
            pair = i == len(shared) and len(own) == 2
            terms[row][i if i < len(shared) else len(shared) + row] = value * (2 if pair else 1)
        poles.append(own[0].pole)
    residues = torch.tensor(terms, dtype=torch.complex128)
    return Modes(torch.tensor(poles, dtype=torch.complex128), residues, direct)


class OnePole(NamedTuple):
    """gain (1 + z^-1)^zeros / (1 - pole z^-1)."""

    pole: complex
    gain: complex
    zeros: int


def first_order_lowpass(cutoff: float, fs: float) -> OnePole:
    """First-order Butterworth low-pass by the bilinear transform."""
    t = math.tan(math.pi * cutoff / fs)
    return OnePole((1.0 - t) / (1.0 + t), t / (1.0 + t), 1)


def second_order_lowpass(cutoff: float, fs: float) -> list[OnePole]:
    """Second-order Butterworth low-pass by the bilinear transform, as its conjugate poles."""
    k = math.tan(math.pi * cutoff / fs)
    denominator = 1.0 + math.sqrt(2.0) * k + k * k
    pole = complex(1.0 - k * k, math.sqrt(2.0) * k) / denominator
    gain = k / math.sqrt(denominator)
    return [OnePole(pole, gain, 1), OnePole(pole.conjugate(), gain, 1)]


def resonator(centre: float, fs: float) -> list[OnePole]:
    """One complex pole with the gain 2 at its centre frequency."""
    bandwidth = BANDWIDTH if centre < SECOND else centre / Q
    radius = math.exp(-math.pi * bandwidth / fs)
    angle = 2.0 * math.pi * centre / fs
    pole = radius * complex(math.cos(angle), math.sin(angle))
    return [OnePole(pole, 2.0 * (1.0 - radius), 0)]


def mode_system(modes: Modes) -> StateSpace:
    """The real part and then the imaginary part of all filters' outputs, as systems with the same states.

    Returns
    -------
    StateSpace
        2 M systems of 2 N states, real and imaginary part in turn. With the gain |1 - p| each is as large as
        the signal.
    """
    filters, count = modes.residues.shape
    scale = (1.0 - modes.poles).abs()
    turns = rotation(torch.view_as_real(modes.poles))
    matrix = torch.block_diag(*turns)  # type: ignore[no-untyped-call]
    inputs = torch.stack([scale, torch.zeros_like(scale)], dim=-1).reshape(2 * count)
    weights = modes.residues / scale
    real = torch.stack([weights.real, -weights.imag], dim=-1).reshape(filters, 2 * count)
    imaginary = torch.stack([weights.imag, weights.real], dim=-1).reshape(filters, 2 * count)
    return StateSpace(
        matrix.expand(2 * filters, -1, -1),
        inputs.expand(2 * filters, -1),
        torch.cat([real, imaginary]),
        torch.cat([modes.direct, torch.zeros_like(modes.direct)]),
    )
