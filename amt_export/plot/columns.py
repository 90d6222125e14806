"""Columns of a picture, gathered from a model's outputs piece by piece: a few numbers for any length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import InputError
from amt_export.manifest import Manifest
from amt_export.plot.kinds import KINDS, LEVEL_KINDS, Gatherer
from amt_export.plot.level_columns import MAX_COLUMNS, Outline
from amt_export.plot.panels import Drawable


class Columns:
    """Gathers the audio and the outputs of a model for a picture.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    gatherers : list of Gatherer
        Of the kinds of pictures that its outputs have.
    outline : int
        Samples of a step of the audio's outline.
    """

    def __init__(self, manifest: Manifest, gatherers: list[Gatherer], outline: int) -> None:
        self.manifest = manifest
        self.gatherers = gatherers
        self.outline = Outline(outline)
        self.samples = 0

    def add(self, audio: NDArray[Any], outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with both; they need not be of the same stretch of time."""
        self.samples += audio.shape[-1]
        self.outline.add(audio)
        for gatherer in self.gatherers:
            gatherer.add(outputs)

    def is_silent(self) -> bool:
        """Whether there was audio, and all of it was zero."""
        lowest, highest = self.outline.edges()
        return bool(self.samples) and not lowest.any() and not highest.any()

    def has_levels(self) -> bool:
        """Whether a panel has levels in dB, for which a range can be given."""
        return any(isinstance(gatherer, LEVEL_KINDS) for gatherer in self.gatherers)

    def panels(self) -> list[Drawable]:
        """Return all panels, from top to bottom."""
        return [panel for gatherer in self.gatherers for panel in gatherer.panels()]


def columns_for(manifest: Manifest, fs: float, frames: Mapping[str, int], samples: int) -> Columns:
    """Return what gathers a picture of outputs of known length.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    fs : float
        The model's sampling rate in Hz.
    frames : mapping of int
        Samples or frames of each output.
    samples : int
        Of the audio.

    Raises
    ------
    InputError
        If no output has a picture.
    """
    found = [gatherer for kind in KINDS if (gatherer := kind(manifest, frames, fs)) is not None]
    if not found:
        raise InputError(f"{manifest.name}: no output over time and frequency to draw")
    return Columns(manifest, found, max(1, samples // MAX_COLUMNS))


def gathered(
    outputs: Mapping[str, NDArray[Any]], manifest: Manifest, fs: float, audio: NDArray[Any]
) -> Columns:
    """Return what was gathered of outputs that are there as a whole."""
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    frames = {
        port.name: arrays[port.name].shape[port.axes.index(axis) - len(port.axes)]
        for port in manifest.outputs
        for axis in ("time", "frame")
        if port.name in arrays and axis in port.axes
    }
    columns = columns_for(manifest, fs, frames, audio.shape[-1])
    columns.add(audio, arrays)
    return columns


def panels(outputs: Mapping[str, NDArray[Any]], manifest: Manifest, fs: float) -> list[Drawable]:
    """Return the panels of a picture of outputs that are there as a whole.

    Parameters
    ----------
    outputs : mapping of ndarray
        By name, with or without the batch axis; of a batch, the first is taken.
    manifest : Manifest
        Of the model.
    fs : float
        The model's sampling rate in Hz.

    Raises
    ------
    InputError
        If no output has a picture.
    """
    return gathered(outputs, manifest, fs, np.empty(0)).panels()
