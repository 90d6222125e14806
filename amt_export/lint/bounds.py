"""Interval arithmetic: bounds of a value for every possible input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

TINY = float(np.finfo(np.float32).tiny)
"""Smallest normal float32. A smaller number counts as zero: processors flush it, or its inverse is infinite."""

UNDERFLOW = 5e-324
"""Lower bound of a positive value that may round to zero, as exp(-200) does in float32."""


@dataclass(frozen=True)
class Bounds:
    """Closed interval that holds every element of a value."""

    low: float = -math.inf
    high: float = math.inf

    def united(self, other: Bounds) -> Bounds:
        """Bounds of a value that comes from either."""
        return Bounds(min(self.low, other.low), max(self.high, other.high))

    @property
    def spans_zero(self) -> bool:
        """Whether the interval holds zero or a number that counts as zero."""
        return self.low < TINY and self.high > -TINY


ANYTHING = Bounds()
NOT_NEGATIVE = Bounds(0.0, math.inf)


def of_constant(array: npt.NDArray[np.generic]) -> Bounds:
    """Bounds of the finite elements of an array. Numbers that a float32 processor flushes are zero."""
    if array.dtype.kind == "b":
        return Bounds(0.0, 1.0)
    if array.dtype.kind not in "iuf" or array.size == 0:
        return ANYTHING
    values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if values.size == 0:
        return ANYTHING
    return Bounds(_flushed(float(values.min())), _flushed(float(values.max())))


def _flushed(value: float) -> float:
    return 0.0 if abs(value) < TINY else value


def add(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a + b."""
    low, high = a.low + b.low, a.high + b.high
    # The sum of infinities of both signs, as from log(0), has no bound.
    return Bounds(-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)


def negative(a: Bounds) -> Bounds:
    """Bounds of -a."""
    return Bounds(-a.high, -a.low)


def multiply(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a b, for independent values."""
    corners = [_times(x, y) for x, y in product((a.low, a.high), (b.low, b.high))]
    return Bounds(min(corners), max(corners))


def square(a: Bounds) -> Bounds:
    """Bounds of a squared."""
    large = max(_times(a.low, a.low), _times(a.high, a.high))
    small = 0.0 if a.low <= 0 <= a.high else min(a.low * a.low, a.high * a.high)
    return Bounds(small, large)


def divide(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a / b. Where b may be zero, only the sign is known."""
    if not b.spans_zero:
        return multiply(a, Bounds(1 / b.high, 1 / b.low))
    return NOT_NEGATIVE if a.low >= 0 and b.low >= 0 else ANYTHING


def absolute(a: Bounds) -> Bounds:
    """Bounds of |a|."""
    if a.low >= 0:
        return a
    return negative(a) if a.high <= 0 else Bounds(0.0, max(-a.low, a.high))


def monotone(function: Callable[[float], float], a: Bounds) -> Bounds:
    """Bounds of f(a) for an increasing function f."""
    return Bounds(_safely(function, a.low), _safely(function, a.high))


def exponential(a: Bounds) -> Bounds:
    """Bounds of e^a, which is positive but may underflow to zero."""
    rising = monotone(math.exp, a)
    return Bounds(max(rising.low, UNDERFLOW), rising.high)


def logarithm(a: Bounds) -> Bounds:
    """Bounds of ln a."""
    return monotone(lambda x: math.log(x) if x > 0 else -math.inf, a)


def root(a: Bounds) -> Bounds:
    """Bounds of the square root of the part of a that is not negative."""
    return monotone(lambda x: math.sqrt(max(x, 0.0)), a)


def total(a: Bounds) -> Bounds:
    """Bounds of a sum of one or more elements: that of one element on the side of their common sign."""
    if a.low >= 0:
        return Bounds(a.low, math.inf)
    return Bounds(-math.inf, a.high) if a.high <= 0 else ANYTHING


def at_least(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of max(a, b)."""
    return Bounds(max(a.low, b.low), max(a.high, b.high))


def at_most(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of min(a, b)."""
    return Bounds(min(a.low, b.low), min(a.high, b.high))


def _times(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _safely(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except OverflowError:
        return math.inf
