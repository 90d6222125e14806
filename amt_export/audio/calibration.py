"""From a recording to what a model takes: samples, channels, sampling rate, calibration.

Files hold numbers relative to full scale; auditory models want sound pressure. Unless a level is
given, a sine at full scale is taken to be 93.98 dB SPL, so that 1.0 RMS means 1 Pa.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import AudioError, require
from amt_export.manifest import Manifest, Port

Samples = NDArray[np.float64]

P0 = 2e-5
"""Pa; the reference of dB SPL."""

FULL_SCALE_DB = 93.98
"""dB SPL RMS of a sine at full scale: 1 Pa, as the loudness models assume it (Moore 2016)."""

LEVELS = (-100, 200)
"""dB SPL one may ask for: from far below the quietest converter to above one atmosphere (194)."""


@dataclass(frozen=True)
class Recording:
    """Audio as it is in the file.

    Parameters
    ----------
    samples : ndarray [shape=(channels, T)]
        Relative to full scale, float64.
    fs : int
        Sampling rate in Hz.
    name : str
        File name, for messages.
    """

    samples: Samples
    fs: int
    name: str


@dataclass(frozen=True)
class ModelAudio:
    """Audio as a model takes it.

    Parameters
    ----------
    samples : ndarray [shape=(1, T) or (1, 2, T)]
        In ``unit``, float64, with the batch axis.
    fs : int
        The model's sampling rate in Hz.
    unit : str
        ``"Pa"``, or ``"full scale"``.
    calibration : str
        How full scale became that unit, for the terminal.
    """

    samples: Samples
    fs: int
    unit: str
    calibration: str


def read_audio(path: str | Path) -> Recording:
    """Read a WAV, FLAC or OGG file.

    Raises
    ------
    AudioError
        If the file is missing, not audio, empty, or holds NaN or infinite samples.
    MissingDependencyError
        If soundfile is not installed.
    """
    sf = require("soundfile", "audio", "Reading audio")
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file; give a WAV, FLAC or OGG file")
    try:
        frames, fs = sf.read(str(path), dtype="float64", always_2d=True)
    except sf.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise AudioError(f"{path}: {reason}; give a WAV, FLAC or OGG file") from error
    if not len(frames):
        raise AudioError(f"{path}: holds no samples")
    bad = np.flatnonzero(~np.isfinite(frames).all(axis=1))
    if len(bad):
        raise AudioError(f"{path}: a sample is NaN or infinite at {bad[0] / fs:.3f} s")
    return Recording(np.ascontiguousarray(frames.T), fs, path.name)


def for_model(recording: Recording, manifest: Manifest, level: float | None = None) -> ModelAudio:
    """Bring a recording to the channels, sampling rate and unit of a model.

    Parameters
    ----------
    recording : Recording
        Any length and sampling rate.
    manifest : Manifest
        Of a model with one audio input.
    level : float, optional
        dB SPL RMS that the recording shall have, over the channels the model hears. Default: a
        full-scale sine has the level of the model's convention, `FULL_SCALE_DB`.

    Returns
    -------
    ModelAudio
        Channels averaged for one ear, left and right for two.

    Raises
    ------
    AudioError
        If the model does not take audio, needs two channels where the file has another number, or
        a level is asked of a silent recording.
    """
    port = check_audio_model(manifest)
    heard = recording.samples
    if "ear" in port.axes:
        ears(len(heard), recording.name)
    else:
        heard = heard.mean(axis=0)
    rms = None if level is None else math.sqrt(np.mean(heard**2))
    gain, words = calibration(rms, recording.name, port.unit, full_scale_db(manifest), level)
    fs = round(manifest.sampling_rate or 0)
    samples = resample(gain * heard, recording.fs, fs)
    if not samples.shape[-1]:
        raise AudioError(f"{recording.name}: too short for a single sample at {fs} Hz")
    return ModelAudio(samples[None], fs, port.unit, words)


def check_audio_model(manifest: Manifest) -> Port:
    """Return the audio input of a model that takes nothing else.

    Raises
    ------
    AudioError
        For other models, and for those at a rate that no file has: 16000.5 Hz.
    """
    port = manifest.inputs[0]
    if len(manifest.inputs) > 1 or port.name != "audio" or manifest.sampling_rate is None:
        names = ", ".join(port.name for port in manifest.inputs)
        raise AudioError(
            f"{manifest.name} takes {names}, not audio; choose a model that takes audio"
        )
    if not float(manifest.sampling_rate).is_integer():
        raise AudioError(
            f"{manifest.name} runs at {manifest.sampling_rate:g} Hz, and sounds are resampled to whole rates; "
            "choose a model of a whole fs"
        )
    return port


def resample(samples: Samples, fs: int, target: int) -> Samples:
    """Change the sampling rate (soxr, very high quality: stop band below -170 dB, linear phase).

    Parameters
    ----------
    samples : ndarray [shape=(..., T)]
    fs, target : int
        Sampling rates in Hz.

    Returns
    -------
    ndarray [shape=(..., about T * target / fs)]
        The samples themselves when the rates are equal.
    """
    if fs == target:
        return samples
    soxr = require("soxr", "audio", f"Resampling from {fs} to {target} Hz")
    return cast(Samples, soxr.resample(samples.T, fs, target, quality="VHQ").T)


def full_scale_db(manifest: Manifest) -> float:
    """Return the level in dB SPL RMS of a full-scale sine, by the model's own convention.

    Models that take samples relative to full scale carry it as their parameter ``db_max``, front
    ends as that of their first stage.
    """
    parameters: dict[str, Any] = dict(manifest.parameters)
    first_stage = parameters.get("spectrum_kwargs") or {}
    return float(parameters.get("db_max", first_stage.get("db_max", FULL_SCALE_DB)))


def ears(channels: int, name: str, remedy: str = "give a stereo file") -> None:
    """Check that a recording of so many channels has one for each ear.

    Raises
    ------
    AudioError
        If it has another number.
    """
    if channels != 2:
        raise AudioError(
            f"{name}: {channels} channel{'s' * (channels > 1)}, "
            f"but the model has two ears; {remedy}"
        )


def calibration(
    rms: float | None, name: str, unit: str, sine_db: float, level: float | None
) -> tuple[float, str]:
    """Return the gain from full scale to the model's unit, and words for it.

    Parameters
    ----------
    rms : float or None
        Of what the model hears, relative to full scale; needed with a level.
    name : str
        Of the recording.
    unit : str
        Of the model's input.
    sine_db : float
        dB SPL of a full-scale sine; see `full_scale_db`.
    level : float or None
        dB SPL RMS that the recording shall have.

    Raises
    ------
    AudioError
        If the level is out of range, or asked of silence.
    """
    # Amplitude, in the model's unit, of a sine at full scale.
    peak = math.sqrt(2) * P0 * 10 ** (sine_db / 20) if unit == "Pa" else 1.0
    if level is None or rms is None:
        return peak, f"full-scale sine = {sine_db:g} dB SPL"
    if not LEVELS[0] <= level <= LEVELS[1]:  # NaN included
        raise AudioError(f"level {level:g} dB SPL: give one from {LEVELS[0]} to {LEVELS[1]}")
    if rms == 0:
        raise AudioError(f"{name}: is silent, so it cannot be brought to {level:g} dB SPL")
    gain = peak * math.sqrt(0.5) / rms * 10 ** ((level - sine_db) / 20)
    return gain, f"file = {level:g} dB SPL RMS"
