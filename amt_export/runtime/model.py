"""A model an application calls: strict about arrays, free about length."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Self

from numpy.typing import NDArray

from amt_export.audio.reader import OPTIONS, AudioReader
from amt_export.errors import ArtifactError, BackendError, InputError
from amt_export.manifest import Manifest, Port
from amt_export.runtime.axes import is_timed
from amt_export.runtime.backends import Backend
from amt_export.runtime.finite import check_choice, check_input, check_outputs
from amt_export.runtime.inputs import audio_port, check_array, named_inputs, signal_rows
from amt_export.runtime.joining import (
    end_matters,
    join_stream,
    join_windows,
    mended_end,
    needs_stream,
    reduce_outputs,
)
from amt_export.runtime.stream import Stream
from amt_export.runtime.stream_state import mirrored, reopened

Array = NDArray[Any]

ON_NONFINITE = ("error", "pass")


class Model:
    """One opened artifact; made by `amt_export.runtime.load`.

    It keeps nothing between calls, so threads may share it. A pickled model (as for worker processes that are
    spawned) opens its folder again; copies are the model itself.

    Parameters
    ----------
    manifest : Manifest
        What the folder says about the model.
    backend : Backend
        The opened artifact.
    open_stream : callable, optional
        Opens the streaming artifact, when the first stream is wanted.
    reopen : callable, optional
        Opens the same model in another process; it can be pickled.
    """

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        open_stream: Callable[[], Backend] | None = None,
        reopen: Callable[[], Model] | None = None,
    ) -> None:
        self._manifest = manifest
        self._backend = backend
        self._open_stream = open_stream
        self._stream_backend: Backend | None = None
        self._opening = Lock()
        self._reopen = reopen

    @property
    def manifest(self) -> Manifest:
        """Names, shapes, units, sampling rate and centre frequencies of the model."""
        return self._manifest

    @property
    def sampling_rate(self) -> float | None:
        """In Hz; None for a model that knows no time."""
        return self._manifest.sampling_rate

    @property
    def centre_frequencies(self) -> tuple[float, ...]:
        """One per channel, in Hz."""
        return self._manifest.centre_frequencies

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Names, shapes, units and axes of what the artifact takes."""
        return self._manifest.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Names, shapes, units and axes of what the artifact gives."""
        return self._manifest.outputs

    def __repr__(self) -> str:
        def phrase(ports: tuple[Port, ...]) -> str:
            return ", ".join(f"{port.name} [{port.unit}]" for port in ports)

        rate, hop, channels = self.sampling_rate, self._manifest.hop, len(self.centre_frequencies)
        parts = [phrase(self.inputs) + (f" at {rate:g} Hz" if rate else "")]
        parts[0] += f" -> {phrase(self.outputs)}"
        if channels:
            parts.append(f"{channels} channels")
        if rate and hop > 1:
            parts.append(f"a frame every {1000 * hop / rate:.3g} ms")
        return f"<Model {self._manifest.name}: {', '.join(parts)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reopen is None:
            raise BackendError(
                f"{self._manifest.name}: cannot be pickled, as it was not opened with runtime.load"
            )
        return reopened, (self._reopen, self._manifest)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __call__(
        self, *args: Array, on_nonfinite: str = "error", **inputs: Array
    ) -> dict[str, Array]:
        """Run the artifact once, on exactly the arrays it was built for.

        Parameters
        ----------
        *args, **inputs : ndarray
            The inputs in the manifest's order or by name, each with the manifest's shape and dtype.
        on_nonfinite : {"error", "pass"}, optional
            What to do with NaN or infinity in an input, or in an output of finite inputs.

        Returns
        -------
        dict of ndarray
            Outputs by name, with the shapes, dtypes and units of ``manifest.outputs``.

        Raises
        ------
        InputError
            If names, types, shapes or dtypes are others, or numbers are not finite; the message says
            what to do.
        """
        check_choice(on_nonfinite, ON_NONFINITE)
        arrays = named_inputs(self._manifest, args, inputs)
        strict = on_nonfinite == "error"
        for port in self._manifest.inputs:
            check_array(port, arrays[port.name])
            if strict:
                check_input(port.name, arrays[port.name], port.axes)
        answer = self._backend.run(arrays)
        if strict:
            check_outputs(answer, {port.name: port.axes for port in self._manifest.outputs})
        return answer

    def stream(self, *, on_nonfinite: str = "error", batch: int = 1) -> Stream:
        """Start a stream: push audio as it comes, get outputs as they are known.

        Parameters
        ----------
        on_nonfinite : {"error", "reset", "pass"}, optional
            See `Stream`.
        batch : int, optional
            Signals side by side, where the artifact's batch is free.

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
        reopen = None if self._reopen is None else _StreamOf(self, on_nonfinite, batch)
        return Stream(
            self._manifest,
            self._stream_backend,
            on_nonfinite=on_nonfinite,
            batch=batch,
            reopen=reopen,
        )

    def process_file(
        self, path: str | Path, level: float | None = None, **options: Any
    ) -> dict[str, Array]:
        """Run the model on a recording.

        Parameters
        ----------
        path : str or Path
            A WAV, FLAC, AIFF, OGG or MP3 file; it is resampled where needed.
        level : float, optional
            dB SPL RMS that the recording had, without the mean of each channel. Default: a full-scale sine is
            taken to have 93.98.
        **options
            ``full_scale``, ``diotic``, ``raw``, ``truncated``, ``remove_dc``: see
            `amt_export.audio.reader.AudioReader`.

        Returns
        -------
        dict of ndarray
            As from `process`, with the batch axis. What there is to know of the file is warned of.

        Raises
        ------
        AudioError
            If the file cannot be read, is truncated, or is no sound that this model takes.
        InputError
            If there is no such option, and as for `process`.
        """
        unknown = next((name for name in options if name not in OPTIONS), None)
        if unknown is not None:
            raise InputError(f"{unknown}: no such option; process_file takes {', '.join(OPTIONS)}")
        reader = AudioReader(path, self._manifest, level, **options)
        audio = reader.read()  # which can tell more of the file
        for remark in reader.remarks:
            warnings.warn(remark, UserWarning, stacklevel=2)
        return self.process(audio)

    def process(self, audio: Array, *, on_nonfinite: str = "error") -> dict[str, Array]:
        """Run the model on a signal of any length.

        The artifact runs on overlapping windows of its own length; what a window returns before its
        filters have warmed up is discarded, so the result is that of one run over the whole signal.
        If the filters' memory is longer than the artifact, a signal longer than the artifact goes through
        the streaming form.

        Parameters
        ----------
        audio : ndarray of float
            In the unit of the model's input. Shape (T,) or (B, T), or (2, T) or (B, 2, T) for
            models with two ears; any B and any T >= 1 (spectral models: at least one frame).
        on_nonfinite : {"error", "pass"}, optional
            What to do with NaN or infinity in the audio, or in an output of finite audio.

        Returns
        -------
        dict of ndarray
            Outputs by name, as long as the signal; without the batch axis when the audio has none.
            Outputs without a time axis (a frequency grid) are given once, as they are.

        Raises
        ------
        InputError
            If the model does not take one audio input, the audio has the wrong shape or dtype, seems to
            have its time first, is not finite, is too short for one frame, or needs several windows that
            overlap entirely.
        """
        check_choice(on_nonfinite, ON_NONFINITE)
        port = audio_port(self._manifest)
        rows, single = signal_rows(self._manifest, port, audio)
        strict = on_nonfinite == "error"
        if strict:
            check_input(
                "audio", rows[0] if single else rows, port.axes[1:] if single else port.axes
            )
        info = self._manifest.stream
        if info is not None and self._open_stream and needs_stream(self._manifest, rows.shape[-1]):
            outputs = join_stream(self._manifest, rows, lambda: self.stream(on_nonfinite="pass"))
        else:
            outputs = join_windows(self._backend, self._manifest, rows)
            if end_matters(self._manifest) and rows.shape[-1] != port.sized()[-1]:
                self._mend_end(outputs, rows)
        outputs = reduce_outputs(outputs, self._manifest)
        if strict:
            check_outputs(outputs, {output.name: output.axes for output in self._manifest.outputs})
        timed = {
            output.name
            for output in self._manifest.outputs
            if is_timed(output) or output.reduced_from is not None
        }
        return {name: y[0] if single and name in timed else y for name, y in outputs.items()}

    def _mend_end(self, outputs: dict[str, Array], rows: Array) -> None:
        """Make the last frames those of the whole signal, if there is a streaming form for it."""
        info = self._manifest.stream
        if info is not None and mirrored(self._manifest, info) and self._open_stream is not None:
            mended_end(outputs, self._manifest, rows, lambda: self.stream(on_nonfinite="pass"))
        else:
            warnings.warn(
                f"{self._manifest.name}: the last frames are only near those of the whole signal, as only a "
                "streaming form knows where the signal ends; build the model with a [stream] block",
                RuntimeWarning,
                stacklevel=4,
            )


class _StreamOf:
    """Opens a stream of a model; it can be pickled where the model can."""

    def __init__(self, model: Model, on_nonfinite: str, batch: int) -> None:
        self._model, self._on_nonfinite, self._batch = model, on_nonfinite, batch

    def __call__(self) -> Stream:
        return self._model.stream(on_nonfinite=self._on_nonfinite, batch=self._batch)
