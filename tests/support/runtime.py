"""Tiny hand-made artifacts for the tests of the runtime, and what they compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from amt_export.manifest import MANIFEST_NAME, FileEntry, Manifest, Port, bytes_of, sha256_of

LENGTH = 64
TAPS = np.random.default_rng(1).standard_normal((3, 10)).astype(np.float32)


def fir(x, taps=TAPS):
    """Filter (..., T) by each row of taps, from rest: (..., F, T)."""
    x = np.asarray(x)
    if not x.shape[-1]:
        return np.zeros((*x.shape[:-1], len(taps), 0), np.float32)
    rows = [np.convolve(row, h)[: x.shape[-1]] for row in x.reshape(-1, x.shape[-1]) for h in taps]
    return np.reshape(rows, (*x.shape[:-1], len(taps), x.shape[-1]))


def publish(folder: Path, model: onnx.ModelProto, streaming=None, **fields) -> Path:
    """Write an artifact, a streaming one if it is given, and a manifest that says so."""
    folder.mkdir(exist_ok=True)
    entries = []
    for form, name, made in (
        ("whole", "tiny.onnx", model),
        ("stream", "tiny.stream.onnx", streaming),
    ):
        if made is not None:
            path = folder / name
            onnx.save(made, path)
            entries.append(FileEntry(name, "onnx", form, bytes_of(path), sha256_of(path), True))
    manifest = Manifest(
        name="tiny",
        module="Tiny",
        description="a tiny model",
        parameters={},
        sampling_rate=16000,
        files=tuple(entries),
        versions={},
        **{"hop": 1, "frame_length": 1, "centre_frequencies": (), **fields},
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def rewrite(folder: Path, **fields) -> None:
    """Change fields of a published manifest."""
    path = folder / MANIFEST_NAME
    manifest = replace(Manifest.from_json(path.read_text(encoding="utf-8")), **fields)
    path.write_text(manifest.to_json(), encoding="utf-8")


def sizes(shape) -> list[int | str]:
    """A shape as ONNX has it: the name of a free size is "batch"."""
    return ["batch" if size is None else size for size in shape]


def onnx_model(nodes, inputs, outputs, constants=None) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, sizes(p.shape)) for p in inputs],
        [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, sizes(p.shape)) for p in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="test"
    )


def publish_fir(folder: Path, batch: int | None = 1, **fields) -> Path:
    """Three FIR filters over mono audio, and a constant frequency grid; a batch of None is free."""
    fields.setdefault("batch", "static" if batch else "dynamic")
    audio = Port("audio", ("batch", "time"), "Pa", shape=(batch, LENGTH))
    subbands = Port("subbands", ("batch", "channel", "time"), "Pa", shape=(batch, 3, LENGTH))
    freqs = Port("freqs", ("channel",), "Hz", shape=(3,))
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "one"], ["column"]),
        helper.make_node("Conv", ["column", "taps"], ["subbands"], pads=[9, 0]),
        helper.make_node("Identity", ["grid"], ["freqs"]),
    ]
    constants = {
        "one": np.array([1]),
        "taps": TAPS[:, None, ::-1].copy(),
        "grid": np.float32([1, 2, 3]),
    }
    model = onnx_model(nodes, [audio], [subbands, freqs], constants)
    return publish(
        folder, model, **{"warm_up": 9, "inputs": (audio,), "outputs": (subbands, freqs), **fields}
    )


def publish_ears(folder: Path) -> Path:
    """Two ears, each through one FIR filter of ten taps."""
    audio = Port("audio", ("batch", "ear", "time"), "Pa", shape=(1, 2, LENGTH))
    out = Port("heard", ("batch", "ear", "time"), "Pa", shape=(1, 2, LENGTH))
    node = helper.make_node("Conv", ["audio", "taps"], ["heard"], pads=[9, 0], group=2)
    model = onnx_model([node], [audio], [out], {"taps": TAPS[:2, None, ::-1].copy()})
    return publish(folder, model, warm_up=9, inputs=(audio,), outputs=(out,))


def publish_sum(folder: Path) -> Path:
    """Two inputs that are no audio."""
    freqs = Port("freqs", ("frame", "component"), "Hz", shape=(2, 4))
    levels = Port("levels", ("frame", "component"), "dB SPL", shape=(2, 4))
    total = Port("total", ("frame", "component"), "dB SPL", shape=(2, 4))
    node = helper.make_node("Sub", ["levels", "freqs"], ["total"])
    model = onnx_model([node], [freqs, levels], [total])
    return publish(folder, model, warm_up=0, inputs=(freqs, levels), outputs=(total,))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ---------------------------------------------------------------- one call
