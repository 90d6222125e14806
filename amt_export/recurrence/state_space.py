"""Small linear systems, one for each channel, in coordinates that float32 keeps.

A system is  h[t+1] = A h[t] + b x[t],  y[t] = c h[t] + d x[t]  with real float64 matrices. Every
pole pair is a rotation (a complex number written as a real 2 x 2 matrix), never a companion matrix,
with which the float32 error is about 50 times as large. All functions are differentiable and
scriptable, and work on all channels at once.
"""

import math
from typing import List, NamedTuple

import torch
from torch import Tensor


class StateSpace(NamedTuple):
    """Systems of F channels with s real states: A (F, s, s), b (F, s), c (F, s), d (F,)."""

    A: Tensor
    b: Tensor
    c: Tensor
    d: Tensor


def rotation(z: Tensor) -> Tensor:
    """Complex numbers as rotations.

    Parameters
    ----------
    z : Tensor [shape=(..., 2)]
        Real and imaginary part, as `torch.view_as_real` gives them.

    Returns
    -------
    Tensor [shape=(..., 2, 2)]
        [[re, -im], [im, re]]: multiplies a column (re, im) as z would.
    """
    re, im = z[..., 0], z[..., 1]
    return torch.stack([torch.stack([re, -im], -1), torch.stack([im, re], -1)], -2)


def one_pole_cascade(pole: Tensor, order: int, gain: Tensor) -> StateSpace:
    """Re{gain / (1 - p z^-1)^order}.

    State i is the last output of stage i, each stage with the gain 1 - |p|, so every state stays
    within the size of the input.

    Parameters
    ----------
    pole : Tensor [shape=(F, 2)]
        Real and imaginary part of p, |p| < 1.
    order : int
        Number of equal stages, >= 1.
    gain : Tensor [shape=(F, 2)]
        Real and imaginary part.

    Returns
    -------
    StateSpace
        2 * order states.
    """
    stage = 1.0 - torch.linalg.vector_norm(pole, dim=-1)
    turn = rotation(pole)
    rows: List[Tensor] = []
    inputs: List[Tensor] = []
    for i in range(order):
        # Stage i adds `stage` times what stage i-1 puts out now: p stage^(i-j) from every state j <= i.
        row: List[Tensor] = []
        for j in range(order):
            if j <= i:
                row.append(turn * torch.pow(stage, i - j)[:, None, None])
            else:
                row.append(torch.zeros_like(turn))
        rows.append(torch.cat(row, dim=-1))
        real = torch.pow(stage, i + 1)
        inputs.append(torch.stack([real, torch.zeros_like(real)], dim=-1))
    last = rows[-1]
    factor = gain / torch.pow(stage, order)[:, None]
    # Re{factor * output} with the complex output in two rows
    c = factor[:, :1] * last[:, 0] - factor[:, 1:] * last[:, 1]
    return StateSpace(torch.cat(rows, dim=-2), torch.cat(inputs, dim=-1), c, gain[:, 0])


def resonator_cascade(pole: Tensor, order: int, gain: Tensor) -> StateSpace:
    """Product of `order` equal real resonators  gain (1 - q z^-1) / (1 - 2 q z^-1 + |p|^2 z^-2), q = Re p.

    Each is Re{gain / (1 - p z^-1)}, one rotation. The polynomial of all of them together, which has no such
    form, loses all digits where poles are close to 1 (order 4 at 250 Hz and 44.1 kHz).

    Parameters
    ----------
    pole : Tensor [shape=(F, 2)]
        Real and imaginary part of p, |p| < 1.
    order : int
        Number of resonators, >= 1.
    gain : Tensor [shape=(F,)]
        Of each.

    Returns
    -------
    StateSpace
        2 * order states.

    Examples
    --------
    >>> pole = torch.tensor([[0.6, -0.7]], dtype=torch.float64)
    >>> resonator_cascade(pole, 2, torch.ones(1, dtype=torch.float64)).d
    tensor([1.], dtype=torch.float64)
    """
    resonator = one_pole_cascade(pole, 1, torch.stack([gain, torch.zeros_like(gain)], dim=-1))
    system = resonator
    for _ in range(order - 1):
        system = series(system, resonator)
    return system


