"""Fourier transform of length N = N1 N2, N1 and N2 coprime, as two real matrix products.

With coprime factors the index n -> (n mod N1, n mod N2) turns circular convolution of length N into
circular convolution on an N1 x N2 torus (Good 1958; Thomas 1963): a transform along each axis, no
twiddle factors. Both transforms are taken real, as cosine and sine rows. Their four products
(cos cos, cos sin, sin cos, sin sin) form a number with two commuting imaginary units i, j; the maps j -> i
and j -> -i split it into two complex numbers, and convolution multiplies those. A real signal costs
N (N1 + N2) multiply-adds, half of a complex transform that holds two.
"""

import math
from typing import NamedTuple, Tuple

import torch
from torch import Tensor

from amt_export.numerics.double_float import SplitMatrix, split_product, split_rows


class Torus(NamedTuple):
    """Transform matrices of one length N = N1 N2; K = N//2 + 1 frequencies an axis. float64."""

    cosine1: Tensor  # (K1, N1), left
    sine1: Tensor
    cosine2: Tensor  # (N2, K2), right
    sine2: Tensor
    back_cosine1: Tensor  # (N1, K1), left
    back_sine1: Tensor
    back_cosine2: Tensor  # (K2, N2), right
    back_sine2: Tensor


class SplitTorus(NamedTuple):
    """The forward matrices in two parts, for `precise_transform`."""

    cosine1: SplitMatrix
    sine1: SplitMatrix
    cosine2: SplitMatrix
    sine2: SplitMatrix


class OrderedInverse(NamedTuple):
    """Matrices of an inverse transform whose samples come out in order, see `ordered_inverse`. float64."""

    cosine1: Tensor  # (N1, K1), left
    sine1: Tensor
    turn_cosine: Tensor  # (N1, K2), elementwise
    turn_sine: Tensor
    cosine2: Tensor  # (K2, N2), right
    sine2: Tensor


class Spectrum(NamedTuple):
    """The two complex numbers of each frequency pair, (..., K1, K2) each: j -> i and j -> -i."""

    plus_re: Tensor
    plus_im: Tensor
    minus_re: Tensor
    minus_im: Tensor


