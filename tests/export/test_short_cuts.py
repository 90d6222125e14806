"""What exporters leave out to be fast makes no difference to what they write."""

from __future__ import annotations

import contextlib
from pathlib import Path

import coremltools as ct
import pytest
import torch
from coremltools.converters.mil.mil import Program as MilProgram
from onnx import ModelProto
from torch import nn

from amt_export.export import FORMATS, capture, onnx
from amt_export.modules import (
    GammatoneFilterbank,
    Moore2016ExcitationPattern,
    Moore2016Spectrum,
)

CAPTURED = {
    "gammatone": (lambda: GammatoneFilterbank((500.0, 2000.0), 16000), (1, 2000)),
    "spectrum": (Moore2016Spectrum, (1, 2, 2080)),
}


@pytest.fixture(params=CAPTURED, scope="module")
def program(request):
    make, shape = CAPTURED[request.param]
    module = make().frozen(shape[-1])
    names = tuple(port.name for port in module.output_ports)
    return capture(module, (torch.zeros(shape),), ("audio",), names)


def written(program, kind: str, folder: Path) -> dict[str, bytes]:
    """All bytes of an artifact, by file."""
    folder.mkdir()
    FORMATS[kind].export(program, folder / f"model{FORMATS[kind].suffix}", {"a": "b"})
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_passes_that_are_skipped_change_no_package(program, tmp_path, monkeypatch):
    short = written(program, "coreml", tmp_path / "short")
    default = ct.PassPipeline.DEFAULT

    class Everything:
        def __new__(cls, _names):
            return default

    monkeypatch.setattr(ct, "PassPipeline", Everything)
    assert len(default.passes) > 80
    assert written(program, "coreml", tmp_path / "all") == short


def test_a_core_ml_program_is_validated_once(program, tmp_path, monkeypatch):
    """It used to be some forty times; and what is found then still stops the export."""
    checked = []
    monkeypatch.setattr(MilProgram, "validate", lambda self, *_a, **_k: checked.append(self))
    written(program, "coreml", tmp_path / "good")
    assert len(checked) == 1
    assert checked[0].functions["main"].outputs

    def refuse(*_arguments, **_options):
        raise ValueError("not valid")

    monkeypatch.setattr(MilProgram, "validate", refuse)
    with pytest.raises(ValueError, match="not valid"):
        written(program, "coreml", tmp_path / "bad")
    assert not list((tmp_path / "bad").iterdir())
    assert MilProgram.validate is refuse


def renamed(model: bytes) -> bytes:
    """An ONNX file whose values are called by the order in which they come."""
    proto, names = ModelProto.FromString(model), {}
    graph = proto.graph
    for node in graph.node:
        node.name = ""
        for values in (node.input, node.output):
            values[:] = [names.setdefault(value, f"v{len(names)}") for value in values]
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = names[value.name]
    for values in (graph.initializer, graph.value_info):
        ordered = sorted(values, key=lambda value: value.name)
        del values[:]
        values.extend(ordered)
    return proto.SerializeToString(deterministic=True)


def test_an_onnx_file_is_the_one_of_the_usual_way(program, tmp_path, monkeypatch):
    """The usual way: torch's exporter on what torch.export returns. Its values have other names."""
    short = written(program, "onnx", tmp_path / "short")
    plain = torch.export.export(program.module, program.inputs, strict=False)
    monkeypatch.setattr(onnx, "_ready", lambda _program: plain)
    monkeypatch.setattr(onnx, "one_registry", contextlib.nullcontext)
    usual = written(program, "onnx", tmp_path / "all")
    assert renamed(usual["model.onnx"]) == renamed(short["model.onnx"])


def test_translations_are_found_once():
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    before = ONNXRegistry.__dict__["from_torchlib"]
    with onnx.one_registry():
        first = ONNXRegistry.from_torchlib(opset_version=18)
    with onnx.one_registry():
        assert ONNXRegistry().from_torchlib(opset_version=18) is first
        assert ONNXRegistry.from_torchlib(opset_version=20) is not first
    assert ONNXRegistry.__dict__["from_torchlib"] is before


def test_a_large_graph_has_nothing_to_decompose(monkeypatch):
    """It would take as long again as capturing it."""
    module = Moore2016ExcitationPattern().frozen()
    inputs = (torch.full((1, 3, 4), 500.0), torch.full((1, 3, 4), 60.0))
    captured = capture(module, inputs, ("freqs", "levels"), ("excitation",))
    again = []
    original = torch.export.ExportedProgram.run_decompositions
    monkeypatch.setattr(
        torch.export.ExportedProgram,
        "run_decompositions",
        lambda *arguments, **options: again.append(1) or original(*arguments, **options),
    )
    onnx.named_program(captured)
    assert not again


def test_what_has_to_be_decomposed_still_is():
    class Soft(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.softsign(x)

    captured = capture(Soft(), (torch.ones(1, 8),), ("x",), ("y",))
    ready = onnx._ready(captured)
    (call,) = [n.target for n in ready.graph.nodes if n.op == "call_function"][:1]
    table = {call: lambda x: torch.ops.aten.neg(x)}
    assert ready.run_decompositions({}) is ready
    changed = ready.run_decompositions(table)
    assert torch.ops.aten.neg.default in {n.target for n in changed.graph.nodes}
    # The program itself stays.
    assert torch.ops.aten.neg.default not in {n.target for n in captured.exported.graph.nodes}


def test_a_program_is_functional_and_says_nothing_of_its_origin(program):
    for node in program.exported.graph.nodes:
        assert node.target is not torch.ops.aten.alias.default
        assert not str(node.target).split(".")[0].endswith("_"), node
        assert not {"stack_trace", "from_node", "nn_module_stack", "torch_fn"} & set(node.meta)
    assert program.exported.dialect == "ATEN"
