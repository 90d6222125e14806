"""The streaming form as one more version of a model: whole signals in, joined outputs out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from amt_export.manifest import Manifest, Port
from amt_export.runtime.axes import cut, time_axis
from amt_export.runtime.stream import Stream
from amt_export.runtime.windows import Framing
from amt_export.verify.parity.compare import Arrays, Case, Runner

# What a stream is tried with, in s: dozens of blocks. All of the signal would take four times as long and say
# the same; that nothing drifts over an hour is measured apart (scripts/measure_streaming.py).
HEARD = 0.25


@dataclass(frozen=True)
class _Blocks:
    """A runner of one block with its states, as the backend of a stream."""

    call: Runner

    def run(self, inputs: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
        return dict(self.call(inputs))


def streamed(manifest: Manifest, block: Runner) -> Runner:
    """A runner of whole signals from one of blocks: from silence, to the last frame of `HEARD`.

    Parameters
    ----------
    manifest : Manifest
        With a streaming form.
    block : callable
        Runs the streaming artifact once: audio and states by name, to outputs and next states.
    """

    def run(inputs: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
        (audio,) = inputs.values()
        # What is wrong is measured, not refused.
        stream = Stream(manifest, _Blocks(block), batch=audio.shape[0], on_nonfinite="pass")
        heard = heard_samples(manifest.sampling_rate, audio.shape[-1])
        first, last = stream.push(audio[..., :heard]), stream.flush()
        frames = comparable_frames(manifest, heard)
        return {
            port.name: cut(_joined(first, last, port), port, frames.start, frames.stop)
            for port in manifest.outputs
        }

    return run


def heard_samples(sampling_rate: float | None, samples: int) -> int:
    """Samples of a signal that a stream is tried with: `HEARD`, or all where no rate in Hz is known."""
    return min(samples, math.ceil(HEARD * sampling_rate)) if sampling_rate else samples


def comparable_frames(manifest: Manifest, samples: int) -> slice:
    """Frames of a signal that a stream can know: all, or those that see no mirrored end."""
    framing = Framing(manifest.hop, manifest.frame_length)
    frames = framing.frames(samples)
    if manifest.padding != "reflect":
        return slice(0, frames)
    first = -(-manifest.warm_up // manifest.hop)
    return slice(first, 1 + (samples - manifest.look_ahead) // manifest.hop)


def whole_as_stream(manifest: Manifest, cases: Iterable[Case]) -> list[Case]:
    """Cases of whole signals as a stream can answer them."""
    frames = comparable_frames(
        manifest, heard_samples(manifest.sampling_rate, manifest.inputs[0].sized()[-1])
    )
    ports = {port.name: port for port in manifest.outputs}

    def known(outputs: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
        return {n: cut(value, ports[n], frames.start, frames.stop) for n, value in outputs.items()}

    return [
        replace(
            case,
            outputs=known(case.outputs),
            left_out=None if case.left_out is None else case.left_out[:, frames],
        )
        for case in cases
    ]


def _joined(
    first: Mapping[str, npt.NDArray[np.floating]],
    last: Mapping[str, npt.NDArray[np.floating]],
    port: Port,
) -> npt.NDArray[np.floating]:
    axis = time_axis(port)
    if axis is None:
        return first[port.name]
    return np.concatenate([first[port.name], last[port.name]], axis)
