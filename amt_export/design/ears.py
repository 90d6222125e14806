"""Impulse responses of the outer and the middle ear, from measured points.

Plain numpy in float64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]

# Points of the grid from 0 to fs/2 on which the amplitude is interpolated: 2^10 + 1, what scipy.signal.firwin2
# takes for filters of 513 to 1024 taps.
GRID = 1025
# The response must be shorter than the grid, and its length odd.
LARGEST_ORDER = GRID - 3
# At this rate and below there is no point of the outer ear between 0 Hz and fs/2: its response would be zero.
LOWEST_RATE = 250.0
# Up to this rate the points that lie below fs/2 are all there is; above, the middle ear is continued to fs/2.
NARROW_RATE = 20000.0

# Hz, and gain from the diffuse field to the eardrum (Pralong and Carlile 1996).
OUTER_EAR = np.array(
    [
        (125.0, 1.0),
        (250.0, 1.0),
        (500.0, 1.0),
        (1000.0, 0.994850557),
        (1237.384651, 0.994850557),
        (1531.120775, 0.994850557),
        (1894.585346, 1.114513162),
        (2002.467159, 1.235743262),
        (2344.330828, 1.867671314),
        (2721.273584, 2.822751493),
        (3001.403462, 2.180544843),
        (3589.453635, 1.442755787),
        (4001.342781, 1.173563859),
        (4441.534834, 1.37016005),
        (5004.212211, 1.599690164),
        (5495.887031, 1.37016005),
        (5997.423738, 1.114513162),
        (6800.526258, 0.648125625),
        (6946.931144, 0.631609176),
        (7995.508928, 0.276505667),
        (8414.866811, 0.084335217),
        (9008.422743, 0.084335217),
    ]
)

# Hz, and peak-to-peak displacement of the stapes in um at 104 dB SPL (Goode et al. 1994).
DISPLACEMENT = np.array(
    [
        (400.0, 0.19953),
        (600.0, 0.22909),
        (800.0, 0.21878),
        (1000.0, 0.15136),
        (1200.0, 0.1),
        (1400.0, 0.07943),
        (1600.0, 0.05754),
        (1800.0, 0.04365),
        (2000.0, 0.03311),
        (2200.0, 0.02754),
        (2400.0, 0.02188),
        (2600.0, 0.0182),
        (2800.0, 0.01445),
        (3000.0, 0.01259),
        (3500.0, 0.009),
        (4000.0, 0.007),
        (4500.0, 0.00457),
        (5000.0, 0.005),
        (5500.0, 0.004),
        (6000.0, 0.003),
        (6500.0, 0.00275),
    ]
)
DISPLACEMENT_LEVEL = 104.0  # dB SPL
# Hz, and stapes velocity in m/s at 0 dB SPL where nobody measured, by Lopez-Poveda and Meddis (2001).
EXTRAPOLATED = np.array(
    [
        (100.0, 1.181e-9),
        (200.0, 2.363e-9),
        (7000.0, 0.8705e-9),
        (7500.0, 0.8e-9),
        (8000.0, 0.7577e-9),
        (8500.0, 0.7168e-9),
        (9000.0, 0.6781e-9),
        (9500.0, 0.624e-9),
        (10000.0, 0.6e-9),
    ]
)
# Above the last point the velocity falls by this factor for every STEP. Nobody measured there; the filters of
# the Auditory Modeling Toolbox continue like this.
DECAY, STEP = 1.1, 1000.0  # Hz
REFERENCE_PRESSURE = 20e-6  # Pa, 0 dB SPL
# Gain of both ears at 1 kHz, (m/s)/Pa: -67.5 dB, computed with `both_ears_gain` at 44.1 kHz.
STAPES_AT_1_KHZ = 4.2e-4


def outer_ear_response(fs: float, order: int) -> Real:
    """Impulse response from the pressure in a diffuse field to that at the eardrum, linear phase.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, above 250.
    order : int
        Even, 2 to 1022.

    Returns
    -------
    ndarray [shape=(order + 1,)], Pa/Pa

    References
    ----------
    .. [1] D. Pralong and S. Carlile, "The role of individualized headphone calibration for the generation of
       high fidelity virtual auditory space", J. Acoust. Soc. Am. 100, 3785-3793 (1996).
    """
    points = OUTER_EAR[OUTER_EAR[:, 0] < fs / 2]
    return linear_phase_response(np.vstack([(0.0, 0.0), points, (fs / 2, 0.0)]), order)


def middle_ear_response(fs: float, order: int) -> Real:
    """Impulse response from the pressure at the eardrum to the velocity of the stapes, minimum phase.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, above 250.
    order : int
        Even, 2 to 1022.

    Returns
    -------
    ndarray [shape=(order + 1,)], (m/s)/Pa

    References
    ----------
    .. [1] R. L. Goode, M. Killion, K. Nakamura and S. Nishihara, "New knowledge about the function of the human
       middle ear: development of an improved analog model", Am. J. Otol. 15, 145-154 (1994).
    .. [2] E. A. Lopez-Poveda and R. Meddis, "A human nonlinear cochlear filterbank", J. Acoust. Soc. Am. 110,
       3107-3118 (2001), Fig. 2.
    """
    response = linear_phase_response(stapes_velocity(fs), order)
    return minimum_phase(response) / REFERENCE_PRESSURE


def both_ears_gain(frequency: float, fs: float, order: int = 512) -> float:
    """Velocity of the stapes over the pressure in a diffuse field at a frequency, (m/s)/Pa.

    Parameters
    ----------
    frequency : float
        In Hz.
    fs : float
        Sampling rate in Hz. Where it is so low that the ears are not known, the gain at 1 kHz.
    order : int
        Of each filter.
    """
    if fs <= LOWEST_RATE:
        return STAPES_AT_1_KHZ
    delays = np.exp(-2j * np.pi * frequency / fs * np.arange(order + 1))
    outer, middle = (ear(fs, order) @ delays for ear in (outer_ear_response, middle_ear_response))
    return float(abs(outer * middle))


def stapes_velocity(fs: float) -> Real:
    """Points of the middle ear from 0 Hz to fs/2: (n, 2), Hz and m/s at 0 dB SPL."""
    hertz, micrometres = DISPLACEMENT.T
    # v = sqrt(2) 2 pi f d, as the model takes it, scaled down from 104 dB SPL.
    scale = np.sqrt(2.0) * 1e-6 * 10.0 ** (-DISPLACEMENT_LEVEL / 20.0)
    measured = np.stack([hertz, scale * 2.0 * np.pi * hertz * micrometres], axis=1)
    points = np.vstack([measured, EXTRAPOLATED])
    points = points[np.argsort(points[:, 0])]
    if fs <= NARROW_RATE:
        points = points[points[:, 0] < fs / 2]
    else:
        last, velocity = points[-1]
        count = int(np.ceil((fs / 2 - last) / STEP)) - 1
        steps = np.arange(1, count + 1)
        beyond = np.stack([last + STEP * steps, velocity / DECAY**steps], axis=1)
        points = np.vstack([points, beyond])
    last, velocity = points[-1]
    end = (fs / 2, velocity / (1.0 + (DECAY - 1.0) * (fs / 2 - last) / STEP))
    return np.vstack([(0.0, 0.0), points, end])


def linear_phase_response(points: Real, order: int) -> Real:
    """Impulse response of a given amplitude, by frequency sampling and a Hamming window.

    Parameters
    ----------
    points : ndarray [shape=(n, 2)]
        Frequency in Hz, ascending from 0 to fs/2, and amplitude. Linear in between.
    order : int
        Even.

    Returns
    -------
    ndarray [shape=(order + 1,)]
        Symmetric about sample order/2.

    Examples
    --------
    >>> all_pass = np.array([(0.0, 1.0), (1000.0, 1.0)])
    >>> linear_phase_response(all_pass, 4).round(3) + 0.0
    array([0., 0., 1., 0., 0.])

    References
    ----------
    .. [1] A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", 3rd ed. (2010), section 7.5.
    """
    hertz = np.linspace(0.0, points[-1, 0], GRID)
    amplitude = np.interp(hertz, points[:, 0], points[:, 1])
    delay = np.exp(-1j * np.pi * (order / 2) * hertz / points[-1, 0])
    sampled: Real = np.fft.irfft(amplitude * delay)[: order + 1]
    return sampled * np.hamming(order + 1)


def minimum_phase(response: Real) -> Real:
    """The response with the same amplitude on its own DFT, and the phase that the amplitude alone has.

    X = |X| exp(-j H{log |X|}) with the Hilbert transform H over the n samples of the DFT.

    Parameters
    ----------
    response : ndarray [shape=(n,)], n odd

    References
    ----------
    .. [1] A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", 3rd ed. (2010), section 12.3.
    """
    count = response.size
    cepstrum = np.fft.ifft(np.log(np.abs(np.fft.fft(response))))
    # Without negative quefrencies the log amplitude gets the phase that belongs to it.
    cepstrum[1 : (count + 1) // 2] *= 2.0
    cepstrum[(count + 1) // 2 :] = 0.0
    shaped: Real = np.fft.ifft(np.exp(np.fft.fft(cepstrum))).real
    return shaped
