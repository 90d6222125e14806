"""An audio file: opened, found to be all there, and read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.container import missing
from amt_export.audio.file_names import as_text, mode_of, name_for_libsndfile
from amt_export.errors import AudioError, require

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

LOWEST_RATE = 1000
"""Hz; a header that says less is wrong, and resampling would make a thousand samples of one."""

SCANNED = 1024
"""Samples read at once to find where a damaged file ends: so many are lost before that place at most."""


class AudioFile:
    """An audio file, as it is.

    Parameters
    ----------
    path : Path
        A WAV, FLAC, AIFF, OGG or MP3 file.
    truncated : bool, optional
        Read what there is of a file that ends early, rather than refuse it; `remarks` says so.

    Attributes
    ----------
    path : Path
    name : str
        File name.
    channels, fs, frames : int
        Its channels, its sampling rate in Hz, its samples in each channel.
    remarks : list of str
        What is missing of it.

    Raises
    ------
    AudioError
        If it is missing, no audio, incomplete or empty.
    MissingDependencyError
        If soundfile is not installed.
    """

    def __init__(self, path: Path, *, truncated: bool = False) -> None:
        self.path, self.name = path, as_text(path.name)
        self.remarks: list[str] = []
        self._sf = require("soundfile", "audio", "Reading audio")
        with self._opened() as file:
            self.channels, self.fs, self.frames = file.channels, file.samplerate, file.frames
        gone = missing(path)
        if gone and not truncated:
            raise _ends_early(f"{path}: is truncated, {gone} missing")
        if gone:
            self.remarks.append(f"{self.name} is truncated, {gone} missing")
        if truncated:
            self._find_end()
        if not self.frames:
            raise AudioError(f"{path}: holds no samples")
        if self.fs < LOWEST_RATE:
            raise AudioError(f"{path}: has {self.fs} Hz; give a file of {LOWEST_RATE} Hz or more")

    def blocks(self, size: int, *, until_damaged: bool = False) -> Iterator[Samples]:
        """Read the file.

        Parameters
        ----------
        size : int
            Samples to read at once.
        until_damaged : bool, optional
            End where the file cannot be read any further.

        Yields
        ------
        ndarray [shape=(n, C)], float64
            Relative to full scale.

        Raises
        ------
        AudioError
            Where a sample is NaN or infinite, or the file ends before its header says.
        """
        read = 0
        with self._opened() as file:
            while read < self.frames:
                at = f"{read / self.fs:.3f} s of {self.frames / self.fs:.3f} s"
                try:
                    block: Samples = file.read(
                        min(size, self.frames - read), dtype="float64", always_2d=True
                    )
                except self._sf.LibsndfileError as error:
                    if until_damaged:
                        return
                    reason = error.error_string.rstrip(".")
                    raise _ends_early(f"{self.path}: damaged after {at} ({reason})") from error
                if not len(block):
                    if until_damaged:
                        return
                    raise _ends_early(f"{self.path}: ends at {at}")
                bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
                if len(bad):
                    at = f"{(read + bad[0]) / self.fs:.3f} s"
                    raise AudioError(f"{self.path}: a sample is NaN or infinite at {at}")
                read += len(block)
                yield block

    def _find_end(self) -> None:
        """Count the samples that can be read."""
        readable = sum(map(len, self.blocks(SCANNED, until_damaged=True)))
        if readable < self.frames:
            self.remarks.append(
                f"{self.name} ends at {readable / self.fs:.3f} s of {self.frames / self.fs:.3f} s"
            )
            self.frames = readable

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


def _ends_early(what: str) -> AudioError:
    """Return the error for a file of which only the beginning can be read."""
    return AudioError(f"{what}; --truncated (truncated=True) takes what is there").for_command_line(
        f"{what}; --truncated takes what is there"
    )
