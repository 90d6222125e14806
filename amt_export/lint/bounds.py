"""Interval arithmetic: between which bounds a value lies, whatever the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

TINY = float(np.finfo(np.float32).tiny)
"""Smallest normal float32. What is below it counts as zero: it is flushed, or its inverse is infinite."""

UNDERFLOW = 5e-324
"""Lower bound of what is positive but may come out as zero, as exp(-200) does."""


@dataclass(frozen=True)
class Bounds:
    """Closed interval that holds every element of a value."""

    low: float = -math.inf
    high: float = math.inf

    def united(self, other: Bounds) -> Bounds:
        """Of a value that comes from either."""
        return Bounds(min(self.low, other.low), max(self.high, other.high))

    @property
    def spans_zero(self) -> bool:
        """Whether zero, or what counts as zero, lies between or at the bounds."""
        return self.low < TINY and self.high > -TINY


ANYTHING = Bounds()
NOT_NEGATIVE = Bounds(0.0, math.inf)


def of_constant(array: npt.NDArray[np.generic]) -> Bounds:
    """Bounds of the finite elements of an array; what a float32 processor flushes is zero."""
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
    """A + b."""
    low, high = a.low + b.low, a.high + b.high
    # Infinities of both signs, as from log(0), say nothing.
    return Bounds(-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)


def negative(a: Bounds) -> Bounds:
    """-a."""
    return Bounds(-a.high, -a.low)


def multiply(a: Bounds, b: Bounds) -> Bounds:
    """A b of values that know nothing of each other."""
    corners = [_times(x, y) for x, y in product((a.low, a.high), (b.low, b.high))]
    return Bounds(min(corners), max(corners))


def square(a: Bounds) -> Bounds:
    """A a of the same value."""
    large = max(_times(a.low, a.low), _times(a.high, a.high))
    small = 0.0 if a.low <= 0 <= a.high else min(a.low * a.low, a.high * a.high)
    return Bounds(small, large)


def divide(a: Bounds, b: Bounds) -> Bounds:
    """A / b; where b may be zero, only the sign is known."""
    if not b.spans_zero:
        return multiply(a, Bounds(1 / b.high, 1 / b.low))
    return NOT_NEGATIVE if a.low >= 0 and b.low >= 0 else ANYTHING


def absolute(a: Bounds) -> Bounds:
    """|a|."""
    if a.low >= 0:
        return a
    return negative(a) if a.high <= 0 else Bounds(0.0, max(-a.low, a.high))


def monotone(function: Callable[[float], float], a: Bounds) -> Bounds:
    """f(a) of a rising function."""
    return Bounds(_safely(function, a.low), _safely(function, a.high))


def exponential(a: Bounds) -> Bounds:
    """e^a: above zero, but it may underflow."""
    rising = monotone(math.exp, a)
    return Bounds(max(rising.low, UNDERFLOW), rising.high)


def logarithm(a: Bounds) -> Bounds:
    """Ln a."""
    return monotone(lambda x: math.log(x) if x > 0 else -math.inf, a)


def root(a: Bounds) -> Bounds:
    """Square root of a, of what is not negative of it."""
    return monotone(lambda x: math.sqrt(max(x, 0.0)), a)


def total(a: Bounds) -> Bounds:
    """Sum of one or more elements: bounded by one of them where all have the same sign."""
    if a.low >= 0:
        return Bounds(a.low, math.inf)
    return Bounds(-math.inf, a.high) if a.high <= 0 else ANYTHING


def at_least(a: Bounds, b: Bounds) -> Bounds:
    """max(a, b)."""
    return Bounds(max(a.low, b.low), max(a.high, b.high))


def at_most(a: Bounds, b: Bounds) -> Bounds:
    """min(a, b)."""
    return Bounds(min(a.low, b.low), min(a.high, b.high))


def _times(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _safely(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except OverflowError:
        return math.inf
