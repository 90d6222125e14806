"""Arrays that a model is given: named, checked, and brought to the form in which an artifact takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import InputError
from amt_export.manifest import Manifest, Port

Array = NDArray[Any]


def named_inputs(
    manifest: Manifest, args: tuple[Array, ...], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Return the inputs of a call by name: all of them and no others.

    Raises
    ------
    InputError
        If one is missing, unknown, or given twice.
    """
    names = [port.name for port in manifest.inputs]
    takes = f"{manifest.name} takes {', '.join(names)}"
    if len(args) > len(names):
        raise InputError(f"{len(args)} inputs given; {takes}")
    arrays = dict(zip(names, args, strict=False))
    for name, value in inputs.items():
        if name in arrays:
            raise InputError(f"{name}: given twice, by position and by name; {takes}")
        if name not in names:
            raise InputError(f"{name}: no such input; {takes}")
        arrays[name] = value
    for name in names:
        if name not in arrays:
            raise InputError(f"{name}: missing; {takes}")
    return arrays


def check_array(port: Port, value: object) -> None:
    """Raise InputError unless the array has the shape and dtype that the artifact was built for."""
    batch = value.shape[0] if isinstance(value, np.ndarray) and value.shape else 1
    sizes = ", ".join("batch" if size is None else str(size) for size in port.shape)
    expected = f"{port.name}: expected {port.dtype} ({sizes}{',' * (len(port.shape) == 1)})"
    if not isinstance(value, np.ndarray):
        raise InputError(f"{expected}, got {type(value).__name__}; pass a numpy array")
    if value.shape != port.sized(max(1, batch)):
        any_length = "; model.process takes any length" if port.axes[-1] == "time" else ""
        raise InputError(f"{expected}, got shape {value.shape}{any_length}")
    if value.dtype != port.dtype:
        remedy = f"convert with {port.name}.astype({port.dtype!r})"
        raise InputError(f"{expected}, got {value.dtype}; {remedy}")


def audio_port(manifest: Manifest) -> Port:
    """Return the one audio input of a model, which windows can be cut from.

    Raises
    ------
    InputError
        If the model takes anything else.
    """
    ports = manifest.inputs
    if len(ports) == 1 and ports[0].axes in {("batch", "time"), ("batch", "ear", "time")}:
        return ports[0]
    names = ", ".join(f"{port.name}=..." for port in ports)
    raise InputError(f"{manifest.name} does not take one audio signal: call it ({names})")


def signal_rows(manifest: Manifest, port: Port, audio: Array) -> tuple[Array, bool]:
    """Return a whole signal with its batch axis, and whether that was missing.

    Parameters
    ----------
    manifest : Manifest
    port : Port
        From `audio_port`.
    audio : ndarray of float
        (T,) or (B, T); (2, T) or (B, 2, T) for two ears.

    Raises
    ------
    InputError
        For another shape or dtype, or audio that seems to have its time first.
    """
    _check_float("audio", port.unit, audio)
    single = audio.ndim == len(port.shape) - 1
    rows = audio[None] if single else audio
    if rows.ndim != len(port.shape) or rows.shape[1:-1] != port.shape[1:-1] or not len(rows):
        shapes = "(2, T) or (B, 2, T)" if "ear" in port.axes else "(T,) or (B, T)"
        raise InputError(f"audio: needs shape {shapes}, got {audio.shape}{_ears_hint(port, audio)}")
    _refuse_time_first(manifest, port, rows)
    return _as_dtype(rows, port.dtype), single


def block_rows(port: Port, shape: tuple[int, ...], audio: Array) -> tuple[Array, bool]:
    """Return the next samples of a stream with their batch axis, and whether that was missing.

    Parameters
    ----------
    port : Port
        The audio input of the streaming form.
    shape : tuple of int
        Of a block; any number of samples may come.
    audio : ndarray of float
        (B, n) or (B, 2, n), without B where a single signal streams.

    Raises
    ------
    InputError
        For another shape or dtype.
    """
    _check_float(port.name, port.unit, audio)
    one = shape[0] == 1
    single = audio.ndim == len(shape) - 1 and one
    rows = audio[None] if single else audio
    if rows.ndim != len(shape) or rows.shape[:-1] != shape[:-1]:
        sizes = ", ".join(map(str, shape[:-1]))
        alone = ", ".join(map(str, (*shape[1:-1], "n")))
        also = f" or ({alone}{',' * (len(shape) == 2)})" if one else ""
        hint = _ears_hint(port, audio)
        raise InputError(
            f"{port.name}: this stream takes ({sizes}, n){also}, got {audio.shape}{hint}"
        )
    return _as_dtype(rows, port.dtype), single


def _ears_hint(port: Port, audio: Array) -> str:
    """Say how one channel, or channels on the last axis, become those of two ears."""
    if "ear" not in port.axes:
        return ""
    if audio.ndim == 1:
        return "; np.stack([audio, audio]) gives the same sound to both ears"
    if audio.ndim == 2 and audio.shape[1] == 2:
        return "; time is the last axis: transpose it (audio.T)"
    return ""


def _check_float(name: str, unit: str, audio: object) -> None:
    if not isinstance(audio, np.ndarray) or audio.dtype.kind != "f":
        got = getattr(audio, "dtype", type(audio).__name__)
        raise InputError(f"{name}: needs a numpy array of float in {unit}, got {got}")


def _as_dtype(rows: Array, dtype: str) -> Array:
    with np.errstate(over="ignore"):  # infinite samples are refused where they are run
        return rows.astype(dtype, copy=False)


def _refuse_time_first(manifest: Manifest, port: Port, rows: Array) -> None:
    """Refuse what a shape alone cannot tell from many signals of a few samples: (T, channels)."""
    count, samples = len(rows), rows.shape[-1]
    many = port.shape[0] is not None and count > port.shape[0]
    # The axis of the ears, which must be 2, tells where time is unless there are more signals than samples.
    least = 0 if "ear" in port.axes else min(manifest.warm_up, port.sized()[-1])
    if count > samples > 0 or (many and samples < least):
        raise InputError(
            f"audio: {rows.shape} would be {count} signals of {samples} sample{'s' * (samples != 1)}; "
            "time is the last axis: transpose it"
        )
