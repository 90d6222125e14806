"""How many terms the sums of a filter need, so that float32's rounding stays below what it hears.

A sound outside the band of a channel leaves little at its output, but is larger in the state. Rounding the
state adds noise there, and the filter passes it on as if it were a sound in its band: with the energy that the
observability Gramian says (Mullis and Roberts, "Synthesis of minimum roundoff noise fixed point digital
filters", IEEE Trans. Circuits Syst. 23 (1976)). So the error of a float32 filter on a steady tone can be told
from its design.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from amt_export.recurrence.state_space import StateSpace

# The range of audiometry: tones that a listener is tested with.
LOWEST, HIGHEST = 125.0, 8000.0  # Hz
TONES = 49  # one in 1/8 octave
# The highest tone, as a share of fs; further up there is no more sound in recordings.
BAND = 0.45
# What a channel answers is judged against 1 % of what the loudest one answers, as parity does.
QUIET = 0.01
# Relative error that is aimed at: half of what parity allows by default.
TARGET = 1e-6
# Half a unit in the last place of float32, times the peak of a noise over its RMS (4); measured errors of
# one-term filters are 0.2 to 0.8 times what it makes.
ROUNDING = 2.0**-24 * 4.0
# Bits that the first further term gains, and each one after it. A term has 8; some are lost to states of
# different size that share a grid (measured).
FIRST_GAIN, GAIN = 5, 7
# Bits that lean sums gain (measured: 2.2 to 3), over one term in blocks of 32 samples: in longer ones they add
# up more numbers.
LEAN_GAIN, LEAN_BLOCK = 2.4, 32
# More than the 53 bits of the design cannot be had.
MOST = 6


def gramian(system: StateSpace) -> Tensor:
    """Observability Gramian sum_k (c A^k)^T (c A^k), (F, s, s)."""
    power = system.A
    total = system.c[:, :, None] @ system.c[:, None, :]
    for _ in range(20):  # 2^20 samples: longer than any filter of hearing remembers
        total = total + power.transpose(-1, -2) @ total @ power
        power = power @ power
    return total


def answers(system: StateSpace, frequency: Tensor, fs: float) -> tuple[Tensor, Tensor]:
    """Answer to steady tones of amplitude 1.

    Parameters
    ----------
    system : StateSpace
    frequency : Tensor [shape=(N,)], Hz
    fs : float, Hz

    Returns
    -------
    state, output : Tensor [shape=(N, F, s) and (N, F)]
        Amplitudes.
    """
    z = torch.exp(2j * torch.pi / fs * frequency.to(torch.complex128))
    size = system.A.shape[-1]
    shifted = z[:, None, None, None] * torch.eye(size) - system.A
    state = torch.linalg.solve(shifted, system.b.to(z.dtype).expand(len(z), *system.b.shape))
    output = (state * system.c).sum(-1) + system.d
    return state.abs(), output.abs()


def tone_error(system: StateSpace, fs: float, block: int) -> float:
    """Largest relative error of the float32 filter with one term, over channels and tones of audiometry."""
    highest = min(HIGHEST, BAND * fs)
    lowest = min(LOWEST, highest)
    steps = torch.linspace(0.0, 1.0, TONES, dtype=torch.float64)
    state, output = answers(system, lowest * (highest / lowest) ** steps, fs)
    energy = torch.diagonal(gramian(system), dim1=-2, dim2=-1)
    noise = ROUNDING * torch.sqrt((state**2 * energy).sum(-1) / block)
    scale = torch.maximum(output, QUIET * output.amax(-1, keepdim=True))
    return float((noise / scale).max())


class Sums(NamedTuple):
    """How a filter adds up: float32 terms P, and whether they are lean (`design.expansion`)."""

    terms: int
    lean: bool


ONE_TERM = Sums(1, False)
"""Plain sums: of float64, whose own rounding is 2^-29 of float32's, and of filters that need no more."""


def sums_needed(system: StateSpace, fs: float, block: int, terms: int | None = None) -> Sums:
    """Sums of the filter, 1 to 6 terms or lean, that keep all tones to TARGET.

    Parameters
    ----------
    system : StateSpace
        float64.
    fs : float, Hz
    block : int
        Samples from one rounding of the state to the next.
    terms : int, optional
        Already decided.
    """
    if terms is not None:
        return Sums(terms, False)
    excess = math.log2(max(tone_error(system, fs, block) / TARGET, 1.0))
    if excess <= 0:
        return ONE_TERM
    # `tone_error` falls with the root of the block, what lean sums leave does not.
    longer = 0.5 * math.log2(max(block / LEAN_BLOCK, 1.0))
    if excess + longer <= LEAN_GAIN:
        return Sums(2, True)
    return Sums(min(2 + math.ceil(max(excess - FIRST_GAIN, 0.0) / GAIN), MOST), False)


def checked_terms(terms: int | None) -> int | None:
    """Check the number of terms that a module is given.

    Parameters
    ----------
    terms : int or None
        None leaves it to `sums_needed`.

    Raises
    ------
    ValueError
        If it is neither None nor 1 to 6.
    """
    if terms is not None and not 1 <= terms <= MOST:
        raise ValueError(f"terms is {terms}; from 1 to {MOST}, or left out for as many as needed")
    return terms
