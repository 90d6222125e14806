"""A signal block by block: what microphones and ten-hour files need.

A streaming artifact takes one block of audio and its states, and gives the outputs of this block and
the next states. A `Stream` carries the states, cuts whatever it is given into blocks, and drops what a
model says about the silence before the signal, so that its joined outputs are those of one run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import AmtExportError, ArtifactError, BackendError, InputError, StreamError
from amt_export.manifest import Manifest, StreamInfo
from amt_export.manifest.ports import BEYOND_END, ELAPSED
from amt_export.runtime.axes import cut, time_axis
from amt_export.runtime.backends import Backend
from amt_export.runtime.finite import CALIBRATED, check_choice, is_finite
from amt_export.runtime.inputs import block_rows
from amt_export.runtime.stream_state import (
    RECENT,
    SAMPLES,
    WAITING,
    checked_state,
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
        What to do about NaN and infinity. "error": InputError for audio that is not finite, the stream is as
        it was; StreamError where finite audio was too large, and it refuses to go on until `reset`. "reset":
        take such audio, and where it spoils a state, which a recursive filter would never forget, go on from
        silence with the next block, warn, and count it in `resets`. "pass": let everything through.
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
        if batch < 1:
            raise InputError(f"batch is {batch}; give one signal or more")
        self._manifest = manifest
        self._info = _checked(manifest.streaming().stream, manifest)
        self._port = self._info.inputs[0]
        self._timed = [port for port in self._info.outputs if time_axis(port) is not None]
        self._framing = Framing(manifest.hop, manifest.frame_length)
        self._backend: Backend | None = backend
        self._busy = Lock()
        self._on_nonfinite = on_nonfinite
        self._reopen = reopen
        self.resets = 0
        self._states: dict[str, Array] = {}
        self._shape = self._port.sized(batch)
        if self._shape[0] != batch and batch != 1:
            raise InputError(
                f"{manifest.name}: the artifact's batch is {self._shape[0]}, not {batch}; "
                'build it with batch = "dynamic" under [export]'
            )
        self._batch = self._shape[0]
        # Samples that are mirrored at either end, and those of whole hops; 0 where nothing is.
        self._mirror = mirrored(manifest, self._info)
        self._lead = -(-self._mirror // manifest.hop) * manifest.hop
        self._pending = np.zeros(self._shape, self._port.dtype)
        self._filled = 0  # samples in it, waiting for their block to be full
        self._pushed = 0
        self._known = 0  # frames given so far; those before 0 are dropped
        self._broken: str | None = None  # why it cannot go on
        self._single = self._batch == 1  # whether the audio comes without its batch axis
        self._start()
        self._constant = self._constants(backend)

    @property
    def manifest(self) -> Manifest:
        """What the folder says about the model."""
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
        """Samples behind the place of a frame that must be pushed before it comes."""
        return self._info.latency

    @property
    def samples(self) -> int:
        """Samples pushed so far."""
        return self._pushed

    @property
    def state(self) -> dict[str, Array]:
        """All that the stream remembers, as named arrays of its own: to be saved, forked, resumed.

        The states of the artifact by their names, the samples that wait for their block to be full, and the
        number of samples pushed. Setting it makes a stream of the same model go on from there.

        Raises
        ------
        StreamError
            If the stream is closed, in use by another thread, or not finite any more.
        InputError
            If what is set is not the state of such a stream.
        """
        with self._alone():
            return {
                **{name: value.copy() for name, value in self._states.items()},
                WAITING: np.concatenate([self._head, self._pending[..., : self._filled]], axis=-1),
                SAMPLES: np.array(self._pushed, np.int64),
                **({RECENT: self._recent.copy()} if self._mirror else {}),
            }

    @state.setter
    def state(self, value: Mapping[str, Array]) -> None:
        with self._alone(mend=True):
            given = checked_state(value, self._info, self._shape, self._mirror, self._lead)
            waiting, pushed = given[WAITING], int(given[SAMPLES])
            self._start()
            for info in self._info.states:
                self._states[info.input] = given[info.input].astype(info.dtype)
            self._pushed = pushed
            if self._mirror:
                self._recent = given[RECENT].astype(self._port.dtype)
            if self._mirror and pushed <= self._mirror:
                self._head = waiting.astype(self._port.dtype)
            else:
                self._keep(waiting)
                self._known += (pushed - self._filled) // self._manifest.hop

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
        """Go on with the signal.

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
            rows = self._mirrored_start(rows)
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
            pieces = self._feed(backend, self._head)  # of a signal too short to be mirrored
            tail = self._recent[..., -2 : -2 - self._mirror : -1]
            beyond = -self._filled
            while self._known < due:
                room = self._pending[..., self._filled :]
                piece, tail = tail[..., : room.shape[-1]], tail[..., room.shape[-1] :]
                room[..., : piece.shape[-1]] = piece
                room[..., piece.shape[-1] :] = 0.0
                self._filled = 0
                beyond += self.block
                if self._mirror:
                    self._states[f"state_{BEYOND_END}"].fill(max(0, beyond))
                pieces.append(self._run(backend, self._pending))
            answer = self._joined(pieces, self._known - due)
            self._start()
            return answer

    def reset(self) -> None:
        """Forget the signal and start afresh, as if nothing had been pushed.

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
                self._backend, self._states = None, {}

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
            if self._broken is not None and not mend:
                raise StreamError(self._broken)
            yield self._backend
        except AmtExportError:
            raise
        except BaseException:  # Ctrl-C included: nobody knows what the states belong to now
            self._broken = f"{self._manifest.name}: this stream was interrupted; reset() it"
            raise
        finally:
            self._busy.release()

    def _mirrored_start(self, rows: Array) -> Array:
        """Count samples, and put the mirror image before the first ones: when there are enough of them."""
        reach, hop = self._mirror, self._manifest.hop
        waiting = self._pushed <= reach
        self._pushed += rows.shape[-1]
        if not reach:
            return rows
        self._recent = np.concatenate([self._recent, rows], axis=-1)[..., -1 - reach :]
        if not waiting:
            return rows
        head = np.concatenate([self._head, rows], axis=-1)
        if self._pushed <= reach:
            self._head = head
            return rows[..., :0]
        self._head = head[..., :0]
        lead = self._lead
        self._states[f"state_{ELAPSED}"].fill(-lead)
        self._known -= lead // hop
        silence = np.zeros((*rows.shape[:-1], lead - reach), rows.dtype)
        return np.concatenate([silence, head[..., reach:0:-1], head], axis=-1)

    def _feed(self, backend: Backend, rows: Array) -> list[dict[str, Array]]:
        """Run all blocks that are full by now; the rest waits."""
        pieces: list[dict[str, Array]] = []
        taken = 0
        if self._filled:
            taken = min(self.block - self._filled, rows.shape[-1])
            self._keep(rows[..., :taken])
            if self._filled == self.block:
                self._filled = 0
                pieces.append(self._run(backend, self._pending))
        while rows.shape[-1] - taken >= self.block:
            pieces.append(self._run(backend, rows[..., taken : taken + self.block]))
            taken += self.block
        self._keep(rows[..., taken:])
        return pieces

    def _start(self) -> None:
        self._states = {
            state.input: np.full(state.sized(self._batch), state.initial, state.dtype)
            for state in self._info.states
        }
        self._filled = self._pushed = 0
        self._head = self._recent = np.zeros((*self._shape[:-1], 0), self._port.dtype)
        self._known = -self._info.skip
        self._broken = None

    def _constants(self, backend: Backend) -> dict[str, Array]:
        """Return the outputs that do not depend on the audio, from one run on silence."""
        constant = [port.name for port in self._info.outputs if time_axis(port) is None]
        if not constant:
            return {}
        answer = backend.run({self._port.name: self._pending, **self._states})
        return {name: answer[name] for name in constant}

    def _keep(self, rows: Array) -> None:
        """Put samples into the block that is waiting to be full."""
        stop = self._filled + rows.shape[-1]
        self._pending[..., self._filled : stop] = rows
        self._filled = stop

    def _run(self, backend: Backend, block: Array) -> dict[str, Array]:
        """Run one block, take over its states, and return its outputs without what is to be dropped."""
        answer = backend.run({self._port.name: block, **self._states})
        for state in self._info.states:
            self._states[state.input] = answer[state.output]
        frames = self.block // self._manifest.hop
        dropped = min(frames, max(0, -self._known))
        self._known += frames
        outputs = {port.name: cut(answer[port.name], port, dropped) for port in self._timed}
        if self._on_nonfinite != "pass":
            if not all(map(is_finite, self._states.values())):
                self._not_finite("a state")
            elif self._on_nonfinite == "error":
                for name, value in outputs.items():
                    if not is_finite(value):
                        self._not_finite(name)
        return outputs

    def _not_finite(self, what: str) -> None:
        """Raise, or put the rows whose states are spoilt back to silence."""
        done = (self._known + self._info.skip) * self._manifest.hop
        where = f"{self._manifest.name}: {what} is not finite after the block up to sample {done}"
        if self._on_nonfinite == "error":
            what = f"{where} of the stream, whose audio was too large"
            self._broken = f"{what}; reset() it, or use on_nonfinite='reset'"
            raise StreamError(self._broken).for_command_line(f"{what}; {CALIBRATED}")
        self.resets += 1
        warnings.warn(f"{where}; the stream restarts from silence", RuntimeWarning, stacklevel=4)
        rows = range(self._batch)
        spoilt = [
            row for row in rows if not all(is_finite(state[row]) for state in self._states.values())
        ]
        for info in self._info.states:
            mended = self._states[info.input].copy()
            mended[spoilt] = info.initial
            self._states[info.input] = mended

    def _joined(self, pieces: list[dict[str, Array]], surplus: int = 0) -> dict[str, Array]:
        """Join outputs along time, less the last `surplus` frames."""
        answer = {}
        for port in self._info.outputs:
            axis = time_axis(port)
            if axis is None:
                answer[port.name] = self._constant[port.name]
                continue
            if not pieces:
                shape = port.sized(self._batch)
                joined = np.zeros((*shape[:axis], 0, *shape[axis + 1 :]), port.dtype)
            elif len(pieces) == 1:
                joined = pieces[0][port.name]
            else:
                joined = np.concatenate([piece[port.name] for piece in pieces], axis)
            joined = cut(joined, port, 0, joined.shape[axis] - max(0, surplus))
            answer[port.name] = joined[0] if self._single else joined
        return answer


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
