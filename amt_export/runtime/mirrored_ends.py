"""The ends of a signal that streams: what a model takes to be before its first and after its last sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class MirroredEnds:
    """The mirror images of a signal at its ends; without a reach, silence surrounds it and nothing is kept.

    The image before the first sample needs as many samples as it has, and one more: until these are there, the
    signal waits in `head`.

    Parameters
    ----------
    reach : int
        Samples that are mirrored at either end.
    hop : int
        Samples from frame to frame; the image begins with silence, so that it has whole hops.
    shape : tuple of int
        Of a block of the signal, time last.
    dtype : str

    Attributes
    ----------
    lead : int
        Samples of the image before the first sample, with its silence.
    head : ndarray [shape=(..., n)]
        The beginning of the signal, while it waits.
    recent : ndarray [shape=(..., n)]
        The last samples, as many as the mirror image after them needs.
    """

    def __init__(self, reach: int, hop: int, shape: tuple[int, ...], dtype: str) -> None:
        self.reach = reach
        self.lead = -(-reach // hop) * hop
        self._empty = np.zeros((*shape[:-1], 0), dtype)
        self.start()

    def start(self) -> None:
        """Wait for the first sample of a signal."""
        self.head = self.recent = self._empty

    def take(self, rows: Array, before: int) -> tuple[Array, bool]:
        """Return the samples that may be run by now, and whether the image of the beginning is among them.

        Parameters
        ----------
        rows : ndarray [shape=(..., n)]
            The next samples.
        before : int
            Samples that came before them.
        """
        self.recent = np.concatenate([self.recent, rows], axis=-1)[..., -1 - self.reach :]
        if before > self.reach:
            return rows, False
        head = np.concatenate([self.head, rows], axis=-1)
        if before + rows.shape[-1] <= self.reach:
            self.head = head
            return rows[..., :0], False
        self.head = self._empty
        silence = np.zeros((*rows.shape[:-1], self.lead - self.reach), rows.dtype)
        return np.concatenate([silence, head[..., self.reach : 0 : -1], head], axis=-1), True

    def tail(self) -> Array:
        """Return the image after the last sample: x[T-2], x[T-3], ..., as in torch.stft."""
        return self.recent[..., -2 : -2 - self.reach : -1]
