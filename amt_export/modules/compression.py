"""The broken-stick compression of the basilar membrane."""

import torch
from torch import Tensor

# Below this |v| the power is not evaluated: far under any knee (1e-7), and 1e30^1.2 still is a float32.
SMALLEST = 1e-30


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
        Gain of the linear limb, gain of the compressive limb, c - 1.

    Returns
    -------
    Tensor [shape of v]
    """
    power = torch.exp(exponent * torch.log(torch.clamp(torch.abs(v), min=smallest)))
    return v * torch.minimum(a, b * power)
