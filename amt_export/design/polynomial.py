"""A complex direct-form filter b / (1 + a1 z^-1 + ... + an z^-n) in coordinates that keep its digits.

The companion matrix of n equal poles near the unit circle is so ill-conditioned that float32 keeps
three digits. The coordinates of a one-pole cascade at the designed poles keep all of them, and they are
just as right for coefficients that were trained away from the design.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amt_export.recurrence.state_space import StateSpace, from_complex


def expanded(pole: Tensor, order: int) -> Tensor:
    """Coefficients of (1 - p z^-1)^order.

    Parameters
    ----------
    pole : Tensor [shape=(F,)], complex128

    Returns
    -------
    Tensor [shape=(F, order + 1)], complex128
        Binomial coefficients times (-p)^k.
    """
    return torch.stack([math.comb(order, k) * (-pole) ** k for k in range(order + 1)], dim=-1)


def cascade_basis(pole: Tensor, order: int) -> Tensor:
    """Past outputs of the direct form from the stage outputs of a cascade with the same poles.

    Parameters
    ----------
    pole : Tensor [shape=(F,)], complex128

    Returns
    -------
    Tensor [shape=(F, order, order)], complex128
        y[t-k] = sum_i basis[k-1, i] s_i[t-1]. Row 1 is the last stage; one sample earlier every
        stage held (s_i - g s_(i-1)) / p, g = 1 - |p|.
    """
    gain = (1.0 - pole.abs())[:, None]
    row = torch.zeros(pole.shape[0], order, dtype=pole.dtype)
    row[:, -1] = 1.0
    rows = [row]
    for _ in range(order - 1):
        from_next = torch.cat([gain * row[:, 1:], torch.zeros_like(row[:, :1])], dim=-1)
        row = (row - from_next) / pole[:, None]
        rows.append(row)
    return torch.stack(rows, dim=1)


def from_coefficients(b: Tensor, a: Tensor, basis: Tensor, inverse: Tensor) -> StateSpace:
    """Re{b / (a0 + a1 z^-1 + ... )}.

    Parameters
    ----------
    b : Tensor [shape=(F, 1)], complex128
    a : Tensor [shape=(F, n + 1)], complex128
    basis, inverse : Tensor [shape=(F, n, n)], complex128
        See `cascade_basis`.

    Returns
    -------
    StateSpace
        2n states.
    """
    channels, count = a.shape
    order = count - 1
    feedback = -a[:, 1:] / a[:, :1]
    gain = b / a[:, :1]
    shift = torch.eye(order, dtype=a.dtype, device=a.device)[: order - 1]
    companion = torch.cat([feedback[:, None], shift.expand(channels, order - 1, order)], dim=1)
    matrix = inverse @ companion @ basis
    reached = inverse[:, :, 0] * gain
    seen = (feedback[:, None] @ basis)[:, 0]
    return from_complex(matrix, reached, seen, gain[:, 0])
