"""Where live audio comes from: a file at its own pace, or a microphone."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.calibration import calibration
from amt_export.audio.reader import AudioReader
from amt_export.cli.recording_options import remark_diotic
from amt_export.errors import AudioError, MissingDependencyError, require
from amt_export.manifest import Manifest

BEHIND = 1.0
"""s of audio that may wait; more is thrown away, or what is drawn would lag ever more."""

FRAME = 1 / 20
"""s; how often the picture moves, about what terminals draw without flicker."""


class File:
    """A recording, as fast as it was recorded."""

    def __init__(self, path: Path, manifest: Manifest, reading: Mapping[str, Any]) -> None:
        self._recording = AudioReader(path, manifest, **reading)
        self.calibration = self._recording.calibration
        remark_diotic(self._recording, **reading)
        self.remarks = self._recording.remarks
        self.name = self._recording.name
        self.seconds: float | None = self._recording.seconds
        self.lost = 0

    @contextmanager
    def opened(self) -> Iterator[Iterator[NDArray[Any]]]:
        """Give the pieces, each at its time."""
        yield self._paced()

    def _paced(self) -> Iterator[NDArray[Any]]:
        fs, done = self._recording.fs, 0
        started = time.perf_counter()
        for piece in self._recording.pieces(max(1, round(FRAME * self._recording.file_fs))):
            done += piece.shape[-1]
            ahead = started + done / fs - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
            yield piece


class Microphone:
    """What a sound device records, in pieces as they come.

    Parameters
    ----------
    device : str or None
        Its number, or a part of its name; None for the default one.
    manifest : Manifest
        Of the model.
    full_scale : float, optional
        dB SPL RMS of a sine that reaches full scale.
    diotic : bool, optional
        Record one channel for both ears of a model that has two.
    raw : bool, optional
        Take samples as they are.
    """

    def __init__(
        self,
        device: str | None,
        manifest: Manifest,
        *,
        full_scale: float | None = None,
        diotic: bool = False,
        raw: bool = False,
    ) -> None:
        self._gain, self.calibration = calibration(
            manifest, full_scale=full_scale, raw=raw, name="microphone"
        )
        self.remarks: list[str] = []
        purpose = "Listening to a microphone"
        try:
            self._sd = require("sounddevice", "live", purpose)
        except OSError as error:  # the package is there, the PortAudio library is not
            raise MissingDependencyError(
                f"{purpose} needs PortAudio ({error}): apt install libportaudio2"
            ) from error
        port = manifest.inputs[0]
        self._ears = 2 if "ear" in port.axes else 1
        self._channels = 1 if diotic else self._ears
        self._fs = round(manifest.sampling_rate or 0)
        self._device = int(device) if device and device.isdigit() else device
        self._heard: queue.SimpleQueue[NDArray[Any]] = queue.SimpleQueue()
        self.name = "microphone"
        self.seconds: float | None = None
        self.lost = 0

    @contextmanager
    def opened(self) -> Iterator[Iterator[NDArray[Any]]]:
        """Give the pieces while the device is open.

        Raises
        ------
        AudioError
            If the device cannot record at the model's rate.
        """
        try:
            device = self._sd.InputStream(
                samplerate=self._fs,
                channels=self._channels,
                dtype="float32",
                device=self._device,
                callback=self._take,
            )
            with device:
                yield self._pieces()
        except (self._sd.PortAudioError, ValueError) as error:
            raise AudioError(
                f"microphone: {error} (at {self._fs} Hz); --device chooses another"
            ) from error

    def _take(self, frames: NDArray[Any], _count: int, _time: Any, status: Any) -> None:
        """Called by the device, in its own thread."""
        self.lost += bool(status)
        self._heard.put(frames.copy())

    def _pieces(self) -> Iterator[NDArray[Any]]:
        while True:
            waiting = [self._heard.get()]
            while not self._heard.empty():
                waiting.append(self._heard.get())
            if sum(map(len, waiting)) > BEHIND * self._fs:
                waiting = waiting[
                    -1:
                ]  # a model that cannot keep up continues with the newest samples
                self.lost += 1
            heard = self._gain * np.concatenate(waiting).T
            if len(heard) < self._ears:
                heard = np.repeat(heard, self._ears, axis=0)
            yield heard[None] if self._ears == 2 else heard
