"""Artifacts as files: interface, operators, metadata, reproducibility, and the traps of the converters."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from filter_checks import ROOT, noise, small_specs
from torch import nn

from amt_export.build import build_module
from amt_export.export import FORMATS, capture
from amt_export.export.coreml import export_coreml
from amt_export.export.exported_program import export_exported_program
from amt_export.export.onnx import OPSET, export_onnx
from amt_export.export.program import quiet_torch
from amt_export.manifest import METADATA_KEY, load_manifest, sha256_of
from amt_export.parity.coreml_interface import KNOWN_OPERATORS, check_interface

NAMES = ("gammatone", "drnl", "fast_drnl")
# What our graphs consist of. No recurrence, no transform, no Pow (slow) and no Reciprocal.
OPERATORS = {
    *("Abs", "Add", "Cast", "Clip", "Concat", "Exp", "Expand", "Gather", "Log", "MatMul", "Min"),
    *("Mul", "ReduceMax", "Reshape", "Slice", "Split", "Sqrt", "Sub", "Transpose", "Unsqueeze"),
}


@pytest.fixture(params=NAMES)
def folder(request, published) -> Path:
    return published(request.param)


def artifact(folder: Path, format: str) -> Path:
    return folder / (folder.name + FORMATS[format].suffix)


def program_of(module: nn.Module, *inputs: torch.Tensor):
    return capture(module.eval(), inputs, tuple(f"x{i}" for i in range(len(inputs))), ("y",))


# The folder


def test_a_folder_holds_what_its_manifest_says(folder):
    manifest = load_manifest(folder)
    files = {entry.path for entry in manifest.files}
    assert files == {artifact(folder, kind).name for kind in FORMATS}
    assert {p.name for p in folder.iterdir()} == files | {
        "manifest.json",
        "parity.md",
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


def coreml(path: Path):
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model()
    model.ParseFromString((path / "Data" / "com.apple.CoreML" / "model.mlmodel").read_bytes())
    return model


@pytest.mark.parametrize("format", FORMATS)
def test_every_artifact_carries_its_manifest(format, folder):
    published = json.loads((folder / "manifest.json").read_text())
    del published["files"], published["parity"]
    assert json.loads(embedded(artifact(folder, format), format)) == published


# ONNX


def test_onnx_interface(folder):
    manifest, model = load_manifest(folder), onnx.load(artifact(folder, "onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)] == [("", 18)]
    for ports, values in (
        (manifest.inputs, model.graph.input),
        (manifest.outputs, model.graph.output),
    ):
        assert [v.name for v in values] == [p.name for p in ports]
        for port, value in zip(ports, values, strict=True):
            tensor = value.type.tensor_type
            assert tensor.elem_type == onnx.TensorProto.FLOAT
            assert tuple(d.dim_value for d in tensor.shape.dim) == port.shape
            assert not any(d.dim_param for d in tensor.shape.dim)


def test_onnx_operators_are_plain(folder):
    """Traps 2, 3, 4, 8: no Reciprocal, no Pow, no DFT; no loops either, and no local functions."""
    model = onnx.load(artifact(folder, "onnx"))
    found = {node.op_type for node in model.graph.node}
    assert found <= OPERATORS, found - OPERATORS
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}


def test_onnx_is_one_file(folder):
    """Trap 7: nothing beside it, nothing in it but the graph."""
    path = artifact(folder, "onnx")
    assert not [p for p in folder.iterdir() if p.suffix == ".data" or ".onnx." in p.name]
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        assert tensor.data_location == onnx.TensorProto.DEFAULT
        assert not tensor.external_data
    assert not model.doc_string
    assert not model.graph.doc_string
    for node in model.graph.node:
        assert not node.doc_string
        assert not node.metadata_props
    for value in model.graph.value_info:
        assert not value.metadata_props
    assert len(model.metadata_props) == 1


def test_float32_onnx_holds_no_float64(folder):
    model = onnx.shape_inference.infer_shapes(onnx.load(artifact(folder, "onnx")))
    types = {t.data_type for t in model.graph.initializer}
    types |= {v.type.tensor_type.elem_type for v in model.graph.value_info}
    for node in model.graph.node:
        for attribute in node.attribute:
            assert not attribute.HasField("t"), "constants are initializers"
            if node.op_type == "Cast" and attribute.name == "to":
                types.add(attribute.i)
    integers = {onnx.TensorProto.INT32, onnx.TensorProto.INT64}
    assert types <= {onnx.TensorProto.FLOAT, *integers}, types
    assert onnx.TensorProto.FLOAT in types


def test_a_float64_module_is_exported_in_float64(tmp_path):
    from dataclasses import replace

    spec = replace(small_specs()["gammatone"], dtype="float64")
    module = build_module(spec).frozen(2000)
    audio = noise(1, 2000)
    program = capture(module, (audio,), ("audio",), ("subbands",))
    export_onnx(program, tmp_path / "a.onnx", {})
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    (found,) = session.run(None, {"audio": audio.numpy()})
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, module(audio).numpy(), atol=1e-13)
    with pytest.raises(ValueError, match="float32"):
        export_coreml(program, tmp_path / "a.mlpackage", {})


# TorchScript and ExportedProgram


@pytest.mark.parametrize("format", ["torchscript", "exported_program"])
def test_torch_artifacts_run_with_named_interfaces(format, folder):
    manifest, path = load_manifest(folder), artifact(folder, format)
    audio = noise(*manifest.inputs[0].shape, dtype=torch.float32)
    with quiet_torch(), torch.no_grad():
        if format == "torchscript":
            module = torch.jit.load(path)
            names = [argument.name for argument in module.forward.schema.arguments[1:]]
        else:
            program = torch.export.load(path)
            names = list(program.graph_signature.user_inputs)
            module = program.module()
        found = module(audio)
    assert names == ["audio"]
    assert found.dtype == torch.float32
    assert tuple(found.shape) == manifest.outputs[0].shape
    expected = build_module(small_specs()[folder.name]).frozen(audio.shape[1])(audio)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))


def test_the_program_computes_with_real_numbers_only(folder):
    """Trap 7: no converter has all complex operators."""
    with quiet_torch():
        program = torch.export.load(artifact(folder, "exported_program"))
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor):
            assert not value.is_complex(), node
            assert value.dtype in (torch.float32, torch.int32, torch.int64, torch.bool), node
    text = str(program.graph)
    for operator in ("fft", "stft", "aten.pow", "reciprocal", "complex"):
        assert operator not in text


def test_weights_are_buffers_that_move(folder):
    with quiet_torch():
        module = torch.jit.load(artifact(folder, "torchscript"))
    buffers = dict(module.named_buffers())
    assert sum(b.numel() for b in buffers.values() if b.is_floating_point()) > 100
    assert not list(module.named_parameters())


# Core ML


def test_core_ml_interface_and_operators(folder):
    manifest, model = load_manifest(folder), coreml(artifact(folder, "coreml"))
    assert [f.name for f in model.description.input] == ["audio"]
    assert [f.name for f in model.description.output] == [p.name for p in manifest.outputs]
    shape = tuple(model.description.input[0].type.multiArrayType.shape)
    assert shape == manifest.inputs[0].shape
    assert operators(model) <= KNOWN_OPERATORS
    assert model.specificationVersion == 7, "iOS 16, macOS 13"
    check_interface(artifact(folder, "coreml"), manifest)


def blocks(model) -> Iterator:
    for function in model.mlProgram.functions.values():
        yield from function.block_specializations.values()


def operators(model) -> set[str]:
    return {operation.type for block in blocks(model) for operation in block.operations}


def types(model) -> set[int]:
    found = set()
    for block in blocks(model):
        for operation in block.operations:
            for output in operation.outputs:
                found.add(output.type.tensorType.dataType)
    return found


def test_core_ml_computes_in_float32(folder):
    """Trap 6: the default is float16, for weights and arithmetic."""
    from coremltools.proto import MIL_pb2

    found = types(coreml(artifact(folder, "coreml")))
    assert MIL_pb2.FLOAT32 in found
    assert MIL_pb2.FLOAT16 not in found
    assert MIL_pb2.FLOAT64 not in found


# Reproducibility

BUILD = """
import sys
import torch
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from filter_checks import small_specs
from amt_export.publish import publish
torch.set_num_threads(1)
for name in sys.argv[3:]:
    publish(small_specs()[name], Path(sys.argv[1]))
