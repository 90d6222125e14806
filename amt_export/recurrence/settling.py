"""How long a filter remembers."""

from __future__ import annotations

import torch

from amt_export.recurrence.state_space import StateSpace

# No filter of hearing remembers longer: 2^20 samples are 22 s at 48 kHz.
_LONGEST = 20


def settling_time(system: StateSpace, tail: float) -> int:
    """Samples until what is left in the states of every channel is below `tail`.

    Parameters
    ----------
    system : StateSpace
    tail : float
        Size of the state A^n b relative to b.

    Returns
    -------
    int
        Found bit by bit with the powers A^(2^k); 2^20 at most.
    """
    powers = [system.A]
    for _ in range(_LONGEST - 1):
        powers.append(powers[-1] @ powers[-1])
    state = system.b[:, :, None]
    limit = tail * torch.linalg.vector_norm(state, dim=(1, 2))
    count = 0
    for bit in reversed(range(_LONGEST)):
        later = powers[bit] @ state
        if bool((torch.linalg.vector_norm(later, dim=(1, 2)) > limit).any()):
            state = later
            count += 2**bit
    return count + 1
