"""Limits on the sizes in a model file, checked before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod

# Elements of one input: six minutes at 44.1 kHz. An output has one such array per channel, in float64 as well
# while the model is proved; longer signals are processed in pieces.
INPUT_ELEMENTS = 2**24
# Samples of a stream's block, which become rows of matrices.
STREAM_BLOCK = 2**20
# By parameter: the largest value. Twenty channels per ERB at 20 kHz; responses of 20 s at 48 kHz; filters whose
# poles float64 can still place; windows as long; rates of ultrasound; a segment in ms.
LARGEST: dict[str, float] = {
    "n_channels": 1000,
    "ir_length": 2**20,
    "n": 20,
    "window_lengths": 2**18,
    "fs": 1e8,
    "segment_duration": 10_000,
    "fc": 1e8,
}
# By parameter: the smallest value of steps, whose number grows as they shrink.
SMALLEST: dict[str, float] = {"erb_step": 0.01, "hop_fraction": 0.001}
# Entries of a list.
ENTRIES = 1000


def too_large(key: str, value: object) -> str:
    """Describe what is wrong with the size of a parameter, as the end of a sentence; empty if nothing is.

    Parameters
    ----------
    key : str
        Its name, by which it has its limit.
    value : object
        A number, or a list or table of some.
    """
    if isinstance(value, Mapping):
        problems = ((inner, too_large(inner, item)) for inner, item in value.items())
        return next((f"{inner} {problem}" for inner, problem in problems if problem), "")
    if isinstance(value, list | tuple):
        if len(value) > ENTRIES:
            return f"has {len(value)} entries, more than the {ENTRIES} allowed"
        return next(filter(None, (too_large(key, item) for item in value)), "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if LARGEST.get(key, value) < value < inf:
            return f"must be at most {LARGEST[key]:g}"
        if 0 < value < SMALLEST.get(key, value):
            return f"must be at least {SMALLEST[key]:g}"
    return ""


def too_many(shape: tuple[int, ...]) -> str:
    """Describe what is wrong with the size of an input, as the end of a sentence; empty if nothing is."""
    if prod(shape) <= INPUT_ELEMENTS:
        return ""
    return (
        f"holds more than the {INPUT_ELEMENTS} elements allowed; process longer signals in pieces"
    )
