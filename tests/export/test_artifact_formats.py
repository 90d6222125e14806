"""Artifacts in each format: interface, operators, types, and the traps of the converters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from amt_export.export import capture
from amt_export.export.capture import quiet_torch
from amt_export.export.coreml import export_coreml
from amt_export.export.onnx import OPSET, export_onnx
from amt_export.manifest import load_manifest
from amt_export.model_file.building import build_module
from amt_export.verify.parity.coreml_interface import KNOWN_OPERATORS, check_interface
from support.filters import noise, small_specs
from support.folders import artifact, coreml

# What our graphs consist of. No recurrence, no transform, no Pow (slow) and no Reciprocal.
OPERATORS = {
    *("Abs", "Add", "Cast", "Clip", "Concat", "Exp", "Expand", "Gather", "Log", "MatMul", "Min"),
    *("Mul", "ReduceMax", "ReduceSum", "Reshape", "Slice", "Sqrt", "Sub", "Transpose", "Unsqueeze"),
}


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

    spec = replace(small_specs()["gammatone"], precision="float64")
    module = build_module(spec).freeze(2000)
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
    expected = build_module(small_specs()[folder.name]).freeze(audio.shape[1])(audio)
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
