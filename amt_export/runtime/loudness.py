"""Loudness of a recording in one line: maximum, when it was reached, and percentiles.

What is a loudness is read from the manifest: an output over frames and ears in sone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_export.errors import InputError
from amt_export.manifest import Manifest, Port

Array = NDArray[np.float64]

COURSE = ("batch", "frame", "ear")
"""Axes of a loudness over time."""

SONE = "sone"


class LoudnessOutputs(NamedTuple):
    """The outputs of a model that are loudness over time, in sone per ear."""

    short_term: Port
    long_term: Port


def loudness_outputs(manifest: Manifest) -> LoudnessOutputs | None:
    """Return the outputs that are loudness over time; None for a model that has none.

    The long-term loudness is the one whose maximum is the loudness of the recording (`Port.reduced_from`),
    the short-term loudness is the other one. A model with a single course has it in both places.
    """
    courses = [port for port in manifest.outputs if port.axes == COURSE and port.unit == SONE]
    if not courses:
        return None
    reduced = {port.reduced_from for port in manifest.outputs}
    long_term = next((port for port in courses if port.name in reduced), courses[-1])
    short_term = next((port for port in courses if port is not long_term), long_term)
    return LoudnessOutputs(short_term, long_term)


def both_ears(loudness: NDArray[Any]) -> Array:
    """Return the loudness of both ears together.

    Parameters
    ----------
    loudness : ndarray [shape=(S, 2) or (1, S, 2)], sone
        Of each ear; of a batch, the first is taken.

    Returns
    -------
    ndarray [shape=(S,)], sone
    """
    ears = loudness[0] if loudness.ndim == len(COURSE) else loudness
    total: Array = ears.astype(np.float64).sum(axis=-1)
    return total


def time_of(seconds: float) -> str:
    """Return when something was in a recording: ``3.21 s``, or ``3 ms`` below a tenth of a second."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"


def percentile_loudness(short_term: ArrayLike, percent: float = 5.0) -> float:
    """Loudness that is exceeded for some percent of the time, N5 for 5 percent.

    Parameters
    ----------
    short_term : array of float [shape=(S,), (S, 2) or (1, S, 2)], sone
        Short-term loudness of both ears together, or of each ear, as `Model.process` and
        `Model.process_file` give it.
    percent : float, optional
        Share of the time, 0 to 100.

    Returns
    -------
    float, sone
        Linearly interpolated between frames; NaN without any frame.

    Raises
    ------
    InputError
        For another shape or percent.

    Examples
    --------
    >>> percentile_loudness(range(101))
    95.0
    """
    loudness = np.asarray(short_term, np.float64)
    ears = loudness[0] if loudness.ndim == len(COURSE) and len(loudness) == 1 else loudness
    if ears.ndim not in (1, 2) or (ears.ndim == 2 and ears.shape[1] != 2):
        raise InputError(f"short_term: needs shape (S,) or (S, 2), got {loudness.shape}")
    if not 0.0 <= percent <= 100.0:
        raise InputError(f"percent is {percent}; give a share of the time from 0 to 100")
    total = ears if ears.ndim == 1 else both_ears(ears)
    return float(np.percentile(total, 100.0 - percent)) if total.size else float("nan")


@dataclass(frozen=True)
class LoudnessSummary:
    """Summary of the loudness of a recording.

    Parameters
    ----------
    maximum : float
        Largest long-term loudness of both ears together, in sone: the loudness of the recording.
    seconds : float
        When it was reached.
    n5, n10 : float
        Short-term loudness that is exceeded for 5 and 10 percent of the time, in sone.
    """

    maximum: float
    seconds: float
    n5: float
    n10: float


class RunningLoudness:
    """Loudness that comes piece by piece.

    Parameters
    ----------
    manifest : Manifest
        Of a model with loudness over time.
    outputs : LoudnessOutputs
        Which of its outputs are.
    percentiles : bool, optional
        Keep the short-term loudness for percentiles: 14 MB for an hour of frames of 1 ms.

    Attributes
    ----------
    short_term, long_term : float
        Of the latest frame, in sone; 0 before the first.
    maximum : float
        Largest long-term loudness so far, in sone.
    """

    def __init__(
        self, manifest: Manifest, outputs: LoudnessOutputs, *, percentiles: bool = True
    ) -> None:
        self._outputs, self._percentiles = outputs, percentiles
        self._step = manifest.hop / float(manifest.sampling_rate or 1.0)
        self._frames = 0
        self._kept: list[NDArray[np.float32]] = []
        self.short_term = self.long_term = self.maximum = 0.0
        self._at = 0

    @property
    def seconds(self) -> float:
        """When the maximum was reached."""
        return self._at * self._step

    def add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Continue with the next frames."""
        short, long = (both_ears(outputs[port.name]) for port in self._outputs)
        if not len(long):
            return
        first = int(long.argmax())
        if long[first] > self.maximum:
            self.maximum, self._at = float(long[first]), self._frames + first
        self.short_term, self.long_term = float(short[-1]), float(long[-1])
        if self._percentiles:
            self._kept.append(short.astype(np.float32))
        self._frames += len(long)

    def summary(self) -> LoudnessSummary:
        """Return what is to be said by now; percentiles that were not kept are NaN."""
        kept = np.concatenate(self._kept) if self._kept else np.zeros(0)
        n5, n10 = (percentile_loudness(kept, percent) for percent in (5.0, 10.0))
        return LoudnessSummary(self.maximum, self.seconds, n5, n10)
