"""The broken-stick compression of the basilar membrane."""

import torch
from torch import Tensor

# Below this |v| the power is not evaluated: far under any knee (1e-7), and 1e30^1.2 still is a float32.
SMALLEST = 1e-30
# An exponent of 10^-0.60206 (the published one) is a quarter but for 5e-9: 1e-7 of what is 1e8 times its knee.
QUARTER, CLOSE = 0.25, 1e-8
# Knees that float32 filters can be in units of: the published ones are 2e-7 to 1e-5 m/s, and tables times or
# over 1e12 are far inside float32's range.
LEAST_KNEE, MOST_KNEE = 1e-12, 1e12


def broken_stick(
    v: Tensor, a: Tensor, b: Tensor, exponent: Tensor, smallest: float = SMALLEST
) -> Tensor:
    """sign(v) min(a |v|, b |v|^c), written v min(a, b |v|^(c-1)).

    The power is exp((c-1) log |v|): ONNX Runtime's Pow is slow and Core ML has no safe one.
    A NaN stays a NaN.

    Parameters
    ----------
    v : Tensor
        Velocity in the nonlinear path.
    a, b, exponent : Tensor, broadcast to v
        linear_gain, compressive_gain and c - 1.

    Returns
    -------
    Tensor [shape of v]
    """
    power = torch.exp(exponent * torch.log(torch.clamp(torch.abs(v), min=smallest)))
    return v * torch.minimum(a, b * power)


def knee_velocity(a: Tensor, b: Tensor, c: Tensor) -> Tensor | None:
    """Knee velocity of a quarter power: |v| with a |v| = b |v|^(1/4).

    Parameters
    ----------
    a, b, c : Tensor [shape=(F,)], float64
        linear_gain, compressive_gain and exponent, as in Jepsen, Ewert and Dau (2008).

    Returns
    -------
    Tensor [shape=(F,)], float64, or None
        In the unit of v. 1 where the answer is 0 anyway; None if some c is no quarter or some knee is out
        of all bounds.
    """
    quarter = (c - QUARTER).abs() < CLOSE
    # a v = b v^c at the knee, so v = (b / a)^(1 / (1 - c)), with c = 1/4.
    found = torch.where(a * b == 0.0, torch.ones_like(a), (b / a) ** (4.0 / 3.0))
    usable = quarter & (found > LEAST_KNEE) & (found < MOST_KNEE)
    return found if bool(usable.all()) else None


def quarter_power_stick(u: Tensor) -> Tensor:
    """The broken stick of a velocity in units of its knee: sign(u) min(|u|, |u|^(1/4)).

    Two square roots, which all runtimes round correctly, in place of a logarithm and an exponential.

    Parameters
    ----------
    u : Tensor, any shape, float
        Velocity over the knee velocity. A NaN stays a NaN.

    Returns
    -------
    Tensor [shape and dtype of u]
        In units of a times the knee.
    """
    above = torch.clamp(torch.abs(u), min=1.0)
    return torch.clamp(u, min=-1.0, max=1.0) * torch.sqrt(torch.sqrt(above))
