"""A model an application calls: strict about arrays, free about length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import ArtifactError, InputError
from amt_export.manifest import Manifest, Port
from amt_export.runtime.axes import time_axis
from amt_export.runtime.backends import Backend
from amt_export.runtime.stream import Stream
from amt_export.runtime.windows import Framing, extended, plan

Array = NDArray[Any]

ROWS_TOGETHER = 8
"""Windows in one run where the batch is free: bounds the memory, as outputs are 30 to 50 times their audio."""


class Model:
    """One opened artifact; made by `amt_export.runtime.load`.

    It keeps nothing between calls, so threads may share it.

    Parameters
    ----------
    manifest : Manifest
        What the folder says about the model.
    backend : Backend
        The opened artifact.
    open_stream : callable, optional
        Opens the streaming artifact, when the first stream is wanted.
    """

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        open_stream: Callable[[], Backend] | None = None,
    ) -> None:
        self._manifest = manifest
        self._backend = backend
        self._open_stream = open_stream
        self._stream_backend: Backend | None = None
        self._opening = Lock()

    @property
    def manifest(self) -> Manifest:
        """Names, shapes, units, sampling rate and centre frequencies of the model."""
        return self._manifest

    def __call__(self, *args: Array, **inputs: Array) -> dict[str, Array]:
        """Run the artifact once, on exactly the arrays it was built for.

        Parameters
        ----------
        *args, **inputs : ndarray
            The inputs in the manifest's order or by name, each with the manifest's shape and dtype.

        Returns
        -------
        dict of ndarray
            Outputs by name, with the shapes, dtypes and units of ``manifest.outputs``.

        Raises
        ------
        InputError
            If names, types, shapes or dtypes are others; the message says what to do.
        """
        arrays = self._named(args, inputs)
        for port in self._manifest.inputs:
            _check(port, arrays[port.name])
        return self._backend.run(arrays)

    def stream(self, *, on_nonfinite: str = "raise") -> Stream:
        """Start a stream: push audio as it comes, get outputs as they are known.

        Parameters
        ----------
        on_nonfinite : {"raise", "reset"}, optional
            See `Stream`.

        Returns
        -------
        Stream
            With states of its own; streams share the opened artifact, and nothing else.

        Raises
        ------
        ArtifactError
            If no streaming form was published for this backend.
        """
        with self._opening:
            if self._stream_backend is None:
                self._manifest.streaming()  # says so where there is none
                if self._open_stream is None:
                    raise ArtifactError(f"{self._manifest.name}: opened without its streaming form")
                self._stream_backend = self._open_stream()
        return Stream(self._manifest, self._stream_backend, on_nonfinite=on_nonfinite)

    def process(self, audio: Array) -> dict[str, Array]:
        """Run the model on a signal of any length.

        The artifact runs on overlapping windows of its own length; what a window says before its
        filters have warmed up is discarded, so the result is that of one run over the whole signal.

        Parameters
        ----------
        audio : ndarray of float
            In the unit of the model's input. Shape (T,) or (B, T), or (2, T) or (B, 2, T) for
            models with two ears; any B and any T >= 1 (spectral models: at least one frame).

        Returns
        -------
        dict of ndarray
            Outputs by name, as long as the signal; without the batch axis when the audio has none.
            Outputs without a time axis (a frequency grid) are given once, as they are.

        Raises
        ------
        InputError
            If the model does not take one audio input, the audio has the wrong shape or dtype, is
            too short for one frame, or needs several windows that overlap entirely.
        """
        port = self._audio_port()
        if not isinstance(audio, np.ndarray) or audio.dtype.kind != "f":
            got = getattr(audio, "dtype", type(audio).__name__)
            raise InputError(f"audio: needs a numpy array of float in {port.unit}, got {got}")
        single = audio.ndim == len(port.shape) - 1
        rows = audio[None] if single else audio
        if rows.ndim != len(port.shape) or rows.shape[1:-1] != port.shape[1:-1] or not len(rows):
            shapes = "(2, T) or (B, 2, T)" if "ear" in port.axes else "(T,) or (B, T)"
            raise InputError(f"audio: needs shape {shapes}, got {audio.shape}")
        outputs = self._join(rows.astype(port.dtype, copy=False), port)
        timed = {output.name for output in self._manifest.outputs if _is_timed(output)}
        return {name: y[0] if single and name in timed else y for name, y in outputs.items()}

    def _join(self, rows: Array, port: Port) -> dict[str, Array]:
        """Run every window of every row, as many at once as the artifact's batch holds."""
        framing, samples, length = self._framing(), rows.shape[-1], port.sized()[-1]
        if samples < framing.shortest():
            shortest = framing.shortest()
            raise InputError(f"audio: {samples} samples; this model needs at least {shortest}")
        # All windows of a call are in memory at once, with their outputs.
        together = port.shape[0] or ROWS_TOGETHER
        whole = {
            output.name: np.empty(
                _joined_shape(output, len(rows), samples, length, framing), output.dtype
            )
            for output in self._manifest.outputs
            if _is_timed(output)
        }
        jobs = list(product(range(len(rows)), plan(samples, length, framing)))
        constant: dict[str, Array] = {}
        for first in range(0, len(jobs), together):
            group = jobs[first : first + together]
            # Places left over of a fixed batch stay silent.
            batch = np.zeros(port.sized(len(group)), port.dtype)
            for place, (row, window) in enumerate(group):
                batch[place] = extended(rows[row], framing, window, length)
            answer = self._backend.run({port.name: batch})
            for output in self._manifest.outputs:
                part = answer[output.name]
                if not _is_timed(output):
                    constant.setdefault(output.name, part)
                    continue
                for place, (row, window) in enumerate(group):
                    kept = _along_time(part[place], output)[window.first : window.stop]
                    _along_time(whole[output.name][row], output)[window.target] = kept
        return {port.name: (whole | constant)[port.name] for port in self._manifest.outputs}

    def _audio_port(self) -> Port:
        """Return the one audio input that windows can be cut from."""
        ports = self._manifest.inputs
        if len(ports) == 1 and ports[0].axes in {("batch", "time"), ("batch", "ear", "time")}:
            return ports[0]
        names = ", ".join(f"{port.name}=..." for port in ports)
        raise InputError(f"{self._manifest.name} does not take one audio signal: call it ({names})")

    def _framing(self) -> Framing:
        of = self._manifest
        return Framing(of.hop, of.frame_length, of.warm_up, of.look_ahead, of.padding)

    def _named(self, args: tuple[Array, ...], inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the inputs by name: all of them and no others."""
        names = [port.name for port in self._manifest.inputs]
        takes = f"{self._manifest.name} takes {', '.join(names)}"
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


def _check(port: Port, value: object) -> None:
    """Raise InputError unless the array is what the artifact was built for."""
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


def _is_timed(port: Port) -> bool:
    """Whether an output runs along time, sample by sample or frame by frame."""
    return time_axis(port) is not None


def _along_time(row: Array, port: Port) -> Array:
    """Return a view of one batch row of an output with time as its first axis."""
    return np.moveaxis(row, (time_axis(port) or 0) - 1, 0)


def _joined_shape(
    port: Port, rows: int, samples: int, length: int, framing: Framing
) -> tuple[int, ...]:
    """Return the shape of an output for the whole signal."""
    axis = time_axis(port) or 0
    if port.shape[axis] != framing.frames(length):
        raise ArtifactError(
            f"{port.name}: {port.shape[axis]} frames of {length} samples contradict the manifest's "
            f"hop and frame_length, which make {framing.frames(length)}; build the model again"
        )
    shape = list(port.sized())
    shape[0], shape[axis] = rows, framing.frames(samples)
    return tuple(shape)
