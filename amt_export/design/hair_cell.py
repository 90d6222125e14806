"""Constants of the inner hair cell of CASP: a membrane whose transduction conductance follows the hair bundle.

Plain Python in float64. The numbers are those of the Auditory Modeling Toolbox; `CASPHairCell` has the papers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

# Hair-bundle displacement in nm over basilar-membrane velocity in m/s: 75 dB.
DISPLACEMENT = 10.0 ** (75.0 / 20.0)
# Transduction: G(d) = G_max / (1 + e^((d0 - d) / s0) (1 + e^((d1 - d) / s1))), all in nm.
MAX_CONDUCTANCE = 30e-9  # S
OFFSET = 20.0  # d0 and d1
WIDE, NARROW = 35.0, 16.0  # s0 and s1
# Two potassium currents of one leak conductance each; the sum of their reversal potentials is -149 mV.
LEAK = 19.8e-9  # S
REVERSAL_SUM = -0.149  # V
CAPACITANCE = 12.5e-12  # F
ENDOCOCHLEAR = 0.09  # V
# The toolbox subtracts the potential that 50 ms at this conductance lead to from this start. It is not quite at
# rest, so silence tends to 8 nV.
START = -57.03e-3  # V
REST_CONDUCTANCE = 3.3514e-9  # S
SETTLING = 0.05  # s
# Below this displacement in nm the conductance is 1e-21 S: nothing changes and no exponential overflows.
LEAST_DISPLACEMENT = -600.0
# The membrane is stepped by the forward Euler rule, which is stable and does not ring while
# (G_max + 2 g) / (fs C) is well below 1: 0.7 at this rate.
LOWEST_RATE = 8000.0  # Hz


class Membrane(NamedTuple):
    """The recursion  W[t] = J W[t-1] + D,  J = retained - step r,  D = offset + drive r,  of W in microvolts.

    r = (G - G(0)) / G(0) is the relative change of the conductance. In volts `offset` would be 6e-10, which
    graph optimizers take for nothing.
    """

    retained: float
    step: float
    offset: float
    drive: float


def bundle_factors() -> tuple[float, float]:
    """The exponentials e1 and e12 in  G(d) = G_max / (1 + e1 e^(-d/35) + e12 e^(-d (1/35 + 1/16)))."""
    e1 = math.exp(OFFSET / WIDE)
    return e1, e1 * math.exp(OFFSET / NARROW)


def reference_potential(fs: float) -> float:
    """Potential at rest in volts: after 50 ms at `REST_CONDUCTANCE` from `START`."""
    kappa = 1.0 / (fs * CAPACITANCE)
    retained = 1.0 - kappa * (REST_CONDUCTANCE + 2.0 * LEAK)
    limit = (REST_CONDUCTANCE * ENDOCOCHLEAR + LEAK * REVERSAL_SUM) / (
        REST_CONDUCTANCE + 2.0 * LEAK
    )
    return limit + (START - limit) * retained ** round(SETTLING * fs)


def membrane(fs: float) -> Membrane:
    """The recursion at a sampling rate in Hz."""
    kappa = 1.0 / (fs * CAPACITANCE)
    rest = MAX_CONDUCTANCE / (1.0 + sum(bundle_factors()))
    reference = reference_potential(fs)
    # The current at rest, less that of the reference.
    current = (ENDOCOCHLEAR - reference) * rest - LEAK * (2.0 * reference - REVERSAL_SUM)
    return Membrane(
        retained=1.0 - kappa * (rest + 2.0 * LEAK),
        step=kappa * rest,
        offset=1e6 * kappa * current,
        drive=1e6 * kappa * (ENDOCOCHLEAR - reference) * rest,
    )
