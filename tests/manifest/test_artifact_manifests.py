"""Artifacts and their manifest: a folder holds what it says, and every file carries it."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch

from amt_export.export import FORMATS
from amt_export.export.capture import quiet_torch
from amt_export.manifest import METADATA_KEY, load_manifest
from amt_export.model_file.building import build_module
from support.filters import small_specs
from support.folders import artifact, coreml


def test_a_folder_holds_what_its_manifest_says(folder):
    manifest = load_manifest(folder)
    files = {entry.path for entry in manifest.files}
    assert files == {artifact(folder, kind).name for kind in FORMATS}
    assert {p.name for p in folder.iterdir()} == files | {
        "manifest.json",
        "README.md",
        "vectors.npz",
        "error.svg",
        "response.svg",
    }
    assert all(entry.form == "whole" for entry in manifest.files)
    assert [entry.format for entry in manifest.files if not entry.reproducible] == ["torchscript"]
    spec = small_specs()[folder.name]
    assert manifest.parameters == spec.raw_parameters
    assert manifest.sampling_rate == 16000
    module = build_module(spec)
    assert list(manifest.centre_frequencies) == module.centre_frequencies()
    (port,), (out,) = manifest.inputs, manifest.outputs
    assert (port.name, port.shape, port.dtype, port.axes) == (
        "audio",
        spec.inputs["audio"],
        "float32",
        ("batch", "time"),
    )
    assert out.name == ("subbands" if folder.name == "gammatone" else "velocity")
    assert out.shape == (1, module.num_channels, port.shape[1])
    assert out.axes == ("batch", "channel", "time")


def embedded(path: Path, format: str) -> str:
    """The metadata entry of an artifact, read without this package's own readers."""
    if format == "onnx":
        (entry,) = onnx.load(path).metadata_props
        assert entry.key == METADATA_KEY
        return entry.value
    extra = {METADATA_KEY: ""}
    with quiet_torch():
        if format == "torchscript":
            torch.jit.load(path, _extra_files=extra)
        elif format == "exported_program":
            torch.export.load(path, extra_files=extra)
        else:
            return coreml(path).description.metadata.userDefined[METADATA_KEY]
    value = extra[METADATA_KEY]
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("format", FORMATS)
def test_every_artifact_carries_its_manifest(format, folder):
    published = json.loads((folder / "manifest.json").read_text())
    del published["files"], published["other_files"], published["parity"]
    assert json.loads(embedded(artifact(folder, format), format)) == published
