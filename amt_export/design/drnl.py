"""Parameters and filters of the dual-resonance nonlinear filterbank."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from amt_export.design.gammatone import gammatone_pole
from amt_export.erb import audfiltbw
from amt_export.recurrence.state_space import (
    StateSpace,
    butterworth_lowpass,
    one_pole_cascade,
    resonator_cascade,
    series,
)

SUBJECTS = ("NH", "HIx")
# Published names, in torch_amt's order.
PARAMETERS = (
    "CF_lin",
    "BW_lin_norm",
    "LP_lin_cutoff",
    "g",
    "CF_nlin",
    "BW_nlin_norm",
    "LP_nlin_cutoff",
    "a",
    "b",
    "c",
)


class Orders(NamedTuple):
    """Filters in series: gammatone order and number of low-passes, linear and nonlinear path."""

    gt_lin: int
    lp_lin: int
    gt_nlin: int
    lp_nlin: int


MODELS = {
    "paulick2024": Orders(
        2, 4, 2, 1
    ),  # Paulick et al. 2024 (CASP), after Lopez-Poveda and Meddis 2001
    "jepsen2008": Orders(3, 4, 3, 3),  # Jepsen, Ewert and Dau 2008, Table I
}

# Each parameter is 10^(p + q log10 CF), CF in Hz (Jepsen, Ewert and Dau 2008, Table I; Lopez-Poveda
# and Meddis 2001, Table III).
_REGRESSION = {
    "CF_lin": (-0.06762, 1.01679),
    "BW_lin": (0.03728, 0.75),
    "LP_lin_cutoff": (-0.06762, 1.01),
    "g": (4.20405, -0.47909),
    "CF_nlin": (-0.05252, 1.0165),
    "BW_nlin": (-0.03193, 0.77),
    "LP_nlin_cutoff": (-0.05252, 1.0165),
    "a": (1.40298, 0.81916),
    "b": (1.61912, -0.81867),
    "c": (-0.60206, 0.0),  # log10 of a quarter, as printed
}
# Hz. Above the first CF, the normal ear's a and b are those of the second, as in the Auditory Modeling Toolbox.
_FREEZE = 1000.0
_FROZEN_AT = 1500.0
# The exponent c without outer hair cells, where a = 0 makes the nonlinear path silent and c has no effect.
_IDLE_EXPONENT = 0.25


def drnl_parameters(cf: Tensor, subject: str) -> dict[str, Tensor]:
    """The published parameters of each channel.

    Parameters
    ----------
    cf : Tensor [shape=(F,)], float64, Hz
    subject : {"NH", "HIx"}
        Normal hearing, or without outer hair cells (a = 0: no nonlinear path).

    Returns
    -------
    dict of Tensor [shape=(F,)], float64
        Frequencies and cutoffs in Hz, bandwidths as multiples of `audfiltbw`.
    """
    log_cf = torch.log10(cf)
    frozen = torch.where(cf > _FREEZE, torch.full_like(cf, math.log10(_FROZEN_AT)), log_cf)
    value = {name: 10.0 ** (p + q * log_cf) for name, (p, q) in _REGRESSION.items()}
    if subject == "NH":
        for name in ("a", "b"):
            p, q = _REGRESSION[name]
            value[name] = 10.0 ** (p + q * frozen)
    else:
        value["a"] = torch.zeros_like(cf)
        value["c"] = torch.full_like(cf, _IDLE_EXPONENT)
    value["BW_lin_norm"] = value.pop("BW_lin") / audfiltbw(value["CF_lin"])
    value["BW_nlin_norm"] = value.pop("BW_nlin") / audfiltbw(value["CF_nlin"])
    return {name: value[name] for name in PARAMETERS}


def all_pole_gammatone(pole: Tensor, order: int) -> StateSpace:
    """Re{((1 - |p|) / (1 - p z^-1))^order}, the gammatone of the documentation: a half at its centre.

    Parameters
    ----------
    pole : Tensor [shape=(F, 2)]
        Real and imaginary part.
    order : int
    """
    radius = torch.linalg.vector_norm(pole, dim=-1)
    gain = torch.pow(1.0 - radius, order)
    return one_pole_cascade(pole, order, torch.stack([gain, torch.zeros_like(gain)], dim=-1))


def classic_gammatone(pole: Tensor, order: int) -> StateSpace:
    """The 'classic' real pole-zero gammatone of the Auditory Modeling Toolbox, with gain 1 at its centre.

    `order` times  k (1 - q z^-1) / (1 - 2 q z^-1 + r^2 z^-2),  r = |p|, q = Re p, with the k that makes it 1
    at z = p/r.

    Parameters
    ----------
    pole : Tensor [shape=(F, 2)]
        Real and imaginary part.
    order : int

    References
    ----------
    .. [1] R. F. Lyon, "All-pole models of auditory filtering", in Diversity in Auditory Mechanics (1997).
    .. [2] P. Majdak, C. Hollomey and R. Baumgartner, "AMT 1.x: A toolbox for reproducible research in auditory
       modeling", Acta Acustica 6, 19 (2022).
    """
    q, im = pole[..., 0], pole[..., 1]
    radius = torch.linalg.vector_norm(pole, dim=-1)
    cosine, sine = q / radius, im / radius
    # k = |(1 - r) (1 - r e^(-2j theta)) / (1 - q e^(-j theta))|
    twice = torch.sqrt((1.0 - radius * (cosine**2 - sine**2)) ** 2 + (2.0 * q * sine) ** 2)
    once = torch.sqrt((1.0 - q * cosine) ** 2 + (q * sine) ** 2)
    return resonator_cascade(pole, order, (1.0 - radius) * twice / once)


def resonance(
    cf: Tensor,
    bw_norm: Tensor,
    order: int,
    cutoff: Tensor,
    lowpasses: int,
    fs: float,
    classic: bool = False,
) -> StateSpace:
    """Gammatone with `lowpasses` Butterworth filters after it.

    Parameters
    ----------
    cf, bw_norm, cutoff : Tensor [shape=(F,)]
        Hz, multiples of `audfiltbw(cf)`, Hz.
    order, lowpasses : int
    fs : float, Hz
    classic : bool
        `classic_gammatone`, or else `all_pole_gammatone`.
    """
    pole = gammatone_pole(cf, bw_norm * audfiltbw(cf), fs)
    system = classic_gammatone(pole, order) if classic else all_pole_gammatone(pole, order)
    lowpass = butterworth_lowpass(cutoff, fs)
    for _ in range(lowpasses):
        system = series(system, lowpass)
    return system
