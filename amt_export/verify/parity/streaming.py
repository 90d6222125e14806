"""The streaming form as a version of a model that takes whole signals and gives joined outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from amt_export.manifest import Manifest, Port
from amt_export.manifest.ports import stream_outputs
from amt_export.runtime.axes import cut, time_axis
from amt_export.runtime.stream import Stream
from amt_export.runtime.windows import Framing
from amt_export.verify.parity.compare import Arrays, Case, Runner

# What a stream is tried with, in s: dozens of blocks. All of the signal would take four times as long and say
# the same; that nothing drifts over an hour is measured apart (scripts/measure_streaming.py).
HEARD = 0.25


@dataclass(frozen=True)
class _Blocks:
    """Backend of a stream that calls a runner for each block."""

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
        # Values that are not finite are compared, not refused.
        stream = Stream(manifest, _Blocks(block), batch=audio.shape[0], on_nonfinite="pass")
        heard = heard_samples(manifest.sampling_rate, audio.shape[-1])
        first, last = stream.push(audio[..., :heard]), stream.flush()
        frames = comparable_frames(manifest, audio.shape[-1], heard)
        return {
            port.name: cut(_joined(first, last, port), port, frames.start, frames.stop)
            for port in stream_outputs(manifest.outputs)
        }

    return run


def heard_samples(sampling_rate: float | None, samples: int) -> int:
    """Samples of a signal that a stream is tried with: `HEARD`, or all where no rate in Hz is known."""
    return min(samples, math.ceil(HEARD * sampling_rate)) if sampling_rate else samples


def comparable_frames(manifest: Manifest, samples: int, heard: int) -> slice:
    """Frames of a signal of which a stream hears the beginning: those that do not see where it stops.

    Parameters
    ----------
    manifest : Manifest
    samples, heard : int
        Of the signal, and of its beginning.
    """
    framing = Framing(manifest.hop, manifest.frame_length)
    frames = framing.frames(heard)
    if manifest.padding != "reflect":
        inside = 1 + (heard - 1 - manifest.look_ahead) // manifest.hop
        return slice(0, frames if heard == samples else min(frames, inside))
    first = -(-manifest.warm_up // manifest.hop)
    return slice(first, 1 + (heard - manifest.look_ahead) // manifest.hop)


def whole_as_stream(manifest: Manifest, cases: Iterable[Case]) -> list[Case]:
    """Cases of whole signals as a stream can answer them."""
    samples = manifest.inputs[0].sized()[-1]
    frames = comparable_frames(manifest, samples, heard_samples(manifest.sampling_rate, samples))
    ports = {port.name: port for port in stream_outputs(manifest.outputs)}

    def known(outputs: Mapping[str, npt.NDArray[np.floating]]) -> Arrays:
        return {
            name: cut(outputs[name], port, frames.start, frames.stop)
            for name, port in ports.items()
            if name in outputs
        }

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
