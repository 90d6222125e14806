"""Pieces of any length, cut into blocks of one length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class BlockBuffer:
    """Samples that wait for their block to be full.

    Parameters
    ----------
    shape : tuple of int
        Of a block, time last.
    dtype : str

    Attributes
    ----------
    filled : int
        Samples that wait.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self._block = np.zeros(shape, dtype)
        self._length = shape[-1]
        self.filled = 0

    @property
    def waiting(self) -> Array:
        """The samples that wait, as a view."""
        return self._block[..., : self.filled]

    def keep(self, rows: Array) -> None:
        """Put samples after those that wait; there must be room for them."""
        stop = self.filled + rows.shape[-1]
        self._block[..., self.filled : stop] = rows
        self.filled = stop

    def blocks(self, rows: Array) -> Iterator[Array]:
        """Yield all blocks that are full with these samples; the rest waits.

        Each block is a view that holds until the next one is asked for.
        """
        taken = 0
        if self.filled:
            taken = min(self._length - self.filled, rows.shape[-1])
            self.keep(rows[..., :taken])
            if self.filled == self._length:
                self.filled = 0
                yield self._block
        while rows.shape[-1] - taken >= self._length:
            yield rows[..., taken : taken + self._length]
            taken += self._length
        self.keep(rows[..., taken:])

    def last_block(self, tail: Array) -> tuple[Array, Array]:
        """Return the waiting samples as a block, filled up with others and then with zeros.

        Parameters
        ----------
        tail : ndarray [shape=(..., n)]
            What follows the waiting samples; any n.

        Returns
        -------
        block : ndarray [shape=(..., block)]
            A view that holds until samples are kept again; none waits any more.
        tail : ndarray
            What had no room in the block.
        """
        room = self._block[..., self.filled :]
        piece, tail = tail[..., : room.shape[-1]], tail[..., room.shape[-1] :]
        room[..., : piece.shape[-1]] = piece
        room[..., piece.shape[-1] :] = 0.0
        self.filled = 0
        return self._block, tail
