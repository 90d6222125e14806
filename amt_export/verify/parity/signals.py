"""The signal suite, on which every artifact runs before it is published. It is seeded and never changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amt_export.design.ears import (
    LOWEST_RATE,
    STAPES_AT_1_KHZ,
    middle_ear_response,
    outer_ear_response,
)

Array = npt.NDArray[np.float64]

# dB SPL re 20 uPa; a tone's and noise's level is that of its RMS.
REFERENCE_PRESSURE = 2e-5
# Levels of everyday sounds. The noises cover the range from silence to pain.
TONE_LEVEL = 70.0
SPEECH_LEVEL = 65.0
NOISE_LEVELS = (20.0, 60.0, 94.0, 120.0)
STEP_LEVEL, CLICK_LEVEL = 60.0, 100.0
# Of the ears' FIR filters, as in CASP.
EAR_ORDER = 512
RAMP = 0.02  # s, raised cosine at both ends
LOWEST = 50.0  # Hz, where the sweep begins
SEED = 20600  # any number, as long as it stays
# 1.5 s of tests/data/speech_22k.wav (espeak-ng, free to use) as 16-bit integers.
SPEECH = Path(__file__).with_name("speech_16k.npy")
SPEECH_RATE = 16000.0


def _scaled(shape: Array, level: float) -> Array:
    """`shape` with an RMS of `level` dB SPL, in Pa."""
    rms = float(np.sqrt(np.mean(shape**2))) or 1.0  # nothing is left of a tone of one sample
    scaled: Array = shape * (REFERENCE_PRESSURE * 10.0 ** (level / 20.0) / rms)
    return scaled


def _ramped(signal: Array, fs: float) -> Array:
    count = min(int(RAMP * fs), signal.size // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / max(count, 1))
    signal = signal.copy()
    signal[:count] *= rise
    signal[signal.size - count :] *= rise[::-1]
    return signal


def _tone(samples: int, fs: float, frequency: float) -> Array:
    tone: Array = np.sin(2.0 * np.pi * frequency / fs * np.arange(samples))
    return tone


def _sweep(samples: int, fs: float) -> Array:
    """Logarithmic from 50 Hz to 0.45 fs."""
    low, high = LOWEST, 0.45 * fs
    ratio = np.log(high / low)
    progress = np.arange(samples) / samples
    phase = 2.0 * np.pi * low * samples / fs / ratio * np.expm1(progress * ratio)
    sweep: Array = np.sin(phase)
    return sweep


@cache
def _speech() -> Array:
    speech: Array = np.load(SPEECH).astype(np.float64)
    return speech


def _spoken(samples: int, fs: float) -> Array:
    """The recording by linear interpolation (quality does not matter here), repeated to length."""
    speech = _speech()
    position = np.arange(samples) / fs * SPEECH_RATE % (speech.size - 1)
    return np.interp(position, np.arange(speech.size), speech)


def suite(samples: int, fs: float) -> dict[str, Array]:
    """All signals.

    Parameters
    ----------
    samples : int
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    dict of ndarray [shape=(samples,)], float64, Pa
        Noise at 20, 60, 94 and 120 dB SPL, a click of 1 Pa, tones at 1 and 4 kHz, a logarithmic sweep,
        silence, noise at 1e-8 Pa, speech. Every value is a float32, so that both precisions get
        the same signal.
    """
    noise = np.random.default_rng(SEED).standard_normal(samples)
    make: dict[str, Callable[[], Array]] = {
        f"noise_{level:.0f}dB": lambda level=level: _ramped(_scaled(noise, level), fs)  # type: ignore[misc]
        for level in NOISE_LEVELS
    }
    make |= {
        "click": lambda: np.eye(1, samples, samples // 3)[0],
        "tone_1k": lambda: _ramped(_scaled(_tone(samples, fs, 1000.0), TONE_LEVEL), fs),
        "tone_4k": lambda: _ramped(_scaled(_tone(samples, fs, 4000.0), TONE_LEVEL), fs),
        "sweep": lambda: _ramped(_scaled(_sweep(samples, fs), TONE_LEVEL), fs),
        "silence": lambda: np.zeros(samples),
        "tiny_noise": lambda: 1e-8 * noise,
        "speech": lambda: _ramped(_scaled(_spoken(samples, fs), SPEECH_LEVEL), fs),
    }
    return {name: signal().astype(np.float32).astype(np.float64) for name, signal in make.items()}


def onsets(samples: int, fs: float) -> dict[str, Array]:
    """Sounds that begin at once, from silence: what adaptation answers most strongly.

    Parameters
    ----------
    samples : int
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    dict of ndarray [shape=(samples,)], float64, Pa
        A tone of 1 kHz and 60 dB SPL that begins after a fifth of the signal, and a click that is 100 dB SPL
        high. Every value is a float32.
    """
    start = samples // 5
    step = _scaled(_tone(samples, fs, 1000.0), STEP_LEVEL)
    step[:start] = 0.0
    click = np.eye(1, samples, start)[0] * REFERENCE_PRESSURE * 10.0 ** (CLICK_LEVEL / 20.0)
    signals = {"step_60dB": step, "click_100dB": click}
    return {name: signal.astype(np.float32).astype(np.float64) for name, signal in signals.items()}


def stapes_velocity(pressure: Array, fs: float) -> Array:
    """Velocity of the stapes after outer and middle ear: a physically possible input of a DRNL.

    Without the outer ear's delay, so that a short signal is not all silence.

    Parameters
    ----------
    pressure : ndarray [shape=(samples,)], Pa
    fs : float
        Sampling rate in Hz. Where it is so low that ears are not known, the velocity is proportional to the
        pressure.

    Returns
    -------
    ndarray [shape=(samples,)], m/s
    """
    if fs <= LOWEST_RATE:
        return STAPES_AT_1_KHZ * pressure
    both = np.convolve(outer_ear_response(fs, EAR_ORDER), middle_ear_response(fs, EAR_ORDER))
    start = EAR_ORDER // 2
    velocity: Array = np.convolve(pressure, both)[start : start + pressure.size]
    return velocity
