"""Scales of colours in a terminal: they follow what is to be seen by whole steps, so that colours hold."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RANGE = 60.0
"""dB from the darkest to the brightest colour: what speech in a room fills."""

STEP = 10.0
"""dB by which the top of the scale moves."""


class Scale(Protocol):
    """Maps values to shares of a scale.

    Attributes
    ----------
    top : float or None
        Its upper end; None before the first value.
    """

    top: float | None

    def follow(self, largest: float) -> None:
        """Let the top follow the largest value to be seen."""

    def share(self, values: Array) -> Array:
        """Return the places of values on the scale, 0 to 1."""

    def labels(self) -> list[tuple[float, str]]:
        """Return places and their labels."""


class DecibelScale:
    """A range of 60 dB below the loudest."""

    def __init__(self) -> None:
        self.top: float | None = None

    def follow(self, largest: float) -> None:
        """See `Scale`."""
        top = STEP * math.ceil(largest / STEP)
        # Downwards only when the picture has become too dark.
        if self.top is None or top > self.top or top < self.top - 2 * STEP:
            self.top = float(top)

    def share(self, values: Array) -> Array:
        """See `Scale`."""
        top = 0.0 if self.top is None else self.top
        return np.clip((values - top + RANGE) / RANGE, 0.0, 1.0)

    def labels(self) -> list[tuple[float, str]]:
        """See `Scale`."""
        if self.top is None:
            return []
        levels = np.arange(self.top, self.top - RANGE - 1, -2 * STEP).tolist()
        return [((level - self.top + RANGE) / RANGE, f"{level:.0f}") for level in levels]


class LinearScale:
    """From zero to a round number, 1, 2 or 5 times a power of ten."""

    def __init__(self) -> None:
        self.top: float | None = None

    def follow(self, largest: float) -> None:
        """See `Scale`."""
        if largest <= 0.0:
            return
        power = 10.0 ** math.floor(math.log10(largest))
        top = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= largest)
        if self.top is None or top > self.top or top < 0.3 * self.top:
            self.top = top

    def share(self, values: Array) -> Array:
        """See `Scale`."""
        return np.clip(values / (1.0 if self.top is None else self.top), 0.0, 1.0)

    def labels(self) -> list[tuple[float, str]]:
        """See `Scale`."""
        if self.top is None:
            return []
        return [(share, f"{share * self.top:.3g}") for share in (1.0, 0.5, 0.0)]
