"""A recording of any length through a model in constant memory.

The whole form runs over the windows that `Model.process` cuts, so the outputs are the same; the streaming form
serves models whose memory is longer than a window, or that mirror a signal at its ends. It costs about twice
as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import InputError
from amt_export.manifest import Manifest
from amt_export.runtime import Stream, open_form
from amt_export.runtime.axes import time_axis
from amt_export.runtime.finite import check_outputs
from amt_export.runtime.joining import ROWS_TOGETHER, framing_of, needs_stream
from amt_export.runtime.windows import Window, extended, plan

Array = NDArray[Any]
Outputs = dict[str, Array]


class PieceRunner:
    """A model that is opened to be run over recordings, one after the other.

    Parameters
    ----------
    folder : Path
        A published folder.
    manifest : Manifest
    threads : int
        Of ONNX Runtime.
    """

    def __init__(self, folder: Path, manifest: Manifest, threads: int) -> None:
        # Threads that wait busily for more work take processors from other workers.
        options = {"intra_op_num_threads": threads, "spinning": False}
        opened = partial(open_form, folder, manifest, session_options=options)
        self._manifest = manifest
        self._whole = opened("onnx", "whole")
        has_stream = manifest.stream is not None and any(
            (entry.format, entry.form) == ("onnx", "stream") for entry in manifest.files
        )
        self._streaming = opened("onnx", "stream") if has_stream else None

    def outputs(self, pieces: Iterable[Array], samples: int) -> Iterator[Outputs]:
        """Yield the outputs of a recording in pieces along time, without their batch axis.

        Parameters
        ----------
        pieces : iterable of ndarray [shape=(1, n) or (1, 2, n)]
            The recording in the model's unit.
        samples : int
            Their length together.

        Raises
        ------
        InputError
            If it is too short for a frame, or so loud that outputs are not finite.
        StreamError
            The same, of the streaming form.
        """
        shortest = framing_of(self._manifest).shortest()
        if samples < shortest:
            raise InputError(f"audio: {samples} samples; this model needs at least {shortest}")
        if self._streaming is not None and self._must_stream(samples):
            return self._streamed(pieces)
        return self._windowed(pieces, samples)

    def _must_stream(self, samples: int) -> bool:
        return self._manifest.padding == "reflect" or needs_stream(self._manifest, samples)

    def _streamed(self, pieces: Iterable[Array]) -> Iterator[Outputs]:
        assert self._streaming is not None  # noqa: S101
        port = self._manifest.inputs[0]
        with Stream(self._manifest, self._streaming) as stream:
            for piece in pieces:
                yield stream.push(piece[0].astype(port.dtype))
            yield stream.flush()

    def _windowed(self, pieces: Iterable[Array], samples: int) -> Iterator[Outputs]:
        port = self._manifest.inputs[0]
        framing, length = framing_of(self._manifest), port.sized()[-1]
        audio = _Rolling(pieces, np.dtype(port.dtype))
        windows = plan(samples, length, framing)
        axes = {output.name: output.axes for output in self._manifest.outputs}
        while group := list(islice(windows, port.shape[0] or ROWS_TOGETHER)):
            batch = np.zeros(port.sized(len(group)), port.dtype)
            for place, window in enumerate(group):
                held = audio.samples(window.start, length)
                batch[place] = extended(held, framing, replace(window, start=0), length)
            answer = self._whole.run({port.name: batch})
            check_outputs(answer, axes)
            for place, window in enumerate(group):
                yield self._kept(answer, place, window)

    def _kept(self, answer: Outputs, place: int, window: Window) -> Outputs:
        kept = {}
        for port in self._manifest.outputs:
            axis = time_axis(port)
            if axis is not None:
                cut = (slice(None),) * (axis - 1) + (slice(window.first, window.stop),)
                kept[port.name] = answer[port.name][place][cut]
        return kept


class _Rolling:
    """The part of a recording that windows still need; each starts at or after the one before."""

    def __init__(self, pieces: Iterable[Array], dtype: np.dtype[Any]) -> None:
        self._pieces = iter(pieces)
        self._dtype = dtype
        self._held: Array | None = None
        self._first = 0  # sample of the recording that is the first one held

    def samples(self, start: int, length: int) -> Array:
        """Return the samples from `start` on, as many as a window has or the recording has left."""
        parts = [] if self._held is None else [self._held[..., start - self._first :]]
        there = sum(part.shape[-1] for part in parts)
        while there < length and (piece := next(self._pieces, None)) is not None:
            parts.append(piece[0].astype(self._dtype))
            there += piece.shape[-1]
        self._held = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        self._first = start
        return self._held