def _axis(length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """cos, -sin rows (K, N) and their inverses (N, K)."""
    k = torch.arange(length // 2 + 1)
    # The angle is reduced in integers, so it is rounded only once, in float64.
    turn = (k[:, None] * torch.arange(length)) % length
    angle = 2.0 * math.pi / length * turn.double()
    # A real signal has every frequency twice, but for 0 and fs/2.
    once = (k == 0) | (2 * k == length)
    weight = torch.where(once, 1.0, 2.0).double()[:, None] / length
    cosine, sine = torch.cos(angle), -torch.sin(angle)
    return cosine, sine, (weight * cosine).T, (weight * sine).T


def torus(n1: int, n2: int) -> Torus:
    """Transform matrices for N = n1 n2.

    Raises
    ------
    ValueError
        If n1 and n2 have a common factor.
    """
    if math.gcd(n1, n2) != 1:
        raise ValueError(f"{n1} and {n2} have a common factor")
    c1, s1, bc1, bs1 = _axis(n1)
    c2, s2, bc2, bs2 = _axis(n2)
    return Torus(c1, s1, c2.T, s2.T, bc1, bs1, bc2.T, bs2.T)


def wrap_order(n1: int, n2: int) -> Tensor:
    """Sample index at each place of the torus, (n1 * n2,): [i * n2 + j] is n = i mod n1 = j mod n2."""
    n = torch.arange(n1 * n2)
    order = torch.empty(n1 * n2, dtype=torch.long)
    order[(n % n1) * n2 + n % n2] = n
    return order


def transform(x: Tensor, to: Torus) -> Spectrum:
    """Spectrum of real signals on the torus, (..., N1, N2)."""
    along2, beside2 = x @ to.cosine2, x @ to.sine2
    cc, sc = to.cosine1 @ along2, to.sine1 @ along2
    cs, ss = to.cosine1 @ beside2, to.sine1 @ beside2
    return Spectrum(cc - ss, sc + cs, cc + ss, sc - cs)


def precise_transform(x: Tensor, to: SplitTorus) -> Spectrum:
    """`transform` with every bin right by itself, not only relative to the loudest; see `double_float`."""
    head, rest = split_rows(x)
    along2 = split_product(head, rest, to.cosine2.head, to.cosine2.rest)
    beside2 = split_product(head, rest, to.sine2.head, to.sine2.rest)
    cc, cc_rest = _from_left(to.cosine1, along2)
    sc, sc_rest = _from_left(to.sine1, along2)
    cs, cs_rest = _from_left(to.cosine1, beside2)
    ss, ss_rest = _from_left(to.sine1, beside2)
    return Spectrum(
        (cc - ss) + (cc_rest - ss_rest),
        (sc + cs) + (sc_rest + cs_rest),
        (cc + ss) + (cc_rest + ss_rest),
        (sc - cs) + (sc_rest - cs_rest),
    )


def _from_left(m: SplitMatrix, x: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tensor]:
    """M @ (x[0] + x[1]) as the sum of two."""
    head, rest = split_rows(x[0], -2)
    return m.head @ head, (m.head + m.rest) @ (rest + x[1]) + m.rest @ head


def product(x: Spectrum, h: Spectrum) -> Spectrum:
    """Complex products; the spectrum of the convolution."""
    return Spectrum(
        x.plus_re * h.plus_re - x.plus_im * h.plus_im,
        x.plus_re * h.plus_im + x.plus_im * h.plus_re,
        x.minus_re * h.minus_re - x.minus_im * h.minus_im,
        x.minus_re * h.minus_im + x.minus_im * h.minus_re,
    )


def total(x: Spectrum, y: Spectrum) -> Spectrum:
    """Sum of two spectra."""
    return Spectrum(
        x.plus_re + y.plus_re,
        x.plus_im + y.plus_im,
        x.minus_re + y.minus_re,
        x.minus_im + y.minus_im,
    )


def halved(x: Spectrum) -> Spectrum:
    """`inverse` adds where it should average; a filter's spectrum takes the half once for all."""
    return Spectrum(0.5 * x.plus_re, 0.5 * x.plus_im, 0.5 * x.minus_re, 0.5 * x.minus_im)


def inverse(y: Spectrum, to: Torus) -> Tensor:
    """Real signals (..., N1, N2) of twice the spectrum; see `halved`."""
    along2, beside2 = _inverse_along1(y, to.back_cosine1, to.back_sine1)
    return along2 @ to.back_cosine2 + beside2 @ to.back_sine2


def ordered_inverse(y: Spectrum, to: OrderedInverse) -> Tensor:
    """`inverse`, with the samples in order: (..., N1 N2).

    Sample m + N1 j, with m < N1, lies in row m of the torus, in column m + N1 j mod N2. The shift of a row by m
    is a turn of its phases, and the matrices of the second axis take the columns N1 apart, so that row m holds
    samples m, m + N1, m + 2 N1, ... A transposition puts them in order. To gather them one by one takes ONNX
    Runtime three times as long.
    """
    along2, beside2 = _inverse_along1(y, to.cosine1, to.sine1)
    turned = along2 * to.turn_cosine - beside2 * to.turn_sine
    beside_turned = along2 * to.turn_sine + beside2 * to.turn_cosine
    rows = turned @ to.cosine2 + beside_turned @ to.sine2
    return rows.transpose(-1, -2).flatten(-2)


def _inverse_along1(y: Spectrum, cosine: Tensor, sine: Tensor) -> Tuple[Tensor, Tensor]:
    """Real and imaginary part of what is still a spectrum along the second axis, (..., N1, K2)."""
    real = cosine @ (y.plus_re + y.minus_re) + sine @ (y.plus_im + y.minus_im)
    imaginary = cosine @ (y.plus_im - y.minus_im) + sine @ (y.minus_re - y.plus_re)
    return real, imaginary


def ordered_inverse_matrices(n1: int, n2: int, first: int) -> OrderedInverse:
    """Matrices of `ordered_inverse` for N = n1 n2 samples, the first of which is sample `first`."""
    to = torus(n1, n2)
    rows = torch.arange(first, first + n1)
    columns = (n1 * torch.arange(n2)) % n2
    cosine, sine, _, _ = _axis(n2)
    turn = rows % n2  # cosine[k, n], sine[k, n]: cos and -sin of 2 pi k n / n2
    return OrderedInverse(
        to.back_cosine1[rows % n1],
        to.back_sine1[rows % n1],
        cosine[:, turn].T,
        -sine[:, turn].T,
        to.back_cosine2[:, columns],
        to.back_sine2[:, columns],
    )


def single_torus(samples: int, taps: int) -> tuple[int, int]:
    """The smallest n1 and n2 = n1 + 1 whose torus holds `samples` samples and the tail after them."""
    n1 = 1
    while n1 * (n1 + 1) < samples + taps - 1:
        n1 += 1
    return n1, n1 + 1


def best_torus(samples: int, taps: int) -> tuple[int, int]:
    """Lengths n1 and n2 = n1 + 1 that filter `samples` samples with `taps` taps at least cost.

    A piece of the signal has n1 n2 - taps + 1 new samples, at least taps - 1 of them (one piece only
    reaches into the next). The cost counts N (n1 + n2) multiply-adds a transform, and as many again as
    100 of them for the ten-odd passes over memory that come with N samples.
    """
    best, least = (0, 0), math.inf
    longest = math.isqrt(samples + taps) + 2
    shortest = math.isqrt(2 * taps) + 1
    for n1 in range(shortest, max(longest, shortest) + 1):
        size = n1 * (n1 + 1)
        pieces = -(-samples // (size - taps + 1))
        cost = pieces * size * (2 * n1 + 1 + 100)
        if cost < least:
            best, least = (n1, n1 + 1), cost
    return best
