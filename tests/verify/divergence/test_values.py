"""What `diff` compares: values of torch node by node in two precisions, and how far arrays are apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from amt_export.export import capture
from amt_export.verify.divergence.search import relative
from amt_export.verify.divergence.torch_values import TorchValues


class Mixed(nn.Module):
    """Makes numbers of a dtype that it names, and integers."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        third = torch.full((1, 4), 1.0 / 3.0, dtype=torch.float32)
        order = torch.arange(4)
        return x * third, torch.gather(x, 1, order.flip(0)[None]).sum(-1)


def test_torch_values_in_both_precisions():
    x = torch.linspace(0.1, 0.4, 4)[None]
    program = capture(Mixed(), (x,), ("x",), ("scaled", "total"))
    exported = program.exported.run_decompositions({})
    inputs = {"x": x.numpy()}
    single = TorchValues(exported, ("scaled", "total"))
    double = TorchValues(exported, ("scaled", "total"), in_float64=True)
    wanted = set(single.sizes())
    assert {"scaled", "total"} <= wanted
    found, reference = single.run(inputs, wanted), double.run(inputs, wanted)
    assert set(found) == set(reference) == wanted
    scaled, total = Mixed()(x)
    np.testing.assert_array_equal(found["scaled"], scaled.numpy())
    np.testing.assert_array_equal(found["total"], total.numpy())
    assert reference["scaled"].dtype == reference["total"].dtype == np.float64
    np.testing.assert_allclose(reference["scaled"], x.double().numpy() / 3.0, rtol=1e-15)
    assert single.run(inputs, {"scaled"}).keys() == {"scaled"}


def test_relative_differences():
    y = np.array([[1.0, -4.0]])
    assert relative(y, y) == 0.0
    assert relative(y + np.array([[0.0, 0.1]]), y) == pytest.approx(0.025)
    assert relative(0 * y, 0 * y) == 0.0
    assert relative(y, 0 * y) == math.inf
    assert relative(y * math.nan, y) == math.inf
    assert relative(np.array([math.inf, 1.0]), np.array([math.inf, 1.0])) == 0.0
    assert relative(np.array([True, False]), np.array([True, True])) == 1.0
    assert relative(np.zeros((1, 0)), np.zeros((1, 0))) == 0.0