def from_complex(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> StateSpace:
    """Re{} of a complex system with real input.

    Parameters
    ----------
    a, b, c, d : Tensor [shape=(F, n, n), (F, n), (F, n), (F,)], complex128

    Returns
    -------
    StateSpace
        2n states, real and imaginary part in turn.
    """
    channels, size = b.shape
    blocks = rotation(torch.view_as_real(a))  # (F, n, n, 2, 2)
    matrix = blocks.permute(0, 1, 3, 2, 4).reshape(channels, 2 * size, 2 * size)
    seen = torch.view_as_real(torch.conj(c).resolve_conj())
    return StateSpace(
        matrix,
        torch.view_as_real(b).reshape(channels, 2 * size),
        seen.reshape(channels, 2 * size),
        torch.real(d),
    )


def butterworth_lowpass(cutoff: Tensor, fs: float) -> StateSpace:
    """Second-order Butterworth low-pass by the bilinear transform, one conjugate pole pair.

    With K = tan(pi f/fs), D = 1 + sqrt(2) K + K^2:  p = (1 - K^2 + j sqrt(2) K)/D and
    H(z) = b0 (1 + z^-1)^2 / |1 - p z^-1|^2, b0 = K^2/D, expanded into
    b0 + 2 Re{r z^-1 / (1 - p z^-1)}, r = b0 (1 + p)^2 / (2 j Im p), which stays finite up to fs/2.

    Parameters
    ----------
    cutoff : Tensor [shape=(F,)]
        -3 dB frequency in Hz; limited to 0.9999 fs/2 as the DRNL does.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    StateSpace
        2 states.
    """
    k = torch.tan(0.5 * math.pi * torch.clamp(cutoff / (0.5 * fs), max=0.9999))
    root2 = math.sqrt(2.0)
    denominator = 1.0 + root2 * k + k * k
    re = (1.0 - k * k) / denominator
    im = root2 * k / denominator
    b0 = k * k / denominator
    # (1 + p)^2 = square_re + j square_im; dividing by 2j Im p turns it into (square_im - j square_re)/(2 Im p).
    square_re = (1.0 + re) ** 2 - im * im
    square_im = 2.0 * (1.0 + re) * im
    # With the gain |1 - p| the state is as large as the sound that passes. The 2 of 2 Re{} is taken in.
    stage = torch.sqrt((1.0 - re) ** 2 + im * im)
    scale = b0 / (im * stage)
    c = torch.stack(
        [scale * square_im, scale * square_re], -1
    )  # 2 Re{r q} = 2 (r_re q_re - r_im q_im)
    b = torch.stack([stage, torch.zeros_like(re)], -1)
    return StateSpace(rotation(torch.stack([re, im], -1)), b, c, b0)


def series(first: StateSpace, second: StateSpace) -> StateSpace:
    """Two systems in series.

    Parameters
    ----------
    first, second : StateSpace [of F channels]
        `second` takes the output of `first`.

    Returns
    -------
    StateSpace
        With the states of `first`, then those of `second`.
    """
    corner = torch.zeros_like(first.A[:, :, :1]) @ torch.zeros_like(second.A[:, :1, :])
    coupling = second.b[:, :, None] @ first.c[:, None, :]
    a = torch.cat(
        [torch.cat([first.A, corner], dim=-1), torch.cat([coupling, second.A], dim=-1)], dim=-2
    )
    b = torch.cat([first.b, second.b * first.d[:, None]], dim=-1)
    c = torch.cat([second.d[:, None] * first.c, second.c], dim=-1)
    return StateSpace(a, b, c, first.d * second.d)


def scale_output(system: StateSpace, gain: Tensor) -> StateSpace:
    """A system whose output is multiplied by a gain.

    Parameters
    ----------
    system : StateSpace
    gain : Tensor [shape=(F,)], float64
    """
    return StateSpace(system.A, system.b, system.c * gain[:, None], system.d * gain)


def scale_input(system: StateSpace, gain: Tensor) -> StateSpace:
    """A system whose input, and so its states, are multiplied by a gain.

    Parameters
    ----------
    system : StateSpace
    gain : Tensor [shape=(F,)], float64
    """
    return StateSpace(system.A, system.b * gain[:, None], system.c, system.d * gain)
