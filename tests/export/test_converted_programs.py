"""What exporters leave out to be fast makes no difference to what they write."""

from __future__ import annotations

import io
from pathlib import Path

import coremltools as ct
import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto
from torch import Tensor, nn

from amt_export.export import FORMATS, capture, coreml, onnx
from amt_export.export.capture import quiet_torch
from amt_export.modules import GammatoneFilterbank, Moore2016Spectrum
from support.filters import noise

CAPTURED = {
    "gammatone": (lambda: GammatoneFilterbank((500.0, 2000.0), 16000), (1, 2000)),
    "spectrum": (Moore2016Spectrum, (1, 2, 2080)),
}


@pytest.fixture(params=CAPTURED, scope="module")
def program(request):
    make, shape = CAPTURED[request.param]
    module = make().freeze(shape[-1])
    names = tuple(port.name for port in module.output_ports)
    return capture(module, (torch.zeros(shape),), ("audio",), names)


def written(program, kind: str, folder: Path) -> dict[str, bytes]:
    """All bytes of an artifact, by file."""
    folder.mkdir()
    FORMATS[kind].export(program, folder / f"model{FORMATS[kind].suffix}", {"a": "b"})
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_passes_that_are_skipped_change_no_package(program, tmp_path, monkeypatch):
    assert ct.__version__ == coreml.PASSES_OF
    short = written(program, "coreml", tmp_path / "short")
    monkeypatch.setattr(coreml, "PASSES_OF", "another version")
    assert written(program, "coreml", tmp_path / "all") == short


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
    """The usual way, which other versions of torch go: its exporter decomposes. Values have other names."""
    short = written(program, "onnx", tmp_path / "short")
    monkeypatch.setattr(onnx, "DECOMPOSES_OF", "another version")
    usual = written(program, "onnx", tmp_path / "all")
    assert renamed(usual["model.onnx"]) == renamed(short["model.onnx"])


def test_what_onnx_has_no_operator_for_is_decomposed(tmp_path):
    class Entropy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.entr(torch.abs(x))

    captured = capture(Entropy(), (torch.ones(1, 8),), ("x",), ("y",))
    path = tmp_path / "a.onnx"
    onnx.export_onnx(captured, path, {})
    x = noise(1, 8).float()
    (found,) = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy()})
    np.testing.assert_allclose(found, Entropy()(x).numpy(), rtol=1e-6, atol=1e-7)
    # The captured program is as it was.
    torch.testing.assert_close(captured.exported.module()(x), Entropy()(x), rtol=0, atol=0)


def test_a_program_may_be_decomposed_by_position_and_by_keyword(program):
    """As torch documents it; another caller than the exporter may come."""
    audio = 0.1 * noise(*program.inputs[0].shape).float()
    for ready in (
        onnx._ready(program).run_decompositions({}),
        onnx._ready(program).run_decompositions(decomp_table={}),
    ):
        torch.testing.assert_close(ready.module()(audio), program.module(audio), rtol=0, atol=0)


def test_a_program_computes_what_its_module_does(program):
    audio = 0.1 * noise(*program.inputs[0].shape).float()
    archive = io.BytesIO()
    with quiet_torch(), torch.no_grad():
        torch.export.save(program.exported, archive)
        archive.seek(0)
        expected = program.module(audio)
        for version in (program.exported, torch.export.load(archive)):
            torch.testing.assert_close(version.module()(audio), expected, rtol=0, atol=0)


def test_a_program_is_functional_and_says_nothing_of_its_origin(program):
    for node in program.exported.graph.nodes:
        assert node.target is not torch.ops.aten.alias.default
        assert not str(node.target).split(".")[0].endswith("_"), node
        assert not {"stack_trace", "from_node", "nn_module_stack", "torch_fn"} & set(node.meta)
    assert program.exported.dialect == "ATEN"
