"""Run one published ONNX file in one engine and compare it with its folder's vectors; prints one line of JSON.

`test_engines.py` starts this, once for each engine and folder, in an environment that has all engines.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.manifest import Manifest, load_manifest
from amt_export.verify.parity.check import tolerances
from amt_export.verify.parity.compare import Arrays, measure
from amt_export.verify.parity.vectors import load_vectors

Run = Callable[[Mapping[str, Any]], Sequence[Any]]


@dataclass(frozen=True)
class Model:
    """An ONNX file with the names of its inputs and outputs, in order."""

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def tract(model: Model) -> Run:
    """Open in tract (Rust)."""
    import tract

    runnable = tract.onnx().load(str(model.path)).into_model().into_runnable()
    return lambda given: [
        value.to_numpy() for value in runnable.run([given[name] for name in model.inputs])
    ]


def opencv(model: Model) -> Run:
    """Open in the dnn module of OpenCV."""
    import cv2

    net = cv2.dnn.readNetFromONNX(str(model.path))

    def run(given: Mapping[str, Any]) -> Sequence[Any]:
        for name in model.inputs:
            net.setInput(given[name], name)
        found: Sequence[Any] = net.forward(list(model.outputs))
        return found

    return run


def openvino(model: Model) -> Run:
    """Open in OpenVINO on the CPU; float32, because some processors' default is bfloat16."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(model.path), "CPU", options)

    def run(given: Mapping[str, Any]) -> Sequence[Any]:
        found = compiled(dict(given))
        return [found[name] for name in model.outputs]

    return run


def onnxruntime_web(model: Model) -> Run:
    """Open in onnxruntime-web's WebAssembly, in node: a process for each signal."""

    def run(given: Mapping[str, Any]) -> Sequence[Any]:
        with tempfile.TemporaryDirectory() as folder:
            for index, name in enumerate(model.inputs):
                array = np.ascontiguousarray(given[name])
                (Path(folder) / f"input{index}.bin").write_bytes(array.tobytes())
            request = {
                "model": str(model.path),
                "folder": folder,
                "inputs": [{"name": n, "dims": list(given[n].shape)} for n in model.inputs],
                "outputs": model.outputs,
            }
            script = Path(__file__).with_name("run_engine_web.mjs")
            done = subprocess.run(
                [str(shutil.which("node")), str(script), json.dumps(request)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
            dims = json.loads(done.stdout)
            return [
                np.fromfile(Path(folder) / f"output{index}.bin", np.float32).reshape(shape)
                for index, shape in enumerate(dims)
            ]

    return run


def onnx2torch(model: Model) -> Run:
    """Convert to a torch module."""
    import torch

    # onnx2torch imports torchvision, of which it needs two functions for operators of object detection only.
    for name in ("torchvision", "torchvision.ops"):
        stub: Any = types.ModuleType(name)
        stub.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        stub.__path__ = []
        stub.nms = stub.batched_nms = stub.roi_align = None
        sys.modules[name] = stub
    import onnx2torch

    module = onnx2torch.convert(str(model.path)).eval()

    def run(given: Mapping[str, Any]) -> Sequence[Any]:
        with torch.no_grad():
            found = module(*(torch.from_numpy(given[name]) for name in model.inputs))
        values = found if isinstance(found, (tuple, list)) else [found]
        return [value.numpy() for value in values]

    return run


def float16(model: Model) -> Run:
    """Convert to float16 with onnxconverter-common, inputs and outputs excepted; open in ONNX Runtime."""
    import onnx
    from onnxconverter_common.float16 import convert_float_to_float16

    converted = convert_float_to_float16(onnx.load(model.path), keep_io_types=True)
    return _in_onnxruntime(converted.SerializeToString(), model)


def int8(model: Model) -> Run:
    """Quantize dynamically with onnxruntime.quantization; open in ONNX Runtime."""
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder) / "quantized.onnx"
        quantize_dynamic(model.path, quantized)
        return _in_onnxruntime(quantized.read_bytes(), model)


def _in_onnxruntime(content: bytes, model: Model) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no warnings that a type is not folded
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda given: session.run(list(model.outputs), dict(given))


ENGINES: dict[str, tuple[Callable[[Model], Run], str]] = {
    "tract": (tract, "tract"),
    "opencv": (opencv, "opencv-python-headless"),
    "openvino": (openvino, "openvino"),
    "onnxruntime-web": (onnxruntime_web, ""),
    "onnx2torch": (onnx2torch, "onnx2torch"),
    "float16": (float16, "onnxconverter-common"),
    "int8": (int8, "onnxruntime"),
}
"""How each engine opens a file, and the Python package whose version counts."""


def compare(engine: str, folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Worst difference of each kind of output ("relative", "db", "frequency"), and whether it is allowed."""
    entry = next(file for file in manifest.files if (file.format, file.form) == ("onnx", "whole"))
    model = Model(
        folder / entry.path,
        tuple(port.name for port in manifest.inputs),
        tuple(port.name for port in manifest.outputs),
    )
    opened = ENGINES[engine][0](model)

    def run(given: Mapping[str, Any]) -> Arrays:
        arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in given.items()}
        found = opened(arrays)
        return {name: np.asarray(v) for name, v in zip(model.outputs, found, strict=True)}

    worst = measure(run, load_vectors(folder, manifest), manifest.outputs)
    _, allowed = tolerances(manifest, entry)
    by_kind: dict[str, float] = {}
    for port in manifest.outputs:
        by_kind[port.kind] = max(by_kind.get(port.kind, 0.0), worst[port.name].value)
    within = all(value <= allowed[kind] for kind, value in by_kind.items())
    return {"worst": by_kind, "within": within}


def main() -> int:
    """Print what was found, or the engine's message."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", choices=ENGINES, metavar="ENGINE", help=", ".join(ENGINES))
    parser.add_argument("folder", type=Path, metavar="DIR", help="a published folder")
    arguments = parser.parse_args()
    engine, folder = arguments.engine, arguments.folder
    warnings.simplefilter("ignore")
    # Engines write to the standard output as they like; the line of JSON is to stand alone there.
    answer = os.dup(1)
    os.dup2(2, 1)
    package = ENGINES[engine][1]
    result: dict[str, Any] = {"version": metadata.version(package) if package else ""}
    try:
        result |= compare(engine, folder, load_manifest(folder))
    except Exception as error:  # noqa: BLE001  (engines raise what they like)
        result["error"] = f"{type(error).__name__}: {error}"
    os.write(answer, json.dumps(result).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
