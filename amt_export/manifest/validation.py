"""Check that the values of a manifest are possible: somebody may have edited it, and runtimes rely on it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from amt_export.manifest.safe_files import NAME_RULE, is_safe_name

DTYPES = ("float32", "float64")
FORMATS = ("torchscript", "exported_program", "onnx", "coreml")
FORMS = ("whole", "stream")
PADDINGS = ("zero", "reflect")
KINDS = ("relative", "db", "frequency", "absolute")
AXES = (
    "batch",
    "ear",
    "channel",
    "modulation",
    "time",
    "frame",
    "frequency",
    "bin",
    "component",
    "state",
)
# Samples of memory, delay or a block: twenty minutes at 48 kHz. More would keep a stream busy forever.
LONGEST = 2**26
# Bytes of all arrays of one call together, which a runtime allocates before it computes.
ARRAY_BYTES = 4 * 2**30
# Inputs, outputs or states; the largest stream of this package has about fifty.
PORTS = 1000
# Hz; from slow envelopes to ultrasound.
LEAST_RATE, MOST_RATE = 1.0, 1e8
# Of a state; float32 holds 3.4e38.
MOST_INITIAL = 1e38
PORT_NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
HASH = re.compile(r"[0-9a-f]{1,64}")


def invalid_value(manifest: Any) -> str | None:
    """A message about the first impossible value of a `Manifest`, or None.

    Parameters
    ----------
    manifest : Manifest
        With all values of the right type, see `amt_export.manifest.json_records.decode`.
    """
    return next(_problems(manifest), None)


def _problems(manifest: Any) -> Iterator[str]:
    if not is_safe_name(manifest.name):
        yield f"name is {manifest.name[:40]!r}; allowed are {NAME_RULE}"
    rate = manifest.sampling_rate
    if rate is not None and not (math.isfinite(rate) and LEAST_RATE <= rate <= MOST_RATE):
        yield f"sampling_rate is {rate}, not between {LEAST_RATE:g} and {MOST_RATE:g} Hz"
    if not all(math.isfinite(f) and f >= 0 for f in manifest.centre_frequencies):
        yield "centre_frequencies holds what is no frequency"
    yield from _modulation(manifest)
    yield from _of_set("padding", manifest.padding, PADDINGS)
    yield from _outside(manifest, "", hop=1, frame_length=0, warm_up=0, look_ahead=0)
    if not manifest.inputs or not manifest.outputs:
        yield "inputs or outputs are missing"
    yield from _ports("inputs", manifest.inputs)
    yield from _ports("outputs", manifest.outputs)
    names = {port.name for port in manifest.outputs if port.reduced_from is None}
    for port in manifest.outputs:
        if port.reduced_from is not None and port.reduced_from not in names:
            yield f"{port.name} is reduced from {port.reduced_from[:40]!r}, which is no output"
    yield from _bytes("inputs and outputs", (*manifest.inputs, *manifest.outputs))
    if manifest.stream is not None:
        yield from _stream(manifest.stream)
    yield from _files(manifest.files)
    for row in manifest.parity:
        yield from _row(row)


def _stream(stream: Any) -> Iterator[str]:
    yield from _outside(stream, "stream.", block=1, latency=0, skip=0)
    yield from _ports("stream.inputs", stream.inputs)
    yield from _ports("stream.outputs", stream.outputs)
    if len(stream.states) > PORTS:
        yield f"stream.states are {len(stream.states)}, more than {PORTS}"
    for state in stream.states:
        yield from _array(state.input, state.shape, state.dtype)
        if not abs(state.initial) <= MOST_INITIAL:
            yield f"{state.input} starts with {state.initial}"
    inputs = [*(p.name for p in stream.inputs), *(s.input for s in stream.states)]
    outputs = [*(p.name for p in stream.outputs), *(s.output for s in stream.states)]
    yield from _names("stream.inputs and states", inputs)
    yield from _names("stream.outputs and states", outputs)
    yield from _bytes("stream", (*stream.inputs, *stream.outputs, *stream.states, *stream.states))


def _files(files: tuple[Any, ...]) -> Iterator[str]:
    for entry in files:
        if not is_safe_name(entry.path) and ".." not in entry.path and "/" not in entry.path:
            yield f"files has the path {entry.path[:40]!r}; allowed are {NAME_RULE}"
        yield from _of_set(f"format of {entry.path[:40]!r}", entry.format, FORMATS)
        yield from _of_set(f"form of {entry.path[:40]!r}", entry.form, FORMS)
        if entry.bytes < 1:
            yield f"{entry.path} has {entry.bytes} bytes"
        if HASH.fullmatch(entry.sha256) is None:
            yield f"{entry.path} has the sha256 {entry.sha256[:70]!r}, which is no hash"
    yield from _unique("files", [f"{entry.format} ({entry.form})" for entry in files])
    yield from _unique("files", [entry.path for entry in files])


def _modulation(manifest: Any) -> Iterator[str]:
    if not all(math.isfinite(f) and f >= 0 for f in manifest.mfc):
        yield "mfc holds what is no frequency"
    if not all(0 <= count <= len(manifest.mfc) for count in manifest.counts):
        yield f"counts holds a number that is not between 0 and {len(manifest.mfc)}, that of mfc"
    if len(manifest.counts) not in (0, len(manifest.centre_frequencies)):
        yield f"counts has {len(manifest.counts)} numbers, not one for each channel"


def _row(row: Any) -> Iterator[str]:
    where = f"parity of {row.output[:40]!r}"
    yield from _of_set(f"{where}: form", row.form, FORMS)
    yield from _of_set(f"{where}: kind", row.kind, KINDS)
    if not (math.isfinite(row.tolerance) and row.tolerance >= 0):
        yield f"{where}: tolerance is {row.tolerance}"
    if row.worst is not None and not (math.isfinite(row.worst) and row.worst >= 0):
        yield f"{where}: worst is {row.worst}"
    if row.channel is not None and row.channel < 0:
        yield f"{where}: channel is {row.channel}"


def _of_set(what: str, value: str, allowed: tuple[str, ...]) -> Iterator[str]:
    if value not in allowed:
        yield f"{what} is {value[:40]!r}; known are {', '.join(allowed)}"


def _outside(owner: Any, where: str, **least: int) -> Iterator[str]:
    for name, low in least.items():
        value = getattr(owner, name)
        if not low <= value <= LONGEST:
            yield f"{where}{name} is {value}, not between {low} and {LONGEST}"


def _ports(where: str, ports: tuple[Any, ...]) -> Iterator[str]:
    if len(ports) > PORTS:
        yield f"{where} are {len(ports)}, more than {PORTS}"
    yield from _names(where, [port.name for port in ports])
    for port in ports:
        yield from _array(port.name, port.shape, port.dtype)
        if len(port.axes) != len(port.shape):
            yield f"{port.name} has {len(port.shape)} sizes and {len(port.axes)} axes"
        for axis in port.axes:
            yield from _of_set(f"an axis of {port.name}", axis, AXES)
        if port.floor is not None and not math.isfinite(port.floor):
            yield f"{port.name} has the floor {port.floor}"


def _names(where: str, names: list[str]) -> Iterator[str]:
    for name in names:
        if PORT_NAME.fullmatch(name) is None:
            yield f"{where} has the name {name[:40]!r}; allowed are letters, digits and '_'"
    yield from _unique(where, names)


def _unique(where: str, names: list[str]) -> Iterator[str]:
    for name in names:
        if names.count(name) > 1:
            yield f"{where} names {name[:60]} twice"


def _array(name: str, shape: tuple[int | None, ...], dtype: str) -> Iterator[str]:
    if dtype not in DTYPES:
        yield f"{name} has dtype {dtype!r}; known are {' and '.join(DTYPES)}"
    if None in shape[1:]:
        yield f"{name} has the shape {shape}; only the first size, the batch, may be free"
    if any(size is not None and size < 1 for size in shape):
        yield f"{name} has the shape {shape}, in which a size is below 1"


def _bytes(where: str, arrays: Iterable[Any]) -> Iterator[str]:
    """Check the size of all arrays together; a free batch counts as one."""
    total = 0
    for array in arrays:
        total += math.prod(size or 1 for size in array.shape) * (
            4 if array.dtype == "float32" else 8
        )
        if total > ARRAY_BYTES:
            yield f"{where}: {array.shape} and what is before it take more than {ARRAY_BYTES} bytes"
            return
