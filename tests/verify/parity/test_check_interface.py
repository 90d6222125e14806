"""`check` notices another interface: other names, shapes, or a manifest that is not the artifact's."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest

from amt_export.errors import ArtifactError
from amt_export.manifest import load_manifest
from amt_export.verify.parity import check_folder
from support.folders import keep_only, sign, write


def rename_output(model: onnx.ModelProto) -> None:
    old = model.graph.output[0].name
    model.graph.output[0].name = "other"
    for node in model.graph.node:
        node.output[:] = ["other" if name == old else name for name in node.output]


def widen_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value += 1


def other_manifest(model: onnx.ModelProto) -> None:
    (entry,) = model.metadata_props
    entry.value = entry.value.replace('"fs": 16000', '"fs": 16001')


def no_manifest(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_output, r"its outputs are other \(float\)"),
        (widen_input, "ONNX Runtime cannot read it|its inputs are audio"),
        (other_manifest, r"carries another manifest than .*manifest\.json \(parameters\)"),
        (no_manifest, "not made by amt-export"),
    ],
)
def test_another_interface_is_noticed(change, message, writable):
    folder = writable("gammatone")
    keep_only(folder, "onnx")
    model = onnx.load(folder / "gammatone.onnx")
    change(model)
    onnx.save(model, folder / "gammatone.onnx")
    sign(folder)
    with pytest.raises(ArtifactError, match=message):
        check_folder(folder, vectors_only=True)


@pytest.mark.parametrize("format", ["torchscript", "exported_program", "onnx", "coreml"])
def test_an_edited_manifest_is_noticed(format, writable):
    folder = writable("gammatone")
    keep_only(folder, format)
    manifest = load_manifest(folder)
    write(folder, replace(manifest, centre_frequencies=(1.0, *manifest.centre_frequencies[1:])))
    with pytest.raises(ArtifactError, match=r"another manifest .*\(centre_frequencies\)"):
        check_folder(folder, vectors_only=True)


def test_a_manifest_without_the_parity_of_an_output(writable):
    folder = writable("gammatone")
    write(folder, replace(load_manifest(folder), parity=()))
    with pytest.raises(ArtifactError, match=r"no tolerance of .* for relative outputs"):
        check_folder(folder, vectors_only=True)
