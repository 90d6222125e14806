"""From power to level, and keeping NaN visible on the way."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DB_PER_NEPER = 10.0 / math.log(10.0)  # of power: 10 log10(x) = DB_PER_NEPER ln(x)


def propagate_nan(value: Tensor, source: Tensor) -> Tensor:
    """`value`, but NaN wherever `source` is not finite.

    Maxima, clamps and comparisons may replace a NaN by a number, and runtimes differ in when they
    do; x - x is 0 for every finite x and NaN for all else, in all of them.

    Parameters
    ----------
    value, source : Tensor [shapes that broadcast]
    """
    return value + (source - source)


def decibels(
    power: Tensor, least: float, reference: float, db_per_neper: float = DB_PER_NEPER
) -> Tensor:
    """Level 10 log10(max(power, least) / reference) in dB; NaN for power that is not finite.

    Parameters
    ----------
    power : Tensor [any shape]
    least : float
        Power that stands for silence, > 0.
    reference : float
        Power of 0 dB.
    db_per_neper : float
        A constant; TorchScript reads no globals.

    Returns
    -------
    Tensor [same shape], dB
    """
    level = db_per_neper * torch.log(torch.clamp(power, min=least))
    return propagate_nan(level - 10.0 * math.log10(reference), power)
