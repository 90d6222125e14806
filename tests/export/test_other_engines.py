"""What the exporters write so that other engines than ONNX Runtime and Core ML's own converter read it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from amt_export.coreml_interpreter import Interpreter
from amt_export.export import capture
from amt_export.export.coreml import export_coreml
from amt_export.export.onnx import export_onnx
from amt_export.lint import errors_of, lint
from amt_export.modules import Moore2016Spectrum
from amt_export.modules.excitation.component_lines import lines_on_channel
from support.filters import noise


class Grid(nn.Module):
    """Levels, and a grid that depends on no input and is used inside too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("grid", torch.arange(4.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.grid, self.grid


class Pieces(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        first, second, third = torch.split(x, [1, 2, 1], dim=-1)
        left, right = torch.chunk(second, 2, dim=-1)
        return torch.cat([third, right, first, left], dim=-1)


class Gated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (x > 0.0).to(x.dtype)


class Filled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.new_zeros(1, 3000), x.reshape(1, -1)], dim=-1)


class Scattered(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        order = torch.argsort(x, -1)
        return torch.zeros_like(x).scatter_add(-1, order, x)


class Loudest(nn.Module):
    """Maxima over the last axis, over an axis between others, and over one that MaxPool takes for the batch."""

    def forward(self, x: Tensor) -> Tensor:
        frames = x.reshape(1, 2, 2, 1)
        last, between = x.reshape(1, 1, 4).amax(2, keepdim=True), frames.amax(2, keepdim=True)
        return torch.cat([last.flatten(), between.flatten(), x.amax(0, keepdim=True).flatten()])


@pytest.mark.parametrize("make", [Pieces, Gated, Filled, Scattered, Loudest])
def test_the_same_numbers_without_traps(make, tmp_path):
    x = noise(1, 4).float()
    path = tmp_path / "a.onnx"
    export_onnx(capture(make(), (x,), ("x",), ("level",)), path, {})
    (found,) = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy()})
    assert np.array_equal(found, make()(x).numpy())
    assert not errors_of(lint(path))
    for node in onnx.load(path).graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        assert node.op_type != "Split"
        if make in (Gated, Filled):
            assert node.op_type != "Cast"
        assert attributes.get("axis", 0) >= 0
        if node.op_type == "Reshape":
            assert attributes["allowzero"] == 0
        if node.op_type == "ConstantOfShape":
            assert "value" in attributes


def test_maxima_over_frames_are_not_written_with_axes_as_an_input(tmp_path):
    """ReduceMax of opset 18, which onnx2torch does not know; a maximum over the batch stays one."""
    x, path = noise(1, 4).float(), tmp_path / "a.onnx"
    export_onnx(capture(Loudest(), (x,), ("x",), ("level",)), path, {})
    graph = onnx.load(path).graph
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    maxima = [node for node in graph.node if node.op_type == "ReduceMax"]
    assert [constants[node.input[1]].tolist() for node in maxima] == [[0]]


@pytest.mark.parametrize("form", ["", ".stream"])
def test_limits_of_loudness_come_in_pairs(form, published_onnx):
    """onnx2torch does not open a Clip with an upper limit alone."""
    path = published_onnx("moore2016_loudness_32k") / f"moore2016_loudness_32k{form}.onnx"
    limits = [node.input[1:] for node in onnx.load(path).graph.node if node.op_type == "Clip"]
    assert any(len(given) == 2 for given in limits)
    assert all(given[0] for given in limits)


def test_a_size_of_zero_keeps_allowzero(tmp_path):
    class Empty(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x[:, :0].reshape(0, 4), x], dim=0)

    x, path = noise(1, 4).float(), tmp_path / "a.onnx"
    export_onnx(capture(Empty(), (x,), ("x",), ("level",)), path, {})
    (found,) = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy()})
    assert np.array_equal(found, x.numpy())


def test_an_onnx_output_is_computed(tmp_path):
    x, path = noise(1, 4).float(), tmp_path / "a.onnx"
    export_onnx(capture(Grid(), (x,), ("x",), ("level", "freqs")), path, {})
    session = onnxruntime.InferenceSession(path)
    assert [value.name for value in session.get_outputs()] == ["level", "freqs"]
    level, freqs = session.run(None, {"x": x.numpy()})
    assert np.array_equal(level, (x * torch.arange(4.0)).numpy())
    assert np.array_equal(freqs, np.arange(4.0))
    assert not errors_of(lint(path))


class Read(nn.Module):
    """Levels, and their sum, which the graph computes from the output."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        level = x * 2.0
        return level, level.sum(-1)


def test_an_onnx_graph_does_not_read_its_own_outputs(tmp_path):
    """The converter to float16 would keep such an output in float32, and what reads it in float16."""
    x, path = noise(1, 4).float(), tmp_path / "a.onnx"
    export_onnx(capture(Read(), (x,), ("x",), ("level", "sum")), path, {})
    session = onnxruntime.InferenceSession(path)
    level, total = session.run(["level", "sum"], {"x": x.numpy()})
    assert np.array_equal(level, (x * 2.0).numpy())
    np.testing.assert_allclose(total, (x * 2.0).sum(-1).numpy(), rtol=1e-6)
    read = {name for node in onnx.load(path).graph.node for name in node.input}
    assert read.isdisjoint({"level", "sum"})


def test_the_spectrum_casts_nothing_to_float32(tmp_path):
    """The converter to float16 leaves such a Cast as it is; here it would be from the numbers of components."""
    module, path = Moore2016Spectrum(), tmp_path / "a.onnx"
    names = tuple(port.name for port in module.output_ports)
    export_onnx(capture(module, (torch.zeros(1, 2, 2112),), ("audio",), names), path, {})
    casts = [node for node in onnx.load(path).graph.node if node.op_type == "Cast"]
    assert casts
    assert onnx.TensorProto.FLOAT not in [
        helper.get_attribute_value(node.attribute[0]) for node in casts
    ]


class Lines(nn.Module):
    """The numbers of components from which Moore2016ExcitationPattern computes its exponents."""

    def forward(self, f: Tensor) -> Tensor:
        return torch.cat(lines_on_channel(f, f * 0.5, f.amax() * 0.1), dim=3)


def test_a_core_ml_package_has_no_table_of_zeros(tmp_path):
    """coremltools writes zeros_like in full, which was 3.6 of the 4.4 MB of moore2016_excitation_32k."""
    f, path = noise(1, 40, 958).float(), tmp_path / "a.mlpackage"
    export_coreml(capture(Lines(), (f,), ("f",), ("level",)), path, {})
    assert not [finding for finding in lint(path) if finding.rule == "repeated-constant"]
    found = Interpreter(path).run({"f": f.numpy()})["level"]
    np.testing.assert_allclose(found, Lines()(f).numpy(), rtol=1e-6)


def test_a_core_ml_output_is_computed(tmp_path):
    x, path = noise(1, 4).float(), tmp_path / "a.mlpackage"
    export_coreml(capture(Grid(), (x,), ("x",), ("level", "freqs")), path, {})
    found = Interpreter(path).run({"x": x.numpy()})
    np.testing.assert_allclose(found["level"], (x * torch.arange(4.0)).numpy(), rtol=1e-6)
    assert np.array_equal(found["freqs"], np.arange(4.0))
    assert not errors_of(lint(path))
