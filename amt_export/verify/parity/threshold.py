"""Decisions at a threshold: float32 may take them otherwise than float64, so they are bounded and counted.

A module that leaves out what is too soft beside the rest (`AuditoryModule.at_thresholds`) decides differently
where a level lies within rounding of the threshold. Two more answers bound what may come out: that
of a stricter module, whose threshold is `MARGIN_DB` higher, and that of a more lenient one. What the strict
one keeps must be there, what the lenient one leaves out must not, and all that is there in both is
compared as always: components by their frequency, whatever slot they are in. Decisions that were taken
otherwise are counted as flips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amt_export.manifest.ports import Port
from amt_export.verify.parity.metric import RANGE_DB, Array, by_channel, counted

Arrays = Mapping[str, npt.NDArray[np.floating]]

# Levels are equal to 1e-3 dB, so nothing can flip that is ten times as far from the threshold.
MARGIN_DB = 0.01
# A decision that moves no level further than levels may be off anyway cannot be seen in them.
VISIBLE_DB = 1e-3


@dataclass(frozen=True)
class Bounds:
    """Outputs of the strict and of the lenient module."""

    strict: Arrays
    lenient: Arrays


@dataclass(frozen=True)
class Judgement:
    """How far an output is off.

    Parameters
    ----------
    errors : ndarray [shape=(F,)]
        As `by_channel`; infinite where a decision was taken that the threshold does not excuse.
    flips : int
        Components that are there and should not be, or the other way round; for outputs that do
        not list components, frames in which that shows.
    undecided : int
        How many there were to decide, within the margin.
    """

    errors: Array
    flips: int = 0
    undecided: int = 0


def judge(
    found: Arrays, expected: Arrays, bounds: Bounds | None, port: Port, ports: Sequence[Port]
) -> Judgement:
    """Compare one output of one signal.

    Parameters
    ----------
    found, expected : mapping of ndarray
        All outputs by name.
    bounds : Bounds or None
        None where nothing is decided at a threshold.
    port : Port
        The output.
    ports : sequence of Port
        All of them; one of two that list components needs the other.
    """
    if bounds is None or found[port.name].shape != expected[port.name].shape:
        return Judgement(by_channel(found[port.name], expected[port.name], port))
    if port.components is not None:
        of_list = {p.kind: p for p in ports if p.components == port.components}
        return _components(found, expected, bounds, port, (of_list["frequency"], of_list["db"]))
    return _levels(found[port.name], expected[port.name], bounds, port)


def _levels(found: Array, expected: Array, bounds: Bounds, port: Port) -> Judgement:
    """Levels may be anywhere between those of the strict and of the lenient module."""
    strict, lenient = bounds.strict[port.name], bounds.lenient[port.name]
    low = np.fmin(np.fmin(strict, lenient), expected)
    high = np.fmax(np.fmax(strict, lenient), expected)
    free = (high > low) & np.isfinite(found)  # what is not finite must stay so
    nearest = np.where(free, np.clip(found, low, high), expected)
    visible = free & (high - low > VISIBLE_DB) & counted(expected, port)
    moved = visible & (np.abs(found - expected) > VISIBLE_DB)
    channels = expected.ndim - 1
    return Judgement(
        by_channel(found, nearest, port),
        int(moved.any(axis=channels).sum()),
        int(visible.any(axis=channels).sum()),
    )


def _components(
    found: Arrays, expected: Arrays, bounds: Bounds, port: Port, pair: tuple[Port, Port]
) -> Judgement:
    """Lists must hold all components of the strict one's and none that the lenient one's do not."""
    lists = [_Lists.of(o, pair) for o in (found, expected, bounds.strict, bounds.lenient)]
    own, right, strict, lenient = lists
    same = own.alike(right)
    comparable = found[port.name]
    if not same.all():
        alike = np.broadcast_to(same[:, None], own.freqs.shape).reshape(comparable.shape)
        comparable = np.where(alike, comparable, expected[port.name])
    errors = by_channel(comparable, expected[port.name], port)
    flips = 0
    for row in np.flatnonzero(~same):
        differences, flipped = _matched(*(table.row(row) for table in lists))
        flips += flipped
        if port.kind == "frequency":  # matched is equal
            differences = np.where(np.isinf(differences), np.inf, 0.0)
        errors = np.maximum(errors, differences)
    undecided = int(np.count_nonzero(lenient.freqs) - np.count_nonzero(strict.freqs))
    return Judgement(errors, flips, undecided)


@dataclass(frozen=True)
class _Lists:
    """Components of every frame, (frames, N) each: Hz and dB."""

    freqs: Array
    levels: Array

    @classmethod
    def of(cls, outputs: Arrays, pair: tuple[Port, Port]) -> _Lists:
        freqs, levels = (outputs[port.name] for port in pair)
        size = freqs.shape[-1]
        return cls(freqs.reshape(-1, size), levels.reshape(-1, size))

    def alike(self, other: _Lists) -> npt.NDArray[np.bool_]:
        """In which frames the same components stand in the same slots, (frames,)."""
        mine, yours = (table.freqs.astype(np.float32, copy=False) for table in (self, other))
        same: npt.NDArray[np.bool_] = (mine == yours).all(axis=1)
        return same

    def row(self, index: int) -> _Lists:
        """One frame, (N,) each: float32, as frequencies are published, and float64."""
        return _Lists(self.freqs[index].astype(np.float32), self.levels[index].astype(float))

    def count(self) -> int:
        return int(np.count_nonzero(self.freqs))

    def is_packed(self) -> bool:
        """Whether a frame is ascending and finite, with nothing behind its last component."""
        count = self.count()
        return bool(
            (np.diff(self.freqs[:count]) > 0).all()
            and np.isfinite(self.levels).all()
            and not self.freqs[count:].any()
            and not self.levels[count:].any()
        )


def _matched(own: _Lists, right: _Lists, strict: _Lists, lenient: _Lists) -> tuple[Array, int]:
    """Differences by slot of one frame that lists other components, and how many others."""
    if not own.is_packed():
        return np.full(len(own.freqs), np.inf), 0
    lost = np.setdiff1d(right.freqs, own.freqs)
    added = np.setdiff1d(own.freqs, right.freqs)
    level_of = {
        f: level
        for table in (lenient, right)
        for f, level in zip(table.freqs, table.levels, strict=True)
    }
    least = right.levels[: right.count()].max(initial=-np.inf) - RANGE_DB
    errors = np.zeros(len(own.freqs))
    for slot in range(own.count()):
        # A component that even the lenient module leaves out is infinitely wrong.
        level = level_of.get(own.freqs[slot], np.inf)
        if level > least:
            errors[slot] = abs(own.levels[slot] - level)
    if np.isin(lost, strict.freqs[: strict.count()]).any():
        errors[:] = np.inf
    return errors, len(lost) + len(added)
