"""What takes outputs, and what belongs to a result beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.file_names import as_text
from amt_export.audio.reader import AudioReader
from amt_export.manifest import Manifest, sha256_of
from amt_export.runtime.axes import time_axis
from amt_export.runtime.loudness import LoudnessSummary, RunningLoudness, loudness_outputs
from amt_export.runtime.windows import Framing

Outputs = Mapping[str, NDArray[Any]]


class Sink(Protocol):
    """Takes audio and outputs, batch axis included, as they are known; leaving its block finishes it."""

    def __enter__(self) -> Sink:
        """Begin."""

    def __exit__(self, *error: Any) -> bool | None:
        """Finish, unless there was an error."""

    def write(self, audio: NDArray[Any], outputs: Outputs) -> None:
        """Take the next samples of the audio, and the next samples or frames of every output."""


class Account:
    """How a result was made, and what is said of all of it.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    recording : AudioReader
        What it is given.
    """

    def __init__(self, manifest: Manifest, recording: AudioReader) -> None:
        self.manifest, self.recording = manifest, recording
        outputs = loudness_outputs(manifest)
        self._running = None if outputs is None else RunningLoudness(manifest, outputs)
        self._constant: dict[str, NDArray[Any]] = {}
        self._hash: str | None = None

    def add(self, outputs: Outputs) -> None:
        """Continue with the outputs."""
        if self._running is not None:
            self._running.add(outputs)
        for port in self.manifest.outputs:
            if time_axis(port) is None:
                self._constant[port.name] = outputs[port.name]

    def loudness(self) -> LoudnessSummary | None:
        """Return maximum and percentiles of what was heard; None for models that give no loudness."""
        return None if self._running is None else self._running.summary()

    def fields(self) -> dict[str, Any]:
        """Return what belongs to the arrays of a recording that was read to its end, as JSON has it."""
        recording = self.recording
        if self._hash is None:
            self._hash = sha256_of(recording.path)
        loudness = self.loudness()
        return {
            "source": as_text(recording.path),
            "sha256": self._hash,
            "fs": float(recording.fs),
            "level": recording.level,
            "pascals_per_full_scale": recording.pascals_per_full_scale,
            **({"remove_dc": True} if recording.remove_dc else {}),
            "hop": self.manifest.hop,
            "centre_frequencies": list(self.manifest.centre_frequencies),
            **({} if loudness is None else {"N5": loudness.n5, "N10": loudness.n10}),
            "manifest": json.loads(self.manifest.to_json()),
        }

    def constants(self) -> dict[str, Any]:
        """Return the outputs that do not run along time, as JSON has them."""
        return {name: value.tolist() for name, value in self._constant.items()}

    @property
    def frames(self) -> int:
        """Samples or frames of every output along time."""
        return frames_of(self.manifest, self.recording.samples)

    @property
    def step(self) -> float:
        """Time from one of them to the next in s; the first stands at the first sample."""
        return self.manifest.hop / self.recording.fs

    def span(self) -> dict[str, Any]:
        """Return the places of the frames, for files that do not list them."""
        return {"start": 0.0, "step": self.step, "frames": self.frames}


def frames_of(manifest: Manifest, samples: int) -> int:
    """Return the samples or frames of the outputs for a recording of so many samples."""
    return Framing(manifest.hop, manifest.frame_length).frames(samples)


def whole_shapes(manifest: Manifest, samples: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every output for a recording of so many samples, batch 1."""
    frames = frames_of(manifest, samples)
    shapes = {}
    for port in manifest.outputs:
        axis, shape = time_axis(port), port.sized()
        shapes[port.name] = (
            shape if axis is None else (1, *shape[1:axis], frames, *shape[axis + 1 :])
        )
    return shapes


def bytes_needed(manifest: Manifest, samples: int) -> int:
    """Return the size of all outputs together."""
    shapes = whole_shapes(manifest, samples)
    return sum(
        math.prod(shapes[port.name]) * np.dtype(port.dtype).itemsize for port in manifest.outputs
    )
