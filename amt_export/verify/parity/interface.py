"""Comparison of an artifact with its folder: embedded manifest, names, shapes and dtypes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amt_export.errors import ArtifactError
from amt_export.manifest import MANIFEST_NAME, METADATA_KEY, FileEntry, Manifest, Port
from amt_export.manifest.embedded import embedded_text, open_onnx, unreadable_texts


def check_artifact(folder: Path, manifest: Manifest, entry: FileEntry) -> None:
    """Check one file of a published folder without running it.

    Raises
    ------
    ArtifactError
        If it cannot be read, carries another manifest, or has another interface.
    MissingDependencyError
        If the package that reads the format is not installed.
    """
    path = folder / entry.path
    own = manifest.of(entry.form)
    _check_embedded(path, folder / MANIFEST_NAME, own)
    if entry.format == "onnx":
        check_onnx_interface(path, own.inputs, own.outputs)


def _check_embedded(path: Path, published: Path, manifest: Manifest) -> None:
    text = embedded_text(path)
    # Both are converted to the current schema, because the copy may have an older one.
    embedded = json.loads(Manifest.from_json(text, f"{path} ({METADATA_KEY})").embedded_json())
    expected = json.loads(manifest.embedded_json())
    if embedded != expected:
        keys = sorted(embedded.keys() | expected.keys())
        differing = [key for key in keys if embedded.get(key) != expected.get(key)]
        raise ArtifactError(
            f"{path}: carries another manifest than {published} "
            f"({', '.join(differing)}); build the model again"
        )


def check_onnx_interface(path: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Compare names, shapes and dtypes of an ONNX file with the expected ones.

    Raises
    ------
    ArtifactError
        If ONNX Runtime cannot read it, or they differ.
    """
    session = open_onnx(path)
    with unreadable_texts(path):
        sides = (
            ("inputs", inputs, session.get_inputs()),
            ("outputs", outputs, session.get_outputs()),
        )
        for what, ports, found in sides:
            wanted = [_phrase(port.name, port.shape, _onnx_type(port.dtype)) for port in ports]
            given = [_phrase(value.name, value.shape, value.type) for value in found]
            if wanted != given:
                raise ArtifactError(
                    f"{path}: its {what} are {', '.join(given)}; the manifest says {', '.join(wanted)}"
                )


def _onnx_type(dtype: str) -> str:
    """The name of a dtype in ONNX Runtime."""
    return {"float32": "tensor(float)", "float64": "tensor(double)"}.get(dtype, dtype)


def _phrase(name: str, shape: Sequence[Any], type_: str) -> str:
    sizes = ["batch" if size is None else size for size in shape]
    return f"{name} {type_.removeprefix('tensor')}{sizes}"
