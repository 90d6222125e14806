"""Inputs, outputs and states of a module, as manifest, parity, plots and runtime use them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from amt_export.manifest.json_records import LAST, OMITTED

ELAPSED, BEYOND_END = "elapsed", "beyond_end"
"""States that say to a stream of centred frames where its signal begins and ends."""

FRAME_LEVELS = "levels"
"""Output of a filterbank with `[levels]`: dB of each channel and frame."""

MAX_OF_EARS = "max of the sum over ears"
"""A `reduction` of outputs (batch, frame, ear)."""

QUIET = 0.01
"""Share of the loudest channel's peak below which a channel is compared with that; a hundredth is 40 dB."""

Kind = Literal["relative", "db", "frequency", "absolute"]


@dataclass(frozen=True)
class Port:
    """One named input or output, of a module or of an artifact.

    Parameters
    ----------
    name : str
        Argument name of ``forward``, or published name of the output.
    axes : tuple of str
        Meaning of each dimension, leading batch included, e.g. ``("batch", "channel", "time")``.
    unit : str
        Physical unit, e.g. ``"Pa"``, ``"dB SPL"``, ``"Hz"``.
    kind : {"relative", "db", "frequency", "absolute"}
        How two versions of the output are compared: relative to the channel's peak, by
        difference in dB, for equality, or by difference in the output's unit.
    floor : float, optional
        For levels: the documented value that stands for silence, in dB. Cells at or below it
        are not compared.
    components : str, optional
        For one of two outputs that list components, frequencies in one and levels in the other, slot by
        slot and packed to the left (what follows the last component is 0 in both): the name of that
        list, which both outputs carry.
    quiet : float
        For a relative comparison: a channel whose peak is below this share of the loudest one's is measured
        against that share; 1 measures all of them against the loudest one.
    steady : float, optional
        For an output whose onsets stand far above all else: the largest value of steady sounds. A relative
        comparison takes the larger of the peak and this; where values are not above it, the absolute
        difference is measured too.
    reduced_from, reduction : str, optional
        For one number of a whole signal: the output over time that it is taken from, and how. A stream has no
        such output; it can be derived from the whole output over time.
    shape : tuple of (int or None), optional
        Of an artifact's array; a free batch has the size None. A module leaves it empty.
    dtype : str
        Of an artifact's array.
    """

    name: str
    shape: tuple[int | None, ...] = field(default=(), kw_only=True)
    dtype: str = field(default="float32", kw_only=True)
    axes: tuple[str, ...] = field(metadata=LAST)
    unit: str
    kind: Kind = field(default="relative", metadata=LAST | OMITTED)
    floor: float | None = field(default=None, metadata=LAST | OMITTED)
    components: str | None = field(default=None, metadata=LAST | OMITTED)
    quiet: float = field(default=QUIET, metadata=LAST | OMITTED)
    steady: float | None = field(default=None, metadata=LAST | OMITTED)
    reduced_from: str | None = field(default=None, metadata=LAST | OMITTED)
    reduction: str | None = field(default=None, metadata=LAST | OMITTED)

    def sized(self, batch: int = 1) -> tuple[int, ...]:
        """Return the shape with `batch` rows where the batch is free; a fixed one stays."""
        return sized(self.shape, batch)


def stream_outputs(ports: Iterable[Port]) -> tuple[Port, ...]:
    """Return the outputs of a stream: all except those that are reduced from another one."""
    return tuple(port for port in ports if port.reduced_from is None)


def sized(shape: tuple[int | None, ...], batch: int = 1) -> tuple[int, ...]:
    """Return a shape with `batch` in place of a free size."""
    return tuple(batch if size is None else size for size in shape)


@dataclass(frozen=True)
class State:
    """One array that a module returns after a block and takes with the next one; zeros before the first block.

    Parameters
    ----------
    name : str
        Published as the input ``state_<name>`` and the output ``next_state_<name>``.
    meaning : str
        One line that describes the array.
    """

    name: str
    meaning: str
