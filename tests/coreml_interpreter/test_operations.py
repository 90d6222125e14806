"""The operations that the reference interpreter knows, and those that it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from amt_export.coreml_interpreter import OPERATIONS
from amt_export.coreml_interpreter.signature import MismatchError
from amt_export.verify.parity.coreml_interface import KNOWN_OPERATORS
from support.coreml import call, exported
from support.filters import noise

X = noise(2, 3, 4).float().numpy()
Y = noise(3, 1, seed=1).float().numpy()
POSITIVE = np.abs(X) + np.float32(0.1)
# Through infinity, as single precision sees it.
EDGES = np.array([-np.inf, -3e38, -1.5, -0.0, 0.0, 1e-45, 1e-38, 0.5, 88.0, 1e38, np.inf], "f4")
INTEGERS = np.array([[-7, 3, 0, 2], [5, -1, 2, 9]], np.int32)
OTHERS = np.array([2, -3, 0, 4], np.int32)


def test_every_operation_of_our_graphs_is_known():
    assert KNOWN_OPERATORS - {"const"} <= OPERATIONS.keys()


# What is not known is refused


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("add", {"x": X}, "lacks its parameter y"),
        ("add", {"x": X, "y": Y, "alpha": Y}, "parameter alpha that is not known"),
        ("add", {"x": X, "y": INTEGERS}, "mixes float32 and int32"),
        ("add", {"x": X > 0, "y": Y > 0}, "does not take bool"),
        ("exp", {"x": X.astype(np.float64)}, "does not take float64"),
        ("real_div", {"x": INTEGERS, "y": OTHERS}, "does not take int32"),
        ("concat", {"values": [X, INTEGERS], "axis": 0}, "mixes"),
        ("cast", {"x": X, "dtype": "int64"}, "casts to int64"),
        ("cast", {"x": X, "dtype": 3}, "parameter dtype that is int64"),
        ("cumsum", {"x": X, "axis": [0]}, "parameter axis that is"),
        ("cumsum", {"x": X, "axis": 0.0}, "parameter axis that is float64"),
        ("select", {"cond": X, "a": X, "b": X}, "parameter cond that is float32"),
        ("gather", {"x": X, "indices": X}, "parameter indices that is float32"),
        ("gather", {"x": X, "indices": OTHERS}, "outside a dimension of 2"),
        ("gather", {"x": X, "indices": 0, "axis": 3}, "axis 3 beyond rank 3"),
        ("gather", {"x": X, "indices": 0, "axis": 1, "batch_dims": 1}, "shares 1 dimensions"),
        ("gather_along_axis", {"x": X, "indices": OTHERS}, "indexes"),
        ("scatter", {"data": X, "indices": 0, "updates": X}, "puts"),
        (
            "scatter_along_axis",
            {"data": X, "indices": INTEGERS[:1, None, :] * 0, "updates": X, "mode": "div"},
            "indexes|puts",
        ),
        (
            "scatter_along_axis",
            {"data": INTEGERS, "indices": 0 * INTEGERS, "updates": INTEGERS, "mode": "div"},
            "mode div that is not known here for int32",
        ),
        (
            "scatter_along_axis",
            {"data": INTEGERS, "indices": 0 * INTEGERS, "updates": INTEGERS, "mode": "xor"},
            "mode xor",
        ),
        ("slice_by_index", {"x": X, "begin": [0], "end": [1]}, "another rank than 3"),
        ("tile", {"x": X, "reps": [1, 2]}, "repeats"),
        ("split", {"x": X, "axis": 1, "num_splits": 2}, "cuts 3 into 2"),
        ("split", {"x": X, "axis": 1}, "cuts 3 into None"),
        ("split", {"x": X, "axis": 1, "split_sizes": [1, 1]}, "cuts 3"),
        ("reshape", {"x": X, "shape": [0, 12]}, "of another rank"),
        ("linear", {"x": X, "weight": Y[0]}, "weights of two"),
        ("constexpr_cast", {"source_val": X, "output_dtype": "int4"}, "casts to int4"),
    ],
)
def test_what_it_does_not_know_it_refuses(kind, arguments, message):
    with pytest.raises(MismatchError, match=message):
        call(kind, **arguments)


# Through the product's own exporter


class Mixture(nn.Module):
    """Operations as torch writes them: what the converter makes of them is evaluated."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = torch.arange(3, -1, -1)
        y = torch.cat([x.flip(-1), x[..., order], x.cumsum(-1)], dim=1).transpose(1, 2)
        level = 10.0 * torch.log10(torch.clamp(y * y, min=1e-12))
        loudest = level.amax(-1, keepdim=True)
        kept = torch.where(level > loudest - 20.0, level, torch.zeros_like(level))
        return torch.stack(torch.split(kept, [4, 4, 1], dim=-1)[:2], dim=1).sum(1)


def test_what_the_converter_makes_of_torch(tmp_path):
    x = torch.from_numpy(X)
    interpreter = exported(Mixture(), tmp_path / "a.mlpackage", x)
    found = interpreter.run({"x0": X})["y"]
    np.testing.assert_allclose(found, Mixture()(x).numpy(), rtol=1e-5, atol=1e-5)


class Trapped(nn.Module):
    """What torch users write, and the converter takes at its word."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([1.0 / x, torch.pow(2.0, x), torch.pow(10.0, x), torch.rsqrt(x)])


def test_traps_2_and_3_have_the_numbers_of_a_mac(tmp_path):
    x = torch.tensor([[1e-4, 0.01, 1.0, 3.0]])
    found = exported(Trapped(), tmp_path / "a.mlpackage", x).run({"x0": x.numpy()})["y"]
    expected = torch.stack([1.0 / (x + 1e-4), x * x, 10.0**x, torch.rsqrt(x)])
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
    assert not np.allclose(found[:2], Trapped()(x).numpy()[:2], rtol=1e-3)
