"""A recording on its way to a model, piece by piece: ten hours take no more memory than a second."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.calibration import (
    P0,
    calibration,
    check_audio_model,
    pascals_per_unit,
)
from amt_export.audio.container import missing
from amt_export.audio.file_names import as_text, mode_of, name_for_libsndfile
from amt_export.audio.statistics import RunningStatistics, Statistics
from amt_export.errors import AudioError, require
from amt_export.manifest import Manifest

Samples = NDArray[np.float64]

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".rf64", ".w64", ".bw64", ".aif", ".aiff", ".aifc", ".au", ".caf"),
        *(".flac", ".ogg", ".oga", ".opus", ".mp3"),
    )
)
"""Of the files that are taken from a folder: what libsndfile reads and people record."""

FORMATS = "WAV, FLAC, AIFF, OGG or MP3"
"""What messages and help name: the formats of most recordings."""

PIECE = 1 << 16
"""Samples read at once: a second or two, enough to keep file and model busy in turns."""

LOWEST_RATE = 1000
"""Hz; a header that says less is wrong, and resampling would make a thousand samples of one."""


SOFTEST, LOUDEST = 0.0, 140.0
"""dB SPL; softer than the threshold of hearing or louder than the threshold of pain is a wrong calibration."""


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
        # Refuses before anything is read; the RMS is measured below.
        calibration(manifest, level=level, rms=1.0, full_scale=full_scale, raw=raw)
        self.path = Path(path)
        self._sf = require("soundfile", "audio", "Reading audio")
        self._truncated = truncated
        self._two_ears = "ear" in port.axes
        self.name = as_text(self.path.name)
        self.remarks: list[str] = []
        with self._opened() as file:
            self.channels, self.file_fs, self._frames = file.channels, file.samplerate, file.frames
        self._check_complete()
        if not self._frames:
            raise AudioError(f"{self.path}: holds no samples")
        if self.file_fs < LOWEST_RATE:
            raise AudioError(
                f"{self.path}: has {self.file_fs} Hz; give a file of {LOWEST_RATE} Hz or more"
            )
        if self._two_ears and self.channels != 2 and not (diotic and self.channels == 1):
            hint = ", or --diotic to play it to both ears" if self.channels == 1 else ""
            raise AudioError(
                f"{self.name}: {self.channels} channel{'s' * (self.channels > 1)}, "
                f"but the model has two ears; give a stereo file{hint}"
            )
        self.fs = round(manifest.sampling_rate or 0)
        if self.fs != self.file_fs:
            require("soxr", "audio", f"Resampling from {self.file_fs} to {self.fs} Hz")
        self.samples = int(self._frames * self.fs / self.file_fs + 0.5)
        if not self.samples:
            raise AudioError(f"{self.name}: too short for a single sample at {self.fs} Hz")
        self._rms: float | None = None
        self._means = np.zeros(1)
        self.remove_dc = remove_dc
        if level is not None or remove_dc:
            self._keep(self._measured())
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
        resampler: Any = None
        if self.fs != self.file_fs:
            soxr = require("soxr", "audio", f"Resampling from {self.file_fs} to {self.fs} Hz")
            count = 2 if self._two_ears else 1
            resampler = soxr.ResampleStream(
                self.file_fs, self.fs, count, dtype="float64", quality="VHQ"
            )
        left = self.samples
        read, statistics = 0, RunningStatistics()
        for frames, heard in self._model_channels(size or PIECE):
            read += len(frames)
            last = read == self._frames
            statistics.add(frames, heard)
            if last:
                known = self._rms is not None
                self._keep(statistics.result())
                if not known:
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

    def _opened(self) -> Any:
        mode = mode_of(self.path)
        if not S_ISREG(mode):
            what = "is a folder" if S_ISDIR(mode) else "no such file"
            raise AudioError(f"{self.path}: {what}; give a {FORMATS} file")
        if not self.path.stat().st_size:
            raise AudioError(f"{self.path}: the file is empty (0 bytes)")
        try:
            return self._sf.SoundFile(name_for_libsndfile(self.path))
        except TypeError as error:  # of a name that ends in .raw
            raise AudioError(
                f"{self.path}: states no sampling rate; give a {FORMATS} file"
            ) from error
        except self._sf.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            raise AudioError(f"{self.path}: {reason}; give a {FORMATS} file") from error

    def _check_complete(self) -> None:
        """Refuse a truncated file, or find how much of it there is.

        Raises
        ------
        AudioError
            If something is missing, or nothing can be read of it.
        """
        gone = missing(self.path)
        if not self._truncated:
            if gone:
                raise _ends_early(f"{self.path}: is truncated, {gone} missing")
            return
        if gone:
            self.remarks.append(f"{self.name} is truncated, {gone} missing")
        readable = sum(len(frames) for frames, _ in self._model_channels(1024, until_damaged=True))
        if readable < self._frames:
            self.remarks.append(
                f"{self.name} ends at {readable / self.file_fs:.3f} s of {self._frames / self.file_fs:.3f} s"
            )
            self._frames = readable

    def _model_channels(
        self, size: int, *, until_damaged: bool = False
    ) -> Iterator[tuple[Samples, Samples]]:
        """Yield channels of the file, (n, C), and of the model, (1 or 2, n), relative to full scale."""
        read = 0
        with self._opened() as file:
            while read < self._frames:
                at, whole = read / self.file_fs, self._frames / self.file_fs
                try:
                    frames: Samples = file.read(
                        min(size, self._frames - read), dtype="float64", always_2d=True
                    )
                except self._sf.LibsndfileError as error:
                    if until_damaged:
                        return
                    reason = error.error_string.rstrip(".")
                    what = f"{self.path}: damaged after {at:.3f} s of {whole:.3f} s ({reason})"
                    raise _ends_early(what) from error
                if not len(frames):
                    if until_damaged:
                        return
                    raise _ends_early(f"{self.path}: ends at {at:.3f} s of {whole:.3f} s")
                bad = np.flatnonzero(~np.isfinite(frames).all(axis=1))
                if len(bad):
                    at = (read + bad[0]) / self.file_fs
                    raise AudioError(f"{self.path}: a sample is NaN or infinite at {at:.3f} s")
                read += len(frames)
                heard = frames.T if self._two_ears else frames.mean(axis=1)[None]
                if self._two_ears and len(heard) == 1:
                    heard = np.repeat(heard, 2, axis=0)
                yield frames, np.ascontiguousarray(heard)

    def _measured(self) -> Statistics:
        """Read the whole file, and return what it turned out to be."""
        statistics = RunningStatistics()
        for frames, heard in self._model_channels(PIECE):
            statistics.add(frames, heard)
        return statistics.result()

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


def _ends_early(what: str) -> AudioError:
    """Return the error for a file of which only the beginning can be read."""
    return AudioError(f"{what}; --truncated (truncated=True) takes what is there").for_command_line(
        f"{what}; --truncated takes what is there"
    )
