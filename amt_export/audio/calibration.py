"""Calibration: the one place that converts the samples of a recording to the unit of a model.

Files hold numbers relative to full scale; auditory models want sound pressure. Unless a level is given, a
sine at full scale is taken to be 93.98 dB SPL, which is 1 Pa RMS.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from amt_export.errors import AudioError
from amt_export.manifest import Manifest, Port

P0 = 2e-5
"""Pa; the reference of dB SPL."""

FULL_SCALE_DB = 93.98
"""dB SPL RMS of a sine at full scale: 1 Pa, as the loudness models assume it (Moore 2016)."""

LEVELS = (-100, 200)
"""dB SPL one may ask for: from far below the quietest converter to above one atmosphere (194)."""


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


def full_scale_db(manifest: Manifest) -> float:
    """Return the level in dB SPL RMS of a full-scale sine, by the model's own convention.

    Models that take samples relative to full scale carry it as their parameter ``db_max``, front
    ends as that of their first stage.
    """
    parameters: dict[str, Any] = dict(manifest.parameters)
    first_stage = parameters.get("spectrum_kwargs") or {}
    return float(parameters.get("db_max", first_stage.get("db_max", FULL_SCALE_DB)))


def pascals_per_unit(manifest: Manifest) -> float | None:
    """Return the pressure in Pa of an input of 1 to a model; None where inputs are no pressure."""
    unit = manifest.inputs[0].unit
    if unit == "Pa":
        return 1.0
    return _sine_amplitude(full_scale_db(manifest)) if unit == "full scale" else None


def calibration(
    manifest: Manifest,
    *,
    level: float | None = None,
    rms: float | None = None,
    full_scale: float | None = None,
    raw: bool = False,
    name: str = "audio",
) -> tuple[float, str]:
    """Return the factor from samples relative to full scale to a model's unit, and words for it.

    Parameters
    ----------
    manifest : Manifest
        Of a model with one audio input.
    level : float, optional
        dB SPL RMS that the recording shall have, at the model's input.
    rms : float, optional
        Of the model's channels of the recording, relative to full scale; needed with a level.
    full_scale : float, optional
        dB SPL RMS of a full-scale sine. Default: the model's convention, see `full_scale_db`.
    raw : bool, optional
        Take samples as they are, whatever the model's unit: the factor is 1.
    name : str, optional
        Of the recording, for errors.

    Raises
    ------
    AudioError
        If the model's unit is no sound pressure and `raw` is not asked for, or a level is no number, out of
        range, asked of silence, or contradicts another argument.
    """
    unit = check_audio_model(manifest).unit
    if raw:
        if level is not None or full_scale is not None:
            raise AudioError("raw samples are taken as they are; give either raw or a level")
        return 1.0, f"raw: samples as they are, in {unit}"
    pascals = pascals_per_unit(manifest)
    if pascals is None:
        remedy = "choose a model that takes Pa"
        if unit == "m/s":
            remedy = "take casp_44k, which has the ears in front of its DRNL"
        what = (
            f"{manifest.name} takes {unit}, and a recording is sound pressure: {remedy}, "
            "or feed samples as they are with --raw"
        )
        raise AudioError(f"{what} (raw=True)").for_command_line(what)
    sine_db = full_scale_db(manifest) if full_scale is None else _level("full scale", full_scale)
    if level is None or rms is None:
        return _sine_amplitude(sine_db) / pascals, f"full-scale sine = {sine_db:g} dB SPL"
    if full_scale is not None:
        raise AudioError("give either the level of the recording or that of full scale")
    _level("level", level)
    if rms == 0:
        what = f"{name}: silence cannot be brought to {level:g} dB SPL; "
        raise AudioError(f"{what}leave level out, or give full_scale instead").for_command_line(
            f"{what}leave --level out, or give --full-scale instead"
        )
    if not math.isfinite(rms):
        raise AudioError(f"{name}: its samples are too large to have a level; scale the recording")
    return P0 * 10 ** (level / 20) / rms / pascals, f"the recording has {level:g} dB SPL (RMS)"


def _sine_amplitude(level: float) -> float:
    """Return the amplitude in Pa of a sine of so many dB SPL RMS."""
    return math.sqrt(2) * P0 * 10 ** (level / 20)


def is_number(value: object) -> bool:
    """Whether a value is a real number; a bool is none, although Python counts with it."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _level(what: str, value: float) -> float:
    """Return a level in dB SPL if it is one that a sound can have; NaN is none."""
    if not is_number(value):
        raise AudioError(f"{what} is {value!r}: give a number of dB SPL, such as 65")
    if not LEVELS[0] <= value <= LEVELS[1]:
        raise AudioError(f"{what} {value:g} dB SPL: give one from {LEVELS[0]} to {LEVELS[1]}")
    return value
