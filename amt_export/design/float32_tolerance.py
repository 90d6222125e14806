"""Rounding error of float32 for a tone far from all channels of a filterbank.

A filter adds up products as large as its input, so about 1e-7 of the input is left in every channel, a
distant tone's output included. Beside the loudest channel's peak that is little where some channel is near
the tone, and all there is where none is. The tolerance of a model's parity follows from it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amt_export.recurrence.state_space import StateSpace
from amt_export.recurrence.tables import impulse_response

# Rounding that is left of a tone, as a share of its amplitude and of the square root of a response's
# energy: about twice the largest of 260 random filterbanks of one to eight channels.
LEFT = 1e-6
# Less of that where the sums of an input round once: up to a fifth was found for 94 DRNLs after ears.
ONCE = 0.3
# Samples of a response whose energy counts: after them a gammatone at 50 Hz and 44.1 kHz has decayed by e^-17.
RESPONSE = 4096
# Tones of the signal suite, Hz and amplitude in Pa (70 dB SPL), see `verify.parity.signals`.
TONES, AMPLITUDE = (1000.0, 4000.0), 2.0**0.5 * 2e-5 * 10.0 ** (70.0 / 20.0)
# A channel quieter than this share of the loudest one is measured against that: see `verify.parity.metric`.
QUIET = 0.01


def tone_gain(system: StateSpace, frequency: float, fs: float) -> Tensor:
    """Magnitude of the response to a tone, (F,)."""
    z = complex(math.cos(2.0 * math.pi * frequency / fs), math.sin(2.0 * math.pi * frequency / fs))
    identity = torch.eye(system.A.shape[-1], dtype=torch.complex128)
    states = torch.linalg.solve(z * identity - system.A.cpu(), system.b.cpu().to(torch.complex128))
    gain: Tensor = ((system.c.cpu() * states).sum(-1) + system.d.cpu()).abs()
    return gain


def noise_gain(system: StateSpace) -> Tensor:
    """Square root of the energy of the impulse response, (F,)."""
    gain: Tensor = torch.linalg.vector_norm(impulse_response(system, RESPONSE), dim=-1).cpu()
    return gain


def tone_error(left: Tensor, peak: Tensor) -> float:
    """Largest error of a channel by the metric of parity.

    Parameters
    ----------
    left : Tensor [shape=(F,)]
        Largest error of each channel.
    peak : Tensor [shape=(F,)]
        Its output.
    """
    smallest = torch.finfo(torch.float64).tiny
    return float((left / torch.clamp(peak, min=max(QUIET * float(peak.max()), smallest))).max())
