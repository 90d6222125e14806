"""What the tests of published folders share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from amt_export.export import FORMATS
from amt_export.manifest import Manifest, bytes_of, load_manifest, sha256_of


def sign(folder: Path) -> None:
    """Make a folder's manifest agree with its damaged files."""
    manifest = load_manifest(folder)
    files, others = (
        tuple(
            replace(e, bytes=bytes_of(folder / e.path), sha256=sha256_of(folder / e.path))
            for e in entries
        )
        for entries in (manifest.files, manifest.other_files)
    )
    signed = replace(manifest, files=files, other_files=others)
    (folder / "manifest.json").write_text(signed.to_json(), encoding="utf-8")


def artifact(folder: Path, format: str) -> Path:
    return folder / (folder.name + FORMATS[format].suffix)


def coreml(path: Path):
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model()
    model.ParseFromString((path / "Data" / "com.apple.CoreML" / "model.mlmodel").read_bytes())
    return model


def write(folder: Path, manifest: Manifest) -> None:
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def keep_only(folder: Path, *formats: str) -> None:
    """Leave some formats in a folder, so that the others take no time."""
    manifest = load_manifest(folder)
    kept = tuple(entry for entry in manifest.files if entry.format in formats)
    write(folder, replace(manifest, files=kept))


def scale_channel(path: Path, channel: int, factor: float) -> None:
    """Scale one channel of an ONNX file's only output."""
    model = onnx.load(path)
    (output,) = model.graph.output
    shape = [d.dim_value for d in output.type.tensor_type.shape.dim]
    factors = np.ones((1, shape[1], 1), np.float32)
    factors[0, channel] = factor
    for node in model.graph.node:
        for i, name in enumerate(node.output):
            if name == output.name:
                node.output[i] = "unscaled"
    model.graph.initializer.append(onnx.numpy_helper.from_array(factors, "factors"))
    model.graph.node.append(
        onnx.helper.make_node("Mul", ["unscaled", "factors"], [output.name], "scale")
    )
    onnx.save(model, path)
