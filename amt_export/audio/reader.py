"""A recording on its way to a model, piece by piece: ten hours take no more memory than a second."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.audio.calibration import P0, calibration, check_audio_model, pascals_per_unit
from amt_export.audio.file import AudioFile, Samples
from amt_export.audio.statistics import RunningStatistics, Statistics
from amt_export.errors import AudioError, require
from amt_export.manifest import Manifest

PIECE = 1 << 16
"""Samples read at once: a second or two, enough to keep file and model busy in turns."""

OPTIONS = ("level", "full_scale", "diotic", "raw", "truncated", "remove_dc")
"""Arguments of `AudioReader` that say how a recording is read."""

SOFTEST, LOUDEST = 0.0, 140.0
"""dB SPL; softer than the threshold of hearing or louder than the threshold of pain is a wrong calibration."""


def check_calibration(
    manifest: Manifest,
    *,
    level: float | None = None,
    full_scale: float | None = None,
    raw: bool = False,
    **_: object,
) -> None:
    """Refuse a calibration before anything is read; takes all of `OPTIONS`.

    Raises
    ------
    AudioError
        As `amt_export.audio.calibration.calibration`, of whatever recording that is not silent.
    """
    calibration(manifest, level=level, rms=1.0, full_scale=full_scale, raw=raw)


class AudioReader:
    """An audio file that is read for a model: its channels, its sampling rate, its unit.

    Channels are averaged for one ear, left and right for two.

    Parameters
    ----------
    path : str or Path
        A WAV, FLAC, AIFF, OGG or MP3 file.
    manifest : Manifest
        Of a model with one audio input.
    level : float, optional
        dB SPL RMS that the recording shall have, over the model's channels, each without its mean: a sound
        level meter shows no DC offset. Measuring it takes one more pass over the file. Default: a full-scale
        sine has the level of the model's convention, see `amt_export.audio.calibration`.
    full_scale : float, optional
        dB SPL RMS of a full-scale sine, instead.
    diotic : bool, optional
        Give a file of one channel to both ears, where a model has two. Not by default: the level at
        one ear and at two are not the same loudness.
    raw : bool, optional
        Take samples as they are, whatever the model's unit.
    remove_dc : bool, optional
        Subtract the mean of each of the model's channels, which takes another pass over the file. A level
        leaves it out in any case; without this option the model hears it.
    truncated : bool, optional
        Read what there is of a file that ends early, rather than refuse it; `remarks` says so.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        File name.
    channels, file_fs : int
        Of the file.
    fs : int
        The model's sampling rate in Hz.
    samples : int
        At the model's rate.
    remove_dc : bool
        As given.
    calibration : str
        How full scale became the model's unit, for the terminal.
    pascals_per_full_scale : float or None
        Pressure of a sample of 1; None where samples are taken as they are and the model takes no pressure.
    remarks : list of str
        What a user should know of this file: samples that are missing, channels above its bandwidth. What only
        reading can tell (a DC offset, channels that cancel, clipped samples) is added at the end of the first
        pass over it: at once with a level, else by `pieces`.

    Raises
    ------
    AudioError
        If the file is missing, no audio, incomplete, empty, or not finite; or the model takes no audio,
        takes no sound pressure, has two ears where the file has another number of channels, or a level
        is impossible.
    MissingDependencyError
        If soundfile or, for another sampling rate, soxr is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        manifest: Manifest,
        level: float | None = None,
        *,
        full_scale: float | None = None,
        diotic: bool = False,
        raw: bool = False,
        truncated: bool = False,
        remove_dc: bool = False,
    ) -> None:
        port = check_audio_model(manifest)
        check_calibration(manifest, level=level, full_scale=full_scale, raw=raw)
        self.path = Path(path)
        self._file = AudioFile(self.path, truncated=truncated)
        self._two_ears = "ear" in port.axes
        self.name, self.channels = self._file.name, self._file.channels
        self.file_fs = self._file.fs
        self.remarks = self._file.remarks
        if self._two_ears and self.channels != 2 and not (diotic and self.channels == 1):
            hint = ", or --diotic to play it to both ears" if self.channels == 1 else ""
            raise AudioError(
                f"{self.name}: {self.channels} channel{'s' * (self.channels > 1)}, "
                f"but the model has two ears; give a stereo file{hint}"
            )
        self.fs = round(manifest.sampling_rate or 0)
        self._resampler()  # says now what is missing
        self.samples = int(self._file.frames * self.fs / self.file_fs + 0.5)
        if not self.samples:
            raise AudioError(f"{self.name}: too short for a single sample at {self.fs} Hz")
        self._rms: float | None = None
        self._means = np.zeros(1)
        self.remove_dc = remove_dc
        if level is not None or remove_dc:
            for _ in self._heard(PIECE):
                pass
        self._gain, self.calibration = calibration(
            manifest, level=level, rms=self._rms, full_scale=full_scale, raw=raw, name=self.name
        )
        pascals = pascals_per_unit(manifest)
        self.pascals_per_full_scale = None if pascals is None else self._gain * pascals
        self._remark_empty_channels(manifest)
        self._calibrated = level is not None or full_scale is not None
        self._remark_level()

    @property
    def seconds(self) -> float:
        """Duration at the model's rate in s."""
        return self.samples / self.fs

    @property
    def averaged(self) -> bool:
        """Whether the model has one ear, and hears the mean of several channels."""
        return self.channels > 1 and not self._two_ears

    @property
    def level(self) -> float | None:
        """Level in dB SPL RMS over the model's channels without their means, as the model is given them.

        None until the recording was read once, for silence, and where `pascals_per_full_scale` is None.
        """
        if not self._rms or self._rms == math.inf or self.pascals_per_full_scale is None:
            return None
        return 20 * math.log10(self._rms * self.pascals_per_full_scale / P0)

    def read(self) -> Samples:
        """Read the whole recording, (1, T) or (1, 2, T); see `pieces`."""
        return np.concatenate(list(self.pieces()), axis=-1)

    def pieces(self, size: int | None = None) -> Iterator[Samples]:
        """Read the recording.

        Parameters
        ----------
        size : int, optional
            Samples of the file to read at once; default `PIECE`.

        Yields
        ------
        ndarray [shape=(1, n) or (1, 2, n)], float64
            In the unit and at the rate of the model; n varies, and may be 0. Another rate is made by
            soxr in very high quality: stop band below -170 dB, linear phase.

        Raises
        ------
        AudioError
            Where a sample is NaN or infinite, the file ends before its header says, or its channels cancel
            when they are averaged.
        """
        resampler = self._resampler()
        left, is_known = self.samples, self._rms is not None
        for heard, last in self._heard(size or PIECE):
            if last and not is_known:
                self._remark_level()
            piece = self._gain * (heard - self._means[:, None])
            if resampler is not None:
                piece = resampler.resample_chunk(np.ascontiguousarray(piece.T), last=last).T
            # The resampler rounds the length as `samples` does; this holds even where it does not.
            piece = piece[:, :left]
            left -= piece.shape[-1]
            if last and left:
                piece = np.pad(piece, ((0, 0), (0, left)))
            yield piece[None] if self._two_ears else piece

    def _resampler(self) -> Any:
        """Return what makes the model's rate of the file's; None where they are the same."""
        if self.fs == self.file_fs:
            return None
        soxr = require("soxr", "audio", f"Resampling from {self.file_fs} to {self.fs} Hz")
        count = 2 if self._two_ears else 1
        return soxr.ResampleStream(self.file_fs, self.fs, count, dtype="float64", quality="VHQ")

    def _heard(self, size: int) -> Iterator[tuple[Samples, bool]]:
        """Yield the model's channels, (1 or 2, n), relative to full scale, and whether these are the last.

        What the whole pass has told is kept before the last ones.
        """
        read, statistics = 0, RunningStatistics()
        for frames in self._file.blocks(size):
            heard = frames.T if self._two_ears else frames.mean(axis=1)[None]
            if self._two_ears and len(heard) == 1:
                heard = np.repeat(heard, 2, axis=0)
            heard = np.ascontiguousarray(heard)
            statistics.add(frames, heard)
            read += len(frames)
            if read == self._file.frames:
                self._keep(statistics.result())
            yield heard, read == self._file.frames

    def _keep(self, found: Statistics) -> None:
        """Keep the statistics of a pass over the whole file; later passes find them already known.

        Raises
        ------
        AudioError
            If nothing is left of the channels.
        """
        if found.is_cancelled():
            raise AudioError(
                f"{self.name}: its {self.channels} channels cancel when they are averaged for one ear; "
                "give a file with one of them"
            )
        if self.remove_dc:
            self._means = np.array(found.means)
            found = found._replace(means=(0.0,))
        if self._rms is None:
            self.remarks += found.remarks(self.name)
        self._rms = found.rms

    def _remark_level(self) -> None:
        """Say where a calibration gives a level that hardly any recording has."""
        level = self.level
        if self._calibrated and level is not None and not SOFTEST <= level <= LOUDEST:
            self.remarks.append(
                f"{self.name} has {level:.0f} dB SPL with this calibration; check --level or --full-scale"
            )

    def _remark_empty_channels(self, manifest: Manifest) -> None:
        """Say which channels lie above all that a file of a lower rate can hold: filters overlap."""
        fc, top = manifest.centre_frequencies, self.file_fs / 2
        empty = [k for k, frequency in enumerate(fc) if frequency > top]
        if empty:
            self.remarks.append(
                f"{self.name} has {self.file_fs} Hz and nothing above {top:g} Hz: {len(empty)} of {len(fc)} "
                f"channels, from {fc[empty[0]]:.0f} Hz on, hold nothing but the tails of lower frequencies"
            )
