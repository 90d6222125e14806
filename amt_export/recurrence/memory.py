"""Memory of a filter: how long its past input matters."""

from __future__ import annotations

import torch
from torch import Tensor

from amt_export.recurrence.state_space import StateSpace

# No filter of hearing has a memory of more than 2^26 steps: 23 minutes of samples at 48 kHz.
LONGEST_BITS = 26


def memory_steps(system: StateSpace, block: int, tolerance: float) -> int:
    """Blocks after which every state has decayed below `tolerance`.

    Parameters
    ----------
    system : StateSpace
        In coordinates whose states are no larger than the input.
    block : int
        Samples of a block, L.
    tolerance : float
        Of the norm of A^(L n), in each channel.

    Returns
    -------
    int
        The smallest such n, at least 1; 2^26 if there is none below.
    """
    step = torch.linalg.matrix_power(system.A.detach(), block)
    start = torch.eye(step.shape[-1], dtype=step.dtype, device=step.device).expand_as(step)
    return _steps(step, start, torch.full_like(step[:, 0, 0], tolerance))


def settling_time(system: StateSpace, tail: float) -> int:
    """Samples after which the states of each channel hold no more than a share `tail` of an impulse.

    Parameters
    ----------
    system : StateSpace
    tail : float
        Size of the state A^n b relative to b.

    Returns
    -------
    int
        The smallest such n, at least 1; 2^26 if there is none below.
    """
    start = system.b.detach()[:, :, None]
    return _steps(system.A.detach(), start, tail * torch.linalg.vector_norm(start, dim=(1, 2)))


def _steps(step: Tensor, state: Tensor, limit: Tensor) -> int:
    """The smallest n >= 1 with |step^n state| <= limit in all channels, found bit by bit."""
    powers = [step]
    for _ in range(LONGEST_BITS - 1):
        powers.append(powers[-1] @ powers[-1])
    count = 0
    for bit in reversed(range(LONGEST_BITS)):
        later = powers[bit] @ state
        if bool((torch.linalg.vector_norm(later, dim=(1, 2)) > limit).any()):
            state = later
            count += 2**bit
    return count + 1
