"""Large sums in ONNX files: added in place by ONNX Runtime, and the same numbers to the last bit."""

from __future__ import annotations

import collections

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from amt_export.export import capture
from amt_export.export import onnx_sums as sums
from amt_export.export.onnx import export_onnx
from amt_export.modules import DRNLFilterbank, GammatoneFilterbank

CHANNELS, ROWS, DEPTH, COLUMNS = 5, 12, 7, 9


class Sums(nn.Module):
    """A large product, two small ones that are added to it, and a last one: what the filters do."""

    def __init__(self, shared: bool = False, flat: bool = True) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        for name in ("first", "second"):
            table = torch.randn(CHANNELS, DEPTH, COLUMNS, generator=generator)
            self.register_buffer(name, table)
        self.shared, self.flat = shared, flat

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        base = torch.sin(rows @ self.first)
        product = (rows[:, :1] if self.shared else rows) @ self.second
        if self.flat:
            shape = [rows.shape[0], CHANNELS, ROWS * COLUMNS]
            return torch.exp(base.reshape(shape) + product.reshape(shape))
        return torch.exp(product + base)


def exported(module: nn.Module, path, *inputs: torch.Tensor) -> onnx.ModelProto:
    names = tuple(f"x{i}" for i in range(len(inputs)))
    export_onnx(capture(module, inputs, names, ("y",)), path, {})
    return onnx.load(path)


def operators(model: onnx.ModelProto) -> collections.Counter[str]:
    return collections.Counter(node.op_type for node in model.graph.node)


def answer(path, x: torch.Tensor, optimized=None) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
        options.log_severity_level = 3  # that such a file is for this machine only
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


@pytest.fixture
def small(monkeypatch):
    """Every sum counts as large."""
    monkeypatch.setattr(sums, "LARGE", 1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_a_product_that_is_added_becomes_one_operator(shared, flat, tmp_path, monkeypatch):
    module, rows = Sums(shared, flat), torch.randn(1, CHANNELS, ROWS, DEPTH)
    plain = exported(module, tmp_path / "plain.onnx", rows)
    assert operators(plain)["Conv"] == 0, "a small sum stays"
    monkeypatch.setattr(sums, "LARGE", 1)
    model = exported(module, tmp_path / "sums.onnx", rows)
    assert operators(model) >= collections.Counter(MatMul=1, Conv=1, Add=1)
    found = answer(tmp_path / "sums.onnx", rows, tmp_path / "optimized.onnx")
    fused = operators(onnx.load(tmp_path / "optimized.onnx"))
    assert (fused["FusedConv"], fused["Add"], fused["MatMul"]) == (1, 0, 1)
    np.testing.assert_array_equal(found, answer(tmp_path / "plain.onnx", rows))
    # Values keep their names, by which `diff` finds them.
    names = [{name for node in m.graph.node for name in node.output} for m in (plain, model)]
    assert {name for name in names[0] if name.startswith(("matmul", "add"))} <= names[1]


@pytest.mark.usefixtures("small")
def test_sums_that_are_left_alone(tmp_path):
    def convolutions(module: nn.Module, *inputs: torch.Tensor) -> int:
        return operators(exported(module, tmp_path / "model.onnx", *inputs))["Conv"]

    class Of(nn.Module):
        def __init__(self, function, depth: int = DEPTH) -> None:
            super().__init__()
            self.function = function
            self.register_buffer("table", torch.ones(CHANNELS, depth, COLUMNS))

        def forward(self, rows):
            return self.function(rows, self.table)

    rows = torch.ones(1, CHANNELS, ROWS, DEPTH)
    assert convolutions(Of(lambda x, t: torch.exp(x @ t + torch.sin(x @ (2 * t)))), rows) == 1
    # a product that is used twice, an output, a sum with one row for all, several batch rows
    assert convolutions(Of(lambda x, t: torch.exp(torch.sin(x @ t) + x @ t)), rows) == 0
    assert convolutions(Of(lambda x, t: torch.sin(x @ (2 * t)) + x @ t), rows) == 0
    assert convolutions(Of(lambda x, t: torch.exp(x @ t + torch.sin(t[:, :1]))), rows) == 0
    both = torch.ones(2, CHANNELS, ROWS, DEPTH)
    assert convolutions(Of(lambda x, t: torch.exp(x @ t + torch.sin(x @ (2 * t)))), both) == 0
    # many factors: a MatMul is as fast
    deep = torch.ones(1, CHANNELS, ROWS, sums.LONG + 1)
    function = lambda x, t: torch.exp(x @ t + torch.sin(x @ (2 * t)))  # noqa: E731
    assert convolutions(Of(function, sums.LONG + 1), deep) == 0
    # one table for all channels
    assert convolutions(Of(lambda x, t: torch.exp(x @ t[0] + torch.sin(x @ (2 * t)))), rows) == 0


@pytest.mark.usefixtures("small")
def test_of_two_products_the_one_with_fewer_factors(tmp_path):
    class Swapped(Sums):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.exp(rows[..., :3] @ self.second[:, :3] + rows @ self.first)

    class Plain(Sums):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.exp(rows @ self.first + rows[..., :3] @ self.second[:, :3])

    rows = torch.randn(1, CHANNELS, ROWS, DEPTH)
    for module in (Plain(), Swapped()):
        model = exported(module, tmp_path / "model.onnx", rows)
        (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
        shapes = {value.name: value for value in model.graph.value_info}
        given = shapes[convolution.input[0]].type.tensor_type.shape.dim
        assert [size.dim_value for size in given] == [1, CHANNELS * 3, 1, COLUMNS]
        expected = module(rows).numpy()
        np.testing.assert_allclose(answer(tmp_path / "model.onnx", rows), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "samples"),
    [
        (lambda: GammatoneFilterbank((500.0, 4000.0), 16000, dtype=torch.float32), 1600),
        (lambda: DRNLFilterbank((500.0, 4000.0), 16000, n_channels=4, dtype=torch.float32), 1600),
    ],
    ids=["gammatone", "drnl"],
)
def test_filters_are_the_same_to_the_last_bit(make, samples, tmp_path, monkeypatch):
    module = make().frozen(samples)
    audio = 1e-3 * torch.randn(1, samples, generator=torch.Generator().manual_seed(2))
    exported(module, tmp_path / "plain.onnx", audio)
    monkeypatch.setattr(sums, "LARGE", 1)
    model = exported(module, tmp_path / "sums.onnx", audio)
    assert operators(model)["Conv"] >= 2
    expected = answer(tmp_path / "plain.onnx", audio)
    assert np.abs(expected).max() > 0
    np.testing.assert_array_equal(answer(tmp_path / "sums.onnx", audio), expected)
