"""Frames of one recording as float16: in memory while they are few, in a temporary file when they are not."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Stored = NDArray[np.float16]

IN_MEMORY = 32_000_000
"""Bytes; an hour and a half of 30 channels every 10 ms."""


class Spool:
    """Frames in the order in which they come.

    Parameters
    ----------
    width : int
        Numbers of a frame.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        # Not as a context: it lives as long as the row that it belongs to, and the system removes it.
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._frames = 0

    def __len__(self) -> int:
        return self._frames

    def add(self, rows: Array) -> None:
        """Take the next frames, (frames, width)."""
        self._file.write(np.ascontiguousarray(rows, np.float16).tobytes())
        self._frames += len(rows)

    def parts(self, most: int) -> Iterator[Stored]:
        """Yield the frames, at most so many at once."""
        self._file.seek(0)
        while content := self._file.read(2 * self._width * most):
            yield np.frombuffer(content, np.float16).reshape(-1, self._width)

    def array(self) -> Stored:
        """Return all frames."""
        return next(self.parts(max(1, self._frames)), np.zeros((0, self._width), np.float16))

    def close(self) -> None:
        """Free memory or disk at once."""
        self._file.close()
