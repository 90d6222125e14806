"""Analytic frequency responses of the filterbanks: published formulas, and nothing of how ours are computed.

Plain numpy in float64. What an artifact answers to an impulse is drawn and tested against these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


def one_pole_power(pole: Complex, gain: Complex, order: int, omega: Real) -> Complex:
    """Gain / (1 - p z^-1)^n on the unit circle.

    Parameters
    ----------
    pole, gain : ndarray [shape=(F,)]
    order : int
    omega : ndarray [shape=(K,)], radians per sample

    Returns
    -------
    ndarray [shape=(F, K)]

    References
    ----------
    .. [1] V. Hohmann, "Frequency analysis and synthesis using a Gammatone filterbank",
       Acta Acustica 88, 433-442 (2002), eq. 1.
    """
    response: Complex = gain[:, None] / (1.0 - pole[:, None] * np.exp(-1j * omega)) ** order
    return response


def direct_form(numerator: Complex, denominator: Complex, omega: Real) -> Complex:
    """B / A on the unit circle, from coefficients of z^-1 (F, N) each; (F, K)."""

    def polynomial(coefficients: Complex) -> Complex:
        delays = np.exp(-1j * np.outer(np.arange(coefficients.shape[1]), omega))
        value: Complex = coefficients @ delays
        return value

    return polynomial(numerator) / polynomial(denominator)


def real_part(filter_of: Complex, mirrored: Complex) -> Complex:
    """Response of Re{H x} to a real x, from H at omega and at -omega."""
    response: Complex = 0.5 * (filter_of + np.conj(mirrored))
    return response


def resonator(centre: Real, bandwidth: Real, order: int, fs: float, omega: Real) -> Complex:
    """The real all-pole gammatone of the DRNL, GT(cf, bw, n): Re of n one-pole stages with peak 1.

    Parameters
    ----------
    centre, bandwidth : ndarray [shape=(F,)], Hz
    order : int
    fs : float, Hz
    omega : ndarray [shape=(K,)], radians per sample

    References
    ----------
    .. [1] E. A. Lopez-Poveda and R. Meddis, "A human nonlinear cochlear filterbank", J. Acoust.
       Soc. Am. 110, 3107-3118 (2001).
    """
    decay = np.exp(-2.0 * np.pi * bandwidth / fs)
    pole = decay * np.exp(-2j * np.pi * centre / fs)
    gain = ((1.0 - decay) ** order).astype(np.complex128)
    sides = (one_pole_power(pole, gain, order, side * omega) for side in (1.0, -1.0))
    return real_part(*sides)


def classic_resonator(centre: Real, bandwidth: Real, order: int, fs: float, omega: Real) -> Complex:
    """The 'classic' pole-zero gammatone: `order` equal biquads with gain 1 at their centre.

    Parameters
    ----------
    centre, bandwidth : ndarray [shape=(F,)], Hz
    order : int
    fs : float, Hz
    omega : ndarray [shape=(K,)], radians per sample
    """
    radius = np.exp(-2.0 * np.pi * bandwidth / fs)[:, None]
    theta = (2.0 * np.pi * centre / fs)[:, None]

    def biquad(delay: Complex) -> Complex:
        q = radius * np.cos(theta)
        quotient: Complex = (1.0 - q * delay) / (1.0 - 2.0 * q * delay + radius**2 * delay**2)
        return quotient

    peak = np.abs(biquad(np.exp(-1j * theta)))
    response: Complex = (biquad(np.exp(-1j * omega)[None]) / peak) ** order
    return response


def fir(taps: Real, omega: Real) -> Complex:
    """Response (K,) of an impulse response (n,)."""
    one = np.ones((1, 1), np.complex128)
    response: Complex = direct_form(taps[None].astype(np.complex128), one, omega)[0]
    return response


def butterworth_lowpass(cutoff: Real, fs: float, omega: Real) -> Complex:
    """Second-order Butterworth low-pass by the bilinear transform, cutoff (F,) in Hz; (F, K)."""
    # The analogue prototype 1 / (s^2 + sqrt(2) s + 1), its s warped so that the cutoff stays in place.
    # A cutoff at fs/2 itself would be infinite on the analogue side; the DRNL stops just below it.
    share = np.minimum(cutoff / (fs / 2.0), 0.9999)[:, None]
    with np.errstate(divide="ignore"):
        s = 1j * np.tan(omega / 2.0) / np.tan(np.pi * share / 2.0)
    response: Complex = 1.0 / (s * s + np.sqrt(2.0) * s + 1.0)
    return response
