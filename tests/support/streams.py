"""Tiny hand-made artifacts with a streaming form, and what they compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from amt_export.manifest import Port, StateInfo, StreamInfo
from support import runtime
from support.runtime import TAPS, fir, noise, onnx_model

__all__ = ["fir", "noise"]

BLOCK = 16
HOP, LONG = 4, 12  # frames of 12 samples every 4


def sums(x):
    """Sums over frames, those that lie within the signal: (..., S)."""
    count = max(0, 1 + (x.shape[-1] - LONG) // HOP)
    frames = [x[..., k * HOP : k * HOP + LONG].sum(-1) for k in range(count)]
    return np.stack(frames, -1) if frames else np.zeros((*x.shape[:-1], 0), np.float32)


def _zeros(inputs, outputs) -> onnx.ModelProto:
    """A model that answers zeros, in the batch of its first input where that is free."""
    nodes = [helper.make_node("Shape", [inputs[0].name], ["rows"], start=0, end=1)]
    constants = {"zero": np.zeros(1, np.float32)}
    for port in outputs:
        free = port.shape[0] is None
        size = f"size_{port.name}"
        constants[f"{size}_rest" if free else size] = np.array(port.shape[free:])
        if free:
            nodes.append(helper.make_node("Concat", ["rows", f"{size}_rest"], [size], axis=0))
        nodes.append(helper.make_node("Expand", ["zero", size], [port.name]))
    return onnx_model(nodes, inputs, outputs, constants)


def publish(folder: Path, nodes, inputs, outputs, states, constants, **fields) -> Path:
    """Write a streaming artifact, a whole form that answers zeros (nobody runs it), and a manifest."""
    info = [StateInfo(f"state_{n}", f"next_state_{n}", shape, n) for n, shape in states]
    before, after = (
        [Port(getattr(state, name), (), "", shape=state.shape) for state in info]
        for name in ("input", "output")
    )
    streaming = onnx_model(nodes, [*inputs, *before], [*outputs, *after], constants)
    ports = {"inputs": tuple(inputs), "outputs": tuple(outputs)}
    latency, skip = fields.pop("latency", 0), fields.pop("skip", 0)
    stream = StreamInfo(BLOCK, latency, tuple(info), skip, **ports)
    return runtime.publish(
        folder,
        _zeros(inputs, outputs),
        streaming,
        **{"warm_up": 9, "stream": stream, **ports, **fields},
    )


def publish_fir(folder: Path, batch: int | None = 1) -> Path:
    """Three FIR filters with the last nine samples as state, and a constant grid; a batch of None is free."""
    audio = Port("audio", ("batch", "time"), "Pa", shape=(batch, BLOCK))
    subbands = Port("subbands", ("batch", "channel", "time"), "Pa", shape=(batch, 3, BLOCK))
    freqs = Port("freqs", ("channel",), "Hz", shape=(3,))
    nodes = [
        helper.make_node("Concat", ["state_past", "audio"], ["heard"], axis=1),
        helper.make_node("Unsqueeze", ["heard", "one"], ["column"]),
        helper.make_node("Conv", ["column", "taps"], ["subbands"]),
        helper.make_node("Slice", ["heard", "from", "to", "one"], ["next_state_past"]),
        helper.make_node("Identity", ["grid"], ["freqs"]),
    ]
    constants = {
        "one": np.array([1]),
        "from": np.array([BLOCK]),
        "to": np.array([BLOCK + 9]),
        "taps": TAPS[:, None, ::-1].copy(),
        "grid": np.float32([1, 2, 3]),
    }
    return publish(folder, nodes, [audio], [subbands, freqs], [("past", (batch, 9))], constants)


def publish_frames(folder: Path) -> Path:
    """Sums over frames of both ears; frame k stands at its first sample."""
    audio = Port("audio", ("batch", "ear", "time"), "full scale", shape=(1, 2, BLOCK))
    out = Port("sums", ("batch", "ear", "frame"), "dB", shape=(1, 2, BLOCK // HOP))
    nodes = [
        helper.make_node("Concat", ["state_past", "audio"], ["heard"], axis=2),
        helper.make_node("Conv", ["heard", "ones"], ["sums"], group=2, strides=[HOP]),
        helper.make_node("Slice", ["heard", "from", "to", "two"], ["next_state_past"]),
    ]
    constants = {
        "two": np.array([2]),
        "from": np.array([BLOCK]),
        "to": np.array([BLOCK + LONG - HOP]),
        "ones": np.ones((2, 1, LONG), np.float32),
    }
    states = [("past", (1, 2, LONG - HOP))]
    fields = {"hop": HOP, "frame_length": LONG, "latency": LONG, "skip": LONG // HOP - 1}
    return publish(folder, nodes, [audio], [out], states, constants, **fields)


def publish_levels(folder: Path) -> Path:
    """Means of 4 |samples| in three channels, 10, 20 and 40 times, as if they were levels in dB."""
    audio = Port("audio", ("batch", "time"), "Pa", shape=(1, BLOCK))
    shape = (1, 3, BLOCK // HOP)
    out = Port("levels", ("batch", "channel", "frame"), "dB SPL", "db", floor=-60.0, shape=shape)
    nodes = [
        helper.make_node("Abs", ["audio"], ["magnitude"]),
        helper.make_node("Reshape", ["magnitude", "by_frame"], ["framed"]),
        helper.make_node("ReduceMean", ["framed", "last"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "weights"], ["levels"]),
        helper.make_node("Identity", ["state_age"], ["next_state_age"]),
    ]
    constants = {
        "by_frame": np.array([1, 1, BLOCK // HOP, HOP]),
        "last": np.array([3]),
        "weights": np.float32([10, 20, 40])[:, None],
    }
    fields = {"hop": HOP, "frame_length": HOP, "centre_frequencies": (500.0, 1000.0, 4000.0)}
    return publish(folder, nodes, [audio], [out], [("age", (1, 1))], constants, **fields)


def pieces(audio: np.ndarray, sizes) -> list[np.ndarray]:
    """Cut along time at the running sums of sizes; what is left is the last piece."""
    cuts = [cut for cut in np.cumsum(sizes) if cut < audio.shape[-1]]
    return np.split(audio, cuts, axis=-1)


def stream_through(stream, parts, name="subbands") -> np.ndarray:
    found = [stream.push(part)[name] for part in parts]
    return np.concatenate([*found, stream.flush()[name]], axis=-1)


def close(found, expected) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


# ---------------------------------------------------------------- what comes out


class TooLoud:
    """A backend whose answer is infinite where the audio is too large, in its output or its state."""

    def __init__(self, inner, nonfinite):
        self.inner, self.nonfinite = inner, nonfinite

    def run(self, inputs):
        answer = dict(self.inner.run(inputs))
        if np.abs(inputs["audio"]).max() > 1e30:
            answer[self.nonfinite] = answer[self.nonfinite] * np.float32(np.inf)
        return answer
