"""Statistics of a recording in one pass: its level, its DC offset, channels that cancel, clipped samples."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

CLIPPED = 32767 / 32768
"""The largest sample of a 16-bit file; a sample from here to 1 sits at full scale."""

RUN = 3
"""Samples at full scale in a row that only clipping makes: the peak of a full-scale tone has one or two."""

NOTICEABLE = 1e-4
"""Share of clipped samples that is worth a warning: one in ten thousand can be heard as crackle."""

CANCELLING = 7.0
"""dB that an average may lie below that of uncorrelated channels, i.e. 10 dB below two channels."""

NOTHING = 60.0
"""dB below its channels at which an average is rounding noise, and no longer the sound of the recording."""


AUDIBLE = 0.1
"""Share of the sound's RMS from which a DC offset is worth a warning. An offset 20 dB below speech, in noise
that is 30 dB below it, raises the levels in the pauses by 1 dB in CASP without outer hair cells."""


class Moments:
    """Mean and mean square of channels that come piece by piece.

    Sums are taken of the differences from the first sample: an offset then costs no digits, and what is
    constant has a deviation of exactly zero.
    """

    def __init__(self) -> None:
        self._first: Samples | None = None
        self._sum = self._squares = np.zeros(0)
        self._count = 0

    def add(self, channels: Samples) -> None:
        """Continue with the channels, (C, n)."""
        if self._first is None:
            self._first = channels[:, :1].copy()
            self._sum = self._squares = np.zeros(len(channels))
        with np.errstate(over="ignore", invalid="ignore"):  # squares above 1e308
            moved = channels - self._first
            self._sum = self._sum + moved.sum(axis=-1)
            self._squares = self._squares + np.einsum("cn,cn->c", moved, moved)
        self._count += channels.shape[-1]

    def means(self) -> Samples:
        """Return the mean of each channel, (C,): its DC offset."""
        if self._first is None:
            return np.zeros(0)
        means: Samples = self._first[:, 0] + self._sum / self._count
        return means

    def rms(self) -> float:
        """Return the RMS over all channels, each without its mean; infinite where a square is no number."""
        if self._first is None:
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            variance = (self._squares - self._sum**2 / self._count) / self._count
        if not np.isfinite(variance).all():
            return math.inf
        return math.sqrt(float(np.maximum(variance, 0.0).mean()))


class Statistics(NamedTuple):
    """Statistics of a recording.

    Parameters
    ----------
    rms : float
        Over the model's channels, each without its mean, relative to full scale.
    means : tuple of float
        Of the model's channels, relative to full scale: their DC offsets.
    channels : int
        Of the file.
    below_channels : float
        dB by which the RMS of the model's channels lies below that of the file's channels.
    clipped : float
        Share of samples that sit at full scale, `RUN` or more in a row.
    """

    rms: float
    means: tuple[float, ...]
    channels: int
    below_channels: float
    clipped: float

    @property
    def offset(self) -> float:
        """The mean of largest magnitude, relative to full scale."""
        return max(self.means, key=abs)

    def is_cancelled(self) -> bool:
        """Whether the average of the channels is next to nothing."""
        return self.below_channels > NOTHING

    def remarks(self, name: str) -> list[str]:
        """Return what a user should know of the recording called `name`, a line each."""
        lines = []
        if abs(self.offset) > AUDIBLE * self.rms:
            lines.append(
                f"{name} has a DC offset of {self.offset:.2g} of full scale, and the model hears it; "
                "--remove-dc (remove_dc=True) removes it"
            )
        if self.below_channels > 10 * math.log10(self.channels) + CANCELLING:
            lines.append(
                f"{name}: its {self.channels} channels cancel in part: their average is "
                f"{self.below_channels:.0f} dB below them; check the polarity, or give one channel"
            )
        if self.clipped >= NOTICEABLE:
            lines.append(
                f"{name} is clipped: {100 * self.clipped:.2g} % of its samples are at full scale"
            )
        return lines


class RunningStatistics:
    """Gathers `Statistics` while a recording is read; the same few numbers for any length."""

    def __init__(self) -> None:
        self._file, self._model = Moments(), Moments()
        self._clipped = self._samples = 0
        self._channels = 1

    def add(self, frames: Samples, heard: Samples) -> None:
        """Continue with the channels of the file, (n, C), and those of the model, (1 or 2, n)."""
        self._channels = frames.shape[1]
        self._model.add(heard)
        if frames.shape[1] > len(heard):
            self._file.add(frames.T)
        self._clipped += _clipped(frames)
        self._samples += frames.size

    def result(self) -> Statistics:
        """Return what was found; at least one sample was added."""
        rms = self._model.rms()
        return Statistics(
            rms,
            tuple(float(mean) for mean in self._model.means()),
            self._channels,
            _decibels_below(rms, self._file.rms()),
            self._clipped / self._samples,
        )


def _decibels_below(rms: float, reference: float) -> float:
    """Return by how many dB an RMS lies below a reference; 0 where this is silent or too large."""
    if reference == 0.0 or math.isinf(reference):
        return 0.0
    return math.inf if rms == 0.0 else 20 * math.log10(reference / rms)


def _clipped(frames: Samples) -> int:
    """Return the number of samples (n, C) at full scale that have `RUN` - 1 such neighbours in a row."""
    # Nearly always so, and quicker than to look at each sample.
    if max(frames.max(), -frames.min()) < CLIPPED:
        return 0
    magnitude = np.abs(frames)
    full = (magnitude >= CLIPPED) & (magnitude <= 1.0)
    if np.count_nonzero(full) < RUN:
        return 0
    # A run of k samples has k - RUN + 1 places where RUN of them begin.
    begins = full.copy()
    for step in range(1, RUN):
        begins[:-step] &= full[step:]
        begins[-step:] = False
    inside = begins.copy()
    for step in range(1, RUN):
        inside[step:] |= begins[:-step]
    return int(np.count_nonzero(inside))
