"""Any length from a fixed one: the plan of overlapping windows, without any model.

An artifact takes ``length`` samples, a recording has any number. The recording is cut into windows
of ``length`` that overlap; from each window only those frames are kept that have seen everything
they depend on, and these join to the answer of one model of unlimited length, without seams.

A frame is one step of an output's time axis: a sample for filterbanks (``hop`` 1), a spectrum for
the spectral models. Windows start at multiples of the hop, so frames fall on the same places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import InputError


@dataclass(frozen=True)
class Framing:
    """Position of the frames of an output on the audio; frame k belongs to sample ``k * hop``.

    Parameters
    ----------
    hop : int
        Samples from one frame to the next; 1 for outputs at the sampling rate.
    frame_length : int
        ``T`` samples of audio have ``1 + (T - frame_length) // hop`` frames: 1 at the sampling
        rate, 0 for centred frames.
    warm_up, look_ahead : int
        Frame k depends on the samples from ``k * hop - warm_up`` to ``k * hop + look_ahead``, both
        included (the memory of recursive filters decays; earlier samples have a negligible effect).
    padding : {"zero", "reflect"}
        What the model takes the signal to be beyond its ends.
    """

    hop: int = 1
    frame_length: int = 1
    warm_up: int = 0
    look_ahead: int = 0
    padding: str = "zero"

    def frames(self, samples: int) -> int:
        """Return the frames of so many samples; 0 or less when they are too few for one."""
        return 1 + (samples - self.frame_length) // self.hop

    def shortest(self) -> int:
        """Return the samples of the shortest signal the model takes."""
        # The signal is mirrored about its last sample, so it needs one more than is mirrored.
        reflected = self.look_ahead + 1 if self.padding == "reflect" else 1
        return max(self.frame_length, reflected)


@dataclass(frozen=True)
class Window:
    """One run of the model from sample ``start``; its frames ``first:stop`` go to ``at``."""

    start: int
    first: int
    stop: int
    at: int

    @property
    def target(self) -> slice:
        """Where the kept frames go in the whole output."""
        return slice(self.at, self.at + self.stop - self.first)


def plan(samples: int, length: int, framing: Framing) -> Iterator[Window]:
    """Yield windows whose kept frames tile the output of the whole signal exactly once, in order.

    The first window starts at sample 0, where a model at rest is right; the last may reach beyond
    the signal (`extended` says what is there).

    Parameters
    ----------
    samples : int
        Length of the signal.
    length : int
        Length of a window: what the artifact takes.
    framing : Framing
        How frames depend on samples.

    Raises
    ------
    InputError
        If a second window is needed but the overlap leaves it nothing new.
    """
    total = framing.frames(samples)
    # Frames of a window from `first_complete` on have their whole past in it, those before `inside` their
    # whole future.
    first_complete = -(-framing.warm_up // framing.hop)
    inside = min(framing.frames(length), 1 + (length - 1 - framing.look_ahead) // framing.hop)
    done = 0
    while done < total:
        start = max(0, done - first_complete)
        # A window that ends where the signal ends treats the end as the model does; silence may also follow
        # inside the window.
        surplus = start * framing.hop + length - samples
        ends_alike = surplus == 0 or (surplus > 0 and framing.padding == "zero")
        stop = min(framing.frames(length) if ends_alike else inside, total - start)
        if done - start >= stop:
            overlap = framing.warm_up + framing.look_ahead
            raise InputError(
                f"audio: {samples} samples need several windows, but this artifact's {length} "
                f"samples are all overlap ({overlap}); rebuild it with "
                f"--samples {4 * (overlap + framing.hop)} or more"
            )
        yield Window(start * framing.hop, done - start, stop, done)
        done = start + stop


def extended(
    audio: NDArray[np.floating], framing: Framing, window: Window, length: int
) -> NDArray[np.floating]:
    """Return the samples under a window, continued past the end as the model would, then zeros.

    Parameters
    ----------
    audio : ndarray [shape=(..., T)]
        The whole signal.

    Returns
    -------
    ndarray [shape=(..., length)]
        A view where the signal suffices, else a copy.
    """
    piece = audio[..., window.start : window.start + length]
    missing = length - piece.shape[-1]
    if missing == 0:
        return piece
    pieces = [piece]
    if framing.padding == "reflect":
        # x[T-2], x[T-3], ...: the last sample is not repeated, as in torch.stft.
        pieces.append(audio[..., -2 : -2 - min(framing.look_ahead, missing) : -1])
    silent = length - sum(part.shape[-1] for part in pieces)
    pieces.append(np.zeros((*audio.shape[:-1], silent), audio.dtype))
    return np.concatenate(pieces, axis=-1)
