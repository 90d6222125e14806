"""What goes in and out of a module, said once for manifest, parity, plots and runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["relative", "db", "frequency"]


@dataclass(frozen=True)
class Port:
    """One named input or output of a module.

    Parameters
    ----------
    name : str
        Argument name of ``forward``, or published name of the output.
    axes : tuple of str
        Meaning of each dimension, leading batch included, e.g. ``("batch", "channel", "time")``.
    unit : str
        Physical unit, e.g. ``"Pa"``, ``"dB SPL"``, ``"Hz"``.
    kind : {"relative", "db", "frequency"}
        How two versions of the output are compared: relative to the channel's peak, by
        difference in dB, or for equality.
    floor : float, optional
        For levels: the documented value that stands for silence, in dB. Cells at or below it
        are not compared.
    components : str, optional
        For one of two outputs that list components, frequencies in one and levels in the other: the
        name of that list, which both of them carry.
    """

    name: str
    axes: tuple[str, ...]
    unit: str
    kind: Kind = "relative"
    floor: float | None = None
    components: str | None = None


@dataclass(frozen=True)
class State:
    """One array that a module hands on from block to block; zeros before the first.

    Parameters
    ----------
    name : str
        Published as the input ``state_<name>`` and the output ``next_state_<name>``.
    meaning : str
        One line for whoever has to carry it.
    """

    name: str
    meaning: str