"""


MODELS_TWICE = ("gammatone", "fast_drnl")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """Models from another process, with other hashes and another folder."""
    out = tmp_path_factory.mktemp("elsewhere") / "deeper" / "than before"
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, out, ROOT / "tests", *MODELS_TWICE],
        check=True,
        cwd=tmp_path_factory.mktemp("cwd"),
        env=environment,
        timeout=300,
    )
    return out


@pytest.mark.parametrize("name", MODELS_TWICE)
@pytest.mark.parametrize("format", [name for name in FORMATS if FORMATS[name].reproducible])
def test_building_twice_gives_the_same_bytes(format, name, published, elsewhere):
    folder = published(name)
    one, two = artifact(folder, format), artifact(elsewhere / folder.name, format)
    if one.is_dir():
        for path in sorted(p for p in one.rglob("*") if p.is_file()):
            other = two / path.relative_to(one)
            assert path.read_bytes() == other.read_bytes(), path.relative_to(one)
    assert sha256_of(one) == sha256_of(two)


@pytest.mark.parametrize("name", MODELS_TWICE)
def test_the_whole_folder_is_the_same(name, published, elsewhere):
    folder = published(name)
    one, two = (
        json.loads((f / "manifest.json").read_text()) for f in (folder, elsewhere / folder.name)
    )
    for manifest in (one, two):
        manifest["files"] = [entry for entry in manifest["files"] if entry["reproducible"]]
        assert len(manifest["files"]) == 3
    assert one == two
    for picture in folder.glob("*.svg"):
        assert picture.read_bytes() == (elsewhere / folder.name / picture.name).read_bytes()
    assert (folder / "vectors.npz").exists()


def pieces(path: Path) -> Iterator[tuple[str, bytes]]:
    """Contents of a file, of all files of a folder, and of what is packed in them."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        yield file.name, file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    yield f"{file.name}:{name}", name.encode() + archive.read(name)


