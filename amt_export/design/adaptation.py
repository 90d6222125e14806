"""Adaptation loops: initial states, limits, and the number of sweeps that solve them."""

from __future__ import annotations

import torch
from torch import Tensor

# Time constants in s of Dau et al. (1997), and of Paulick et al. (2024).
DAU_TAU = (0.005, 0.05, 0.129, 0.253, 0.5)
PAULICK_TAU = (0.007, 0.0318, 0.0878, 0.2143, 0.5)
# Model units of the loudest steady sound above the softest.
FULL_SCALE = 100.0

# Sweeps of each loop. Largest error of the sweeps alone, of peak, over clicks, steps, noise and tones from
# silence at 16, 44.1 and 48 kHz: 1e-7 up to 120 dB SPL in `SWEEPS`; 3e-8 in `CASP_SWEEPS` for potentials of the
# hair cell, which are bounded; 5e-8 in `CASP_STREAM_SWEEPS`, whose first guess is the state before the block;
# 1e-6 in `SQUARED_SWEEPS`, whose input is a squared envelope, up to 100 dB SPL; 1e-9 in `UNLIMITED_SWEEPS`.
# float32 adds 4e-7. The lower the limit, the slower the sweeps converge at loud onsets: with the limits 2, 3, 5
# and 7, `SWEEPS` leave 9e-4, 3e-4, 2e-5 and 4e-6 at 120 dB SPL, and `LOW_LIMIT_SWEEPS` 2e-8 or less.
SWEEPS = (10, 11, 8, 6, 5)
USUAL_LIMIT = 10.0
LOW_LIMIT_SWEEPS = (22, 18, 14, 10, 7)
CASP_SWEEPS = (6, 8, 7, 5, 5)
CASP_STREAM_SWEEPS = (6, 8, 6, 5, 4)
SQUARED_SWEEPS = (18, 16, 12, 9, 7)
UNLIMITED_SWEEPS = (6,)


def default_sweeps(limit: float, loops: int) -> tuple[int, ...]:
    """Sweeps of so many loops whose onsets are limited to `limit`; 1 or less is no limiter."""
    if limit <= 1.0:
        return repeated(UNLIMITED_SWEEPS, loops)
    return repeated(SWEEPS if limit >= USUAL_LIMIT else LOW_LIMIT_SWEEPS, loops)


def repeated(sweeps: tuple[int, ...], loops: int) -> tuple[int, ...]:
    """Sweeps for so many loops; more loops than sweeps are listed get the last number."""
    return tuple(sweeps[min(i, len(sweeps) - 1)] for i in range(loops))


def rest_values(minlvl: Tensor, loops: int) -> Tensor:
    """States of the loops at the minimum level m: m^(2^-k) for k = 1 ... loops.

    Parameters
    ----------
    minlvl : Tensor [shape=(F,)], float64
    loops : int

    Returns
    -------
    Tensor [shape=(F, loops)], float64
    """
    exponents = 2.0 ** -torch.arange(1, loops + 1, dtype=torch.float64)
    return minlvl[:, None] ** exponents


def overshoot_limits(rest: Tensor, limit: float) -> Tensor:
    """M of the limiter 1 + M tanh((v - 1) / M) of each loop: (1 - s^2) limit - 1 for the state s at rest.

    Parameters
    ----------
    rest : Tensor [shape=(F, loops)], float64
    limit : float

    References
    ----------
    .. [1] S. Muenkner, "Modellentwicklung und Messungen zur Wahrnehmung nichtstationaerer akustischer Signale",
       PhD thesis, University of Oldenburg (1993).
    """
    return (1.0 - rest**2) * limit - 1.0
