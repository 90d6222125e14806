"""A signal block by block: what microphones and ten-hour files need.

A streaming artifact takes one block of audio and its states, and gives the outputs of this block and
the next states. A `Stream` carries the states, cuts whatever it is given into blocks, and drops what a
model says about the silence before the signal, so that its joined outputs are those of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import AmtExportError, ArtifactError, BackendError, InputError, StreamError
from amt_export.manifest import Manifest, StreamInfo
from amt_export.manifest.ports import BEYOND_END, ELAPSED
from amt_export.runtime.backends import Backend
from amt_export.runtime.block_buffer import BlockBuffer
from amt_export.runtime.block_outputs import join_blocks
from amt_export.runtime.block_runner import BlockRunner
from amt_export.runtime.finite import CALIBRATED, check_choice, is_finite
from amt_export.runtime.inputs import block_rows
from amt_export.runtime.mirrored_ends import MirroredEnds
from amt_export.runtime.stream_state import (
    RECENT,
    SAMPLES,
    WAITING,
    checked_state,
    knows_end,
    mirrored,
    resumed,
)
from amt_export.runtime.windows import Framing

Array = NDArray[Any]
ON_NONFINITE = ("error", "reset", "pass")


class Stream:
    """One signal on its way through a model; made by `Model.stream` or `runtime.load_stream`.

    Each stream has its own states, so any number of them may run side by side on one model, also in
    several threads; one stream is for one thread at a time. A copy goes its own way from where the stream
    is; a pickled stream opens its folder again and resumes from there.

    Parameters
    ----------
    manifest : Manifest
        With a streaming form.
    backend : Backend
        The opened streaming artifact.
    on_nonfinite : {"error", "reset", "pass"}, optional
        What to do about NaN and infinity. "error": InputError for audio that is not finite, and the stream
        stays as it was; StreamError where finite audio was too large, and the stream refuses more audio until
        `reset`. "reset": take such audio; if a state becomes NaN or infinite, which a recursive filter would
        keep forever, continue from silence with the next block, warn, and count it in `resets`. "pass": let
        everything through.
    batch : int, optional
        Signals side by side, where the artifact's batch is free.
    reopen : callable, optional
        Opens the same stream in another process; it can be pickled.
    """

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        *,
        on_nonfinite: str = "error",
        batch: int = 1,
        reopen: Callable[[], Stream] | None = None,
    ) -> None:
        check_choice(on_nonfinite, ON_NONFINITE)
        if not isinstance(batch, int) or batch < 1:
            raise InputError(f"batch is {batch!r}; give the number of signals, 1 or more")
        self._manifest = manifest
        self._info = _checked(manifest.streaming().stream, manifest)
        self._port = self._info.inputs[0]
        self._framing = Framing(manifest.hop, manifest.frame_length)
        self._backend: Backend | None = backend
        self._busy = Lock()
        self._on_nonfinite = on_nonfinite
        self._reopen = reopen
        self._shape = self._port.sized(batch)
        if self._shape[0] != batch and batch != 1:
            raise InputError(
                f"{manifest.name}: the artifact's batch is {self._shape[0]}, not {batch}; "
                'build it with batch = "dynamic" under [export]'
            )
        self._batch = self._shape[0]
        self._buffer = BlockBuffer(self._shape, self._port.dtype)
        self._ends = MirroredEnds(
            mirrored(manifest, self._info), manifest.hop, self._shape, self._port.dtype
        )
        self._pushed = 0
        self._single = self._batch == 1  # whether the audio comes without its batch axis
        self._runner = BlockRunner(manifest, self._info, self._shape, on_nonfinite)
        self._constant = self._runner.constants(backend)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the folder."""
        return self._manifest

    @property
    def block(self) -> int:
        """Samples that the artifact takes at once; `push` of as many has the least to do."""
        return self._info.block

    @property
    def batch(self) -> int:
        """Signals side by side."""
        return self._batch

    @property
    def latency(self) -> int:
        """Samples after a frame's position that must be pushed before `push` returns the frame."""
        return self._info.latency

    @property
    def samples(self) -> int:
        """Samples pushed so far."""
        return self._pushed

    @property
    def resets(self) -> int:
        """How often the stream restarted from silence, with ``on_nonfinite="reset"``."""
        return self._runner.resets

    @property
    def state(self) -> dict[str, Array]:
        """The whole state of the stream, as named arrays of its own: to be saved, forked, resumed.

        The states of the artifact by their names, the samples that wait for their block to be full (with a
        batch axis if the audio has one), and the number of samples pushed. Setting it makes a stream of the
        same model continue from there.

        Raises
        ------
        StreamError
            If the stream is closed, in use by another thread, or not finite any more.
        InputError
            If what is set is not the state of such a stream.
        """
        with self._alone():
            waiting = np.concatenate([self._ends.head, self._buffer.waiting], axis=-1)
            return {
                **{name: value.copy() for name, value in self._runner.states.items()},
                WAITING: waiting[0] if self._single else waiting,
                SAMPLES: np.array(self._pushed, np.int64),
                **({RECENT: self._ends.recent.copy()} if self._ends.reach else {}),
            }

    @state.setter
    def state(self, value: Mapping[str, Array]) -> None:
        with self._alone(mend=True):
            given = checked_state(value, self._info, self._shape, self._ends.reach, self._ends.lead)
            waiting, pushed = given[WAITING], int(given[SAMPLES])
            self._single = waiting.ndim < len(self._shape)
            waiting = waiting[None] if self._single else waiting
            self._start()
            for info in self._info.states:
                self._runner.states[info.input] = given[info.input].astype(info.dtype)
            self._pushed = pushed
            ends, dtype = self._ends, self._port.dtype
            if ends.reach:
                ends.recent = given[RECENT].astype(dtype)
            if ends.reach and pushed <= ends.reach:
                ends.head = waiting.astype(dtype)
            else:
                self._buffer.keep(waiting)
                self._runner.known += (pushed - self._buffer.filled) // self._manifest.hop

    def __copy__(self) -> Stream:
        with self._alone() as backend:
            pass
        other = Stream(
            self._manifest,
            backend,
            on_nonfinite=self._on_nonfinite,
            batch=self._batch,
            reopen=self._reopen,
        )
        other.state = self.state
        return other

    def __deepcopy__(self, memo: object) -> Stream:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reopen is None:
            raise BackendError(
                f"{self._manifest.name}: this stream cannot be pickled, as it was not opened with runtime.load"
            )
        return resumed, (self._reopen, self._manifest, self.state)

    def push(self, audio: Array) -> dict[str, Array]:
        """Process the next samples of the signal.

        Parameters
        ----------
        audio : ndarray of float
            Any number of samples, in the unit of the model's input: (n,), (2, n) for two ears, or with
            the batch that the artifact was built for in front.

        Returns
        -------
        dict of ndarray
            Outputs by name: what these samples have made known since the last call, which may be nothing
            (a size of 0 along time). Without the batch axis when the audio has none. Outputs
            without a time axis (a frequency grid) are in every answer.

        Raises
        ------
        InputError
            For another shape or dtype, or audio that is not finite; the stream is as it was.
        StreamError
            If it is closed, in use by another thread, or not finite any more.
        """
        with self._alone() as backend:
            rows, self._single = block_rows(self._port, self._shape, audio)
            if self._on_nonfinite == "error" and not is_finite(rows):
                first = self._pushed + int(np.argwhere(~np.isfinite(rows))[:, -1].min())
                what = f"audio: sample {first} of the stream is NaN or infinite"
                raise InputError(
                    f"{what}; mend it, or use on_nonfinite='reset' or 'pass'"
                ).for_command_line(f"{what}; {CALIBRATED}")
            before, self._pushed = self._pushed, self._pushed + rows.shape[-1]
            if self._ends.reach:
                rows, is_beginning = self._ends.take(rows, before)
                if is_beginning:
                    self._runner.states[f"state_{ELAPSED}"].fill(-self._ends.lead)
                    self._runner.known -= self._ends.lead // self._manifest.hop
            return self._joined(self._feed(backend, rows))

    def flush(self) -> dict[str, Array]:
        """End the signal: return what is still missing, then start afresh.

        Zeros follow the last sample until everything is known that the whole signal has outputs for; where the
        model mirrors the signal at its ends, its mirror image does.

        Returns
        -------
        dict of ndarray
            As from `push`. All answers together have as many samples or frames as one run over the
            whole signal.

        Raises
        ------
        StreamError
            As for `push`.
        """
        with self._alone() as backend:
            due = max(0, self._framing.frames(self._pushed)) if self._pushed else 0
            pieces = self._feed(backend, self._ends.head)  # of a signal too short to be mirrored
            tail, beyond = self._ends.tail(), -self._buffer.filled
            while self._runner.known < due:
                block, tail = self._buffer.last_block(tail)
                beyond += self.block
                if knows_end(self._info):
                    self._runner.states[f"state_{BEYOND_END}"].fill(max(0, beyond))
                pieces.append(self._runner.run(backend, block))
            answer = self._joined(pieces, self._runner.known - due)
            self._start()
            return answer

    def reset(self) -> None:
        """Discard the signal and start again, as if nothing had been pushed.

        Raises
        ------
        StreamError
            If it is closed or in use by another thread.
        """
        with self._alone(mend=True):
            self._start()

    def close(self) -> None:
        """Let go of the artifact and the states; closing twice is no error.

        Raises
        ------
        StreamError
            If another thread is in it.
        """
        if self._backend is not None:
            with self._alone(mend=True):
                self._backend, self._runner.states = None, {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _alone(self, mend: bool = False) -> Iterator[Backend]:
        """Refuse a second thread, a closed stream, and (but to `mend` it) one that is not finite."""
        if not self._busy.acquire(blocking=False):
            raise StreamError(
                f"{self._manifest.name}: another thread is in this stream; give each thread its own "
                "with model.stream()"
            )
        try:
            if self._backend is None:
                raise StreamError(f"{self._manifest.name}: this stream is closed; open another")
            if self._runner.broken is not None and not mend:
                raise StreamError(self._runner.broken)
            yield self._backend
        except AmtExportError:
            raise
        except BaseException:  # Ctrl-C included: nobody knows what the states belong to now
            self._runner.broken = f"{self._manifest.name}: this stream was interrupted; reset() it"
            raise
        finally:
            self._busy.release()

    def _feed(self, backend: Backend, rows: Array) -> list[dict[str, Array]]:
        """Run all blocks that are full by now; the rest waits."""
        return [self._runner.run(backend, block) for block in self._buffer.blocks(rows)]

    def _start(self) -> None:
        self._runner.start()
        self._ends.start()
        self._buffer.filled = self._pushed = 0

    def _joined(self, pieces: list[dict[str, Array]], surplus: int = 0) -> dict[str, Array]:
        """Join outputs along time, less the last `surplus` frames."""
        return join_blocks(
            self._info.outputs, pieces, self._constant, self._batch, surplus, single=self._single
        )


def _checked(info: StreamInfo | None, manifest: Manifest) -> StreamInfo:
    """Return the description of the streaming form, which must be complete.

    Raises
    ------
    ArtifactError
        If there is none, or it contradicts itself.
    """
    audio = info.inputs[0].sized() if info and len(info.inputs) == 1 else ()
    if not info or not audio or audio[-1] != info.block or info.block % manifest.hop:
        raise ArtifactError(
            f"{manifest.name}: the manifest's stream contradicts itself; build the model again"
        )
    return info
