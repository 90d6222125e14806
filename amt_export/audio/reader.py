"""A recording on its way to a model, piece by piece: ten hours take no more memory than a second.

Channels, calibration and resampling give the same numbers as `amt_export.audio.calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.audio.calibration import (
    Samples,
    calibration,
    check_audio_model,
    ears,
    full_scale_db,
)
from amt_export.errors import AudioError, require
from amt_export.manifest import Manifest

PIECE = 1 << 16
"""Samples read at once: a second or two, enough to keep file and model busy in turns."""


class Recorder:
    """An audio file that is read for a model.

    Parameters
    ----------
    path : str or Path
        A WAV, FLAC or OGG file.
    manifest : Manifest
        Of a model with one audio input.
    level : float, optional
        dB SPL RMS that the recording shall have, over the channels the model hears; measuring it
        takes one more pass over the file.
    diotic : bool, optional
        Give a file of one channel to both ears, where a model has two. Not by default: the level at
        one ear and at two are not the same loudness.

    Attributes
    ----------
    name : str
        File name.
    channels, file_fs : int
        Of the file.
    fs : int
        The model's sampling rate in Hz.
    samples : int
        At the model's rate.
    calibration : str
        How full scale became the model's unit, for the terminal.

    Raises
    ------
    AudioError
        As `read_audio` and `for_model`.
    MissingDependencyError
        If soundfile or, for another sampling rate, soxr is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        manifest: Manifest,
        level: float | None = None,
        *,
        diotic: bool = False,
    ) -> None:
        port = check_audio_model(manifest)
        self._path = Path(path)
        self._sf = require("soundfile", "audio", "Reading audio")
        with self._opened() as file:
            self.channels, self.file_fs, self._frames = file.channels, file.samplerate, file.frames
        self.name = self._path.name
        if not self._frames:
            raise AudioError(f"{self._path}: holds no samples")
        self._two_ears = "ear" in port.axes
        if self._two_ears and not (diotic and self.channels == 1):
            hint = ", or --diotic to play it to both ears" if self.channels == 1 else ""
            ears(self.channels, self.name, f"give a stereo file{hint}")
        self.fs = round(manifest.sampling_rate or 0)
        if self.fs != self.file_fs:
            require("soxr", "audio", f"Resampling from {self.file_fs} to {self.fs} Hz")
        self.samples = int(self._frames * self.fs / self.file_fs + 0.5)
        if not self.samples:
            raise AudioError(f"{self.name}: too short for a single sample at {self.fs} Hz")
        rms = None if level is None else self._rms()
        self._gain, self.calibration = calibration(
            rms, self.name, port.unit, full_scale_db(manifest), level
        )

    @property
    def seconds(self) -> float:
        """Duration at the model's rate in s."""
        return self.samples / self.fs

    def pieces(self, size: int | None = None) -> Iterator[Samples]:
        """Read the recording.

        Parameters
        ----------
        size : int, optional
            Samples of the file to read at once; default `PIECE`.

        Yields
        ------
        ndarray [shape=(1, n) or (1, 2, n)], float64
            In the unit and at the rate of the model; n varies, and may be 0.

        Raises
        ------
        AudioError
            Where a sample is NaN or infinite, or the file ends before its header says.
        """
        resampler: Any = None
        if self.fs != self.file_fs:
            soxr = require("soxr", "audio", f"Resampling from {self.file_fs} to {self.fs} Hz")
            count = 2 if self._two_ears else 1
            resampler = soxr.ResampleStream(
                self.file_fs, self.fs, count, dtype="float64", quality="VHQ"
            )
        left = self.samples
        read = 0
        for heard in self._heard(size or PIECE):
            read += heard.shape[-1]
            last = read == self._frames
            piece = self._gain * heard
            if resampler is not None:
                piece = resampler.resample_chunk(np.ascontiguousarray(piece.T), last=last).T
            # The resampler rounds the length as `samples` does; this holds even where it does not.
            piece = piece[:, :left]
            left -= piece.shape[-1]
            if last and left:
                piece = np.pad(piece, ((0, 0), (0, left)))
            yield piece[None] if self._two_ears else piece

    def _opened(self) -> Any:
        if not self._path.is_file():
            what = "is a folder" if self._path.is_dir() else "no such file"
            raise AudioError(f"{self._path}: {what}; give a WAV, FLAC or OGG file")
        try:
            return self._sf.SoundFile(str(self._path))
        except self._sf.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            raise AudioError(f"{self._path}: {reason}; give a WAV, FLAC or OGG file") from error

    def _heard(self, size: int) -> Iterator[Samples]:
        """Yield what the model hears, (1 or 2, n), relative to full scale."""
        read = 0
        with self._opened() as file:
            while read < self._frames:
                at, whole = read / self.file_fs, self._frames / self.file_fs
                try:
                    frames: Samples = file.read(size, dtype="float64", always_2d=True)
                except self._sf.LibsndfileError as error:
                    reason = error.error_string.rstrip(".")
                    raise AudioError(
                        f"{self._path}: damaged behind {at:.3f} s of {whole:.3f} s ({reason})"
                    ) from error
                if not len(frames):
                    raise AudioError(f"{self._path}: ends at {at:.3f} s of {whole:.3f} s")
                bad = np.flatnonzero(~np.isfinite(frames).all(axis=1))
                if len(bad):
                    at = (read + bad[0]) / self.file_fs
                    raise AudioError(f"{self._path}: a sample is NaN or infinite at {at:.3f} s")
                read += len(frames)
                heard = frames.T if self._two_ears else frames.mean(axis=1)[None]
                if self._two_ears and len(heard) == 1:
                    heard = np.repeat(heard, 2, axis=0)
                yield np.ascontiguousarray(heard)

    def _rms(self) -> float:
        """Measure the whole file, relative to full scale."""
        total, count = 0.0, 0
        for heard in self._heard(PIECE):
            total += float(np.sum(heard**2))
            count += heard.size
        return math.sqrt(total / count)
