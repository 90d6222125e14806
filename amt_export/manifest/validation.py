"""Whether the numbers of a manifest can be: it says how artifacts are run, and a hand may have been in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

DTYPES = ("float32", "float64")
# Samples of memory, delay or a block: twenty minutes at 48 kHz. More only keeps a stream busy for good.
LONGEST = 2**26


def implausible(manifest: Any) -> str | None:
    """The first value of a `Manifest` that cannot be, as a message, or None.

    Parameters
    ----------
    manifest : Manifest
        With all values of the right type, see `amt_export.manifest.json_records.decode`.
    """
    return next(_problems(manifest), None)


def _problems(manifest: Any) -> Iterator[str]:
    rate = manifest.sampling_rate
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        yield f"sampling_rate is {rate}, which is no rate"
    yield from _outside(manifest, "", hop=1, frame_length=0, warm_up=0, look_ahead=0)
    if not manifest.inputs or not manifest.outputs:
        yield "inputs or outputs are missing"
    yield from _ports((*manifest.inputs, *manifest.outputs))
    if (stream := manifest.stream) is not None:
        yield from _outside(stream, "stream.", block=1, latency=0, skip=0)
        yield from _ports((*stream.inputs, *stream.outputs))
        for state in stream.states:
            yield from _array(state.input, state.shape, state.dtype)


def _outside(owner: Any, where: str, **least: int) -> Iterator[str]:
    for name, low in least.items():
        value = getattr(owner, name)
        if not low <= value <= LONGEST:
            yield f"{where}{name} is {value}, not between {low} and {LONGEST}"


def _ports(ports: tuple[Any, ...]) -> Iterator[str]:
    for port in ports:
        yield from _array(port.name, port.shape, port.dtype)
        if len(port.axes) != len(port.shape):
            yield f"{port.name} has {len(port.shape)} sizes and {len(port.axes)} axes"


def _array(name: str, shape: tuple[int | None, ...], dtype: str) -> Iterator[str]:
    if dtype not in DTYPES:
        yield f"{name} has dtype {dtype!r}; known are {' and '.join(DTYPES)}"
    if None in shape[1:]:
        yield f"{name} has the shape {shape}; only the first size, the batch, may be free"
    if any(size is not None and size < 1 for size in shape):
        yield f"{name} has the shape {shape}, in which a size is below 1"
