"""A recording through a model, piece by piece: what the command line and batch jobs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from amt_export import runtime
from amt_export.audio.reader import AudioReader
from amt_export.errors import InputError
from amt_export.manifest import load_manifest
from amt_export.runtime.joining import framing_of, reduce_outputs
from amt_export.runtime.model import Model
from amt_export.runtime.stream import Stream

Array = NDArray[Any]


def open_for_recordings(
    folder: str | Path, backend: str = "onnx", **session_options: Any
) -> Model | Stream:
    """Open the form of a published model that recordings of any length go through.

    Parameters
    ----------
    folder, backend, **session_options
        As for `amt_export.runtime.load`.

    Returns
    -------
    Stream or Model
        The streaming form, which needs the same memory for any length, or the whole form where there is no
        streaming form for one signal.

    Raises
    ------
    ArtifactError, BackendError, MissingDependencyError
        As for `amt_export.runtime.load`.
    """
    manifest = load_manifest(folder)
    forms = {entry.form for entry in manifest.files if entry.format == backend}
    info = manifest.stream
    if "stream" in forms and info is not None and info.inputs[0].shape[0] in (1, None):
        return runtime.load_stream(folder, backend, **session_options)
    return runtime.load(folder, backend, **session_options)


def check_length(recording: AudioReader, opened: Model | Stream) -> None:
    """Check that a recording is long enough for one frame.

    Raises
    ------
    InputError
        If it is not.
    """
    framing = framing_of(opened.manifest)
    if framing.frames(recording.samples) < 1:
        raise InputError(
            f"{recording.name}: {recording.samples} samples; this model needs at least {framing.shortest()}"
        )


def recording_pieces(
    opened: Model | Stream, recording: AudioReader
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """Run a recording through a model.

    Parameters
    ----------
    opened : Model or Stream
        From `open_for_recordings`. A stream is reset first, and may be used again afterwards.
    recording : AudioReader
        Opened for the same model.

    Yields
    ------
    audio : ndarray [shape=(1, n) or (1, 2, n)]
        The next samples in the unit and at the rate of the model.
    outputs : dict of ndarray
        What they have made known, by name, with the batch axis. Joined along time they are the outputs for the
        whole recording; an output without time (a frequency grid, a maximum) is complete in the last piece.

    Raises
    ------
    AudioError
        Where the recording is damaged or not finite.
    InputError
        If the recording is too short for one frame.
    StreamError
        If the audio is too large for the model.
    """
    check_length(recording, opened)
    manifest = opened.manifest
    dtype = manifest.inputs[0].dtype
    if isinstance(opened, Model):
        audio = recording.read().astype(dtype)
        yield audio, opened.process(audio)
        return
    opened.reset()
    outputs: dict[str, Array] | None = None
    for piece in recording.pieces():
        audio = piece.astype(dtype)
        outputs = reduce_outputs(opened.push(audio), manifest, outputs)
        yield audio, outputs
    yield audio[..., :0], reduce_outputs(opened.flush(), manifest, outputs)
