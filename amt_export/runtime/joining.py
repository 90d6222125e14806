"""Windows of a signal through an artifact of one length, joined to the answer for the whole signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import ArtifactError, InputError
from amt_export.manifest import Manifest, Port
from amt_export.manifest.ports import MAX_OF_EARS, stream_outputs
from amt_export.runtime.axes import is_timed, time_axis
from amt_export.runtime.backends import Backend
from amt_export.runtime.stream import Stream
from amt_export.runtime.windows import Framing, extended, plan

Array = NDArray[Any]

ROWS_TOGETHER = 8
"""Windows in one run where the batch is free: bounds the memory, as outputs are 30 to 50 times their audio."""


def join_windows(backend: Backend, manifest: Manifest, rows: Array) -> dict[str, Array]:
    """Run every window of every row, as many at once as the artifact's batch holds.

    Parameters
    ----------
    backend : Backend
    manifest : Manifest
        Of a model with one audio input.
    rows : ndarray [shape=(B, T) or (B, 2, T)]
        Any B and T.

    Returns
    -------
    dict of ndarray
        Outputs by name, with B rows and as long as the signal; without those that are reduced from others.

    Raises
    ------
    InputError
        If the signal is too short for one frame, or its windows overlap entirely.
    ArtifactError
        If the manifest contradicts itself.
    """
    port = manifest.inputs[0]
    framing, samples, length = framing_of(manifest), rows.shape[-1], port.sized()[-1]
    if samples < framing.shortest():
        shortest = framing.shortest()
        raise InputError(f"audio: {samples} samples; this model needs at least {shortest}")
    # All windows of a call are in memory at once, with their outputs.
    together = port.shape[0] or ROWS_TOGETHER
    outputs = stream_outputs(manifest.outputs)
    whole = {
        output.name: np.empty(
            _joined_shape(output, len(rows), samples, length, framing), output.dtype
        )
        for output in outputs
        if is_timed(output)
    }
    jobs = list(product(range(len(rows)), plan(samples, length, framing)))
    constant: dict[str, Array] = {}
    for first in range(0, len(jobs), together):
        group = jobs[first : first + together]
        # Places left over of a fixed batch stay silent.
        batch = np.zeros(port.sized(len(group)), port.dtype)
        for place, (row, window) in enumerate(group):
            batch[place] = extended(rows[row], framing, window, length)
        answer = backend.run({port.name: batch})
        for output in outputs:
            part = answer[output.name]
            if not is_timed(output):
                constant.setdefault(output.name, part)
                continue
            for place, (row, window) in enumerate(group):
                kept = _along_time(part[place], output)[window.first : window.stop]
                _along_time(whole[output.name][row], output)[window.target] = kept
    return {port.name: (whole | constant)[port.name] for port in outputs}


def mended_end(
    outputs: dict[str, Array], manifest: Manifest, rows: Array, stream: Callable[[], Stream]
) -> dict[str, Array]:
    """Compute the last frames of a mirrored signal once more, with a stream: it knows where the signal ends.

    A frame may be the mean of shorter ones, as far as these have their centre in the signal. An artifact of
    one length averages all of them, unless the signal ends where it does itself.

    Parameters
    ----------
    outputs : dict of ndarray
        From `join_windows`; changed in place.
    manifest : Manifest
        Of a model with a streaming form that mirrors, see `amt_export.runtime.stream_state.mirrored`.
    rows : ndarray [shape=(B, T)]
    stream : callable
        Starts a stream.
    """
    framing, samples = framing_of(manifest), rows.shape[-1]
    # The first frame that looks beyond the end, and where its past begins.
    first = max(0, (samples - 1 - framing.look_ahead) // framing.hop + 1)
    start = max(0, first - -(-framing.warm_up // framing.hop)) * framing.hop
    for row, audio in enumerate(rows[..., start:]):
        with stream() as one:
            batch = np.broadcast_to(audio, (one.batch, *audio.shape))
            parts = one.push(batch), one.flush()
        for port in filter(is_timed, manifest.outputs):
            answer = np.concatenate([part[port.name] for part in parts], time_axis(port))[0]
            last = _along_time(answer, port)[first - start // framing.hop :]
            _along_time(outputs[port.name][row], port)[first:] = last
    return outputs


def needs_stream(manifest: Manifest, samples: int) -> bool:
    """Whether only the streaming form answers a signal of some length.

    Windows may overlap entirely, because what they depend on is longer than they are. Or only the streaming
    form knows where the signal ends.
    """
    length = manifest.inputs[0].sized()[-1]
    overlap = samples > length and manifest.warm_up + manifest.look_ahead >= length
    return overlap or (samples != length and end_matters(manifest) and not is_mirrored(manifest))


def is_mirrored(manifest: Manifest) -> bool:
    """Whether the model takes the mirror image of a signal to lie around it, and not silence."""
    return manifest.padding == "reflect"


def end_matters(manifest: Manifest) -> bool:
    """Whether the last frames of a signal are others if silence follows it, as in a window that is filled up.

    True where the signal is mirrored at its ends, and where frames that do not overlap look ahead: after a
    decimation, whose input is 0 after the end, while the stages before it would answer the silence.
    """
    decimated = manifest.frame_length == manifest.hop > 1 and manifest.look_ahead >= manifest.hop
    return is_mirrored(manifest) or decimated


def join_stream(manifest: Manifest, rows: Array, stream: Callable[[], Stream]) -> dict[str, Array]:
    """Run every row through a stream, from its beginning to its end.

    Parameters
    ----------
    manifest : Manifest
        Of a model with one audio input and a streaming form.
    rows : ndarray [shape=(B, T) or (B, 2, T)]
    stream : callable
        Starts a stream.

    Returns
    -------
    dict of ndarray
        As from `join_windows`.
    """
    outputs = stream_outputs(manifest.outputs)
    answers: list[dict[str, Array]] = []
    for audio in rows:
        with stream() as one:
            batch = np.broadcast_to(audio, (one.batch, *audio.shape))
            parts = one.push(batch), one.flush()
        answers.append(
            {
                port.name: np.concatenate([part[port.name] for part in parts], time_axis(port))[:1]
                if is_timed(port)
                else parts[0][port.name]
                for port in outputs
            }
        )
    return {
        port.name: np.concatenate([answer[port.name] for answer in answers])
        if is_timed(port)
        else answers[0][port.name]
        for port in outputs
    }


def reduce_outputs(
    outputs: Mapping[str, Array], manifest: Manifest, before: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Add the numbers that stand for a whole signal, in the order of the manifest.

    Parameters
    ----------
    outputs : mapping of ndarray
        Courses in time of the signal, or of its next piece, with the batch axis.
    manifest : Manifest
    before : mapping of ndarray, optional
        What this function returned for the piece before.

    Raises
    ------
    ArtifactError
        If this version does not know how an output is reduced.
    """
    every: dict[str, Array] = {}
    for port in manifest.outputs:
        if port.reduced_from is None:
            every[port.name] = outputs[port.name]
        elif port.reduction == MAX_OF_EARS and port.reduced_from in outputs:
            both = outputs[port.reduced_from].sum(axis=2)
            largest = both.max(axis=1, initial=0.0)  # loudness is never less
            every[port.name] = largest if before is None else np.maximum(before[port.name], largest)
        else:
            raise ArtifactError(
                f"{manifest.name}: {port.name} is reduced by {port.reduction!r}, which this version does "
                "not know; update amt_export"
            )
    return every


def framing_of(of: Manifest) -> Framing:
    """Return how the frames of a model lie on its audio."""
    return Framing(of.hop, of.frame_length, of.warm_up, of.look_ahead, of.padding)


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