def test_no_artifact_knows_where_it_was_made(folder):
    private = {
        str(ROOT),
        str(folder.parent),
        str(Path(torch.__file__).parents[1]),
        str(Path.home()),
        sys.prefix,
        "site-packages",
    }
    if len(socket.gethostname()) > 5:
        private.add(socket.gethostname())
    for kind in FORMATS:
        for name, data in pieces(artifact(folder, kind)):
            for word in private:
                assert word.encode() not in data, f"{word} in {name}"


# Exporting twice, and quietly


class Twice(nn.Module):
    """The same product twice: a graph that can be tidied."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (2.0 * x).abs() + (2.0 * x).abs() + 0.0 * x


@pytest.mark.parametrize(
    ("exporter", "suffix"),
    [
        (export_onnx, ".onnx"),
        (export_exported_program, ".pt2"),
        (export_coreml, ".mlpackage"),
    ],
)
def test_exporting_twice_in_one_process_gives_the_same_bytes(exporter, suffix, tmp_path):
    paths = [tmp_path / str(k) / f"model{suffix}" for k in range(2)]
    for path in paths:
        path.parent.mkdir()
        exporter(program_of(Twice(), torch.zeros(1, 8)), path, {"b": "2", "a": "1"})
    assert sha256_of(paths[0]) == sha256_of(paths[1])


def test_metadata_comes_in_order(tmp_path):
    export_onnx(program_of(Twice(), torch.zeros(1, 8)), tmp_path / "a.onnx", {"b": "2", "a": "1"})
    props = [(p.key, p.value) for p in onnx.load(tmp_path / "a.onnx").metadata_props]
    assert props == [("a", "1"), ("b", "2")]


def test_exporting_is_silent(tmp_path, capfd):
    """Converters chat on both streams; a command line with a progress bar cannot have that."""
    program = program_of(Twice(), torch.zeros(1, 8))
    for name, kind in FORMATS.items():
        kind.export(program, tmp_path / f"{name}{kind.suffix}", {})
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""
