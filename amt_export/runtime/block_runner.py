"""One block after the other through a streaming artifact, which carries its states from each to the next."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import StreamError
from amt_export.manifest import Manifest, StreamInfo
from amt_export.runtime.axes import cut, time_axis
from amt_export.runtime.backends import Backend
from amt_export.runtime.finite import CALIBRATED, is_finite, reset_nonfinite

Array = NDArray[Any]


class BlockRunner:
    """The states of one stream, and how many frames are known.

    Parameters
    ----------
    manifest : Manifest
    info : StreamInfo
        Of its streaming form.
    shape : tuple of int
        Of a block.
    on_nonfinite : {"error", "reset", "pass"}
        See `amt_export.runtime.Stream`.

    Attributes
    ----------
    states : dict of ndarray
        What the next block is given, by the name of the input.
    known : int
        Frames given so far; those before 0 are dropped.
    broken : str or None
        Why the stream takes no more audio until it starts again.
    resets : int
        How often signals restarted from silence, because a state was not finite.
    """

    def __init__(
        self, manifest: Manifest, info: StreamInfo, shape: tuple[int, ...], on_nonfinite: str
    ) -> None:
        self._name, self._hop, self._info = manifest.name, manifest.hop, info
        self._port, self._shape = info.inputs[0], shape
        self._timed = [port for port in info.outputs if time_axis(port) is not None]
        self._frames = info.block // manifest.hop
        self._on_nonfinite = on_nonfinite
        self.resets = 0
        self.start()

    def start(self) -> None:
        """Go back to silence."""
        self.states = {
            state.input: np.full(state.sized(self._shape[0]), state.initial, state.dtype)
            for state in self._info.states
        }
        self.known = -self._info.skip
        self.broken: str | None = None

    def constants(self, backend: Backend) -> dict[str, Array]:
        """Return the outputs that do not depend on the audio, from one run on silence."""
        constant = [port.name for port in self._info.outputs if time_axis(port) is None]
        if not constant:
            return {}
        silence = np.zeros(self._shape, self._port.dtype)
        answer = backend.run({self._port.name: silence, **self.states})
        return {name: answer[name] for name in constant}

    def run(self, backend: Backend, block: Array) -> dict[str, Array]:
        """Run one block, take over its states, and return its outputs along time, less what is to be dropped.

        Raises
        ------
        StreamError
            If a state or an output is not finite, and that is an error.
        """
        answer = backend.run({self._port.name: block, **self.states})
        for state in self._info.states:
            self.states[state.input] = answer[state.output]
        dropped = min(self._frames, max(0, -self.known))
        self.known += self._frames
        outputs = {port.name: cut(answer[port.name], port, dropped) for port in self._timed}
        if self._on_nonfinite != "pass":
            if not all(map(is_finite, self.states.values())):
                self._not_finite("a state")
            elif self._on_nonfinite == "error":
                for name, value in outputs.items():
                    if not is_finite(value):
                        self._not_finite(name)
        return outputs

    def _not_finite(self, what: str) -> None:
        """Raise, or reset the signals that have a state which is not finite to silence."""
        done = (self.known + self._info.skip) * self._hop
        where = f"{self._name}: {what} is not finite after the block up to sample {done}"
        if self._on_nonfinite == "error":
            cause = f"{where} of the stream, whose audio was too large"
            self.broken = f"{cause}; reset() it, or use on_nonfinite='reset'"
            raise StreamError(self.broken).for_command_line(f"{cause}; {CALIBRATED}")
        self.resets += 1
        warnings.warn(f"{where}; the stream restarts from silence", RuntimeWarning, stacklevel=4)
        reset_nonfinite(self.states, self._info.states)
