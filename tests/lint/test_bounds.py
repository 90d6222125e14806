"""Interval arithmetic of `lint`: what is possible lies within the bounds."""

from __future__ import annotations

import math

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from amt_export.lint import bounds as of
from amt_export.lint.bounds import TINY, Bounds
from amt_export.lint.ranges import ranges
from amt_export.lint.read_onnx import read_onnx
from support.lint import EPS, FLOAT, SQUARE, model, node

values = st.floats(-1e3, 1e3, allow_nan=False)


@st.composite
def interval(draw) -> tuple[Bounds, float]:
    """Bounds, and a number within."""
    low, high = sorted((draw(values), draw(values)))
    share = draw(st.floats(0, 1))
    return Bounds(low, high), min(max(low + share * (high - low), low), high)


def within(value: float, bounds: Bounds) -> bool:
    slack = 1e-9 * max(1.0, abs(value))
    return bounds.low - slack <= value <= bounds.high + slack


@given(interval(), interval())
def test_bounds_hold(first, second):
    (a, x), (b, y) = first, second
    assert within(x + y, of.add(a, b))
    assert within(-x, of.negative(a))
    assert within(x * y, of.multiply(a, b))
    assert within(x * x, of.square(a))
    assert within(abs(x), of.absolute(a))
    assert within(max(x, y), of.at_least(a, b))
    assert within(min(x, y), of.at_most(a, b))
    assert within(math.sqrt(max(x, 0)), of.root(a))
    assert within(math.exp(x / 2), of.exponential(Bounds(a.low / 2, a.high / 2)))
    if x > 0:
        assert within(math.log(x), of.logarithm(a))
    if abs(y) >= TINY:
        assert within(x / y, of.divide(a, b))


@given(seed=st.integers(0, 999), scale=st.floats(1e-3, 1e3))
@settings(deadline=None)
def test_bounds_of_a_graph_hold(tmp_path_factory, seed, scale):
    """Every value of a graph with most rules, evaluated by onnx's reference on noise."""
    weight = np.abs(np.random.default_rng(seed).standard_normal((4, 4))).astype(np.float32)
    nodes = [
        SQUARE,
        *(node("MatMul", "power", "w", out="sums"), node("Add", "sums", "one", out="shifted")),
        *(node("Log", "shifted", out="logs"), node("Neg", "logs", out="minus")),
        *(node("Exp", "minus", out="shares"), node("Sub", "one", "shares", out="rest")),
        *(node("Greater", "x", "half", out="loud"), node("Where", "loud", "x", "half", out="w1")),
        *(node("Div", "one", "w1", out="inverse"), node("Clip", "x", "minus1", "half", out="c")),
        *(node("ReduceSum", "power", out="total", keepdims=1), node("Sqrt", "total", out="norm")),
        *(node("Concat", "c", "rest", axis=1, out="both"), node("Abs", "both", out="abs")),
        node("Floor", "abs"),
    ]
    constants = {"w": weight, "half": np.float32(0.5), "minus1": np.float32(-1.0), **EPS}
    proto = model(*nodes, constants=constants)
    proto.graph.output.extend(
        helper.make_tensor_value_info(name, FLOAT, None)
        for n in proto.graph.node[:-1]
        for name in n.output
        if name != "loud"
    )
    path = tmp_path_factory.mktemp("graph") / "g.onnx"
    onnx.save(proto, path)
    bounds = ranges(read_onnx(path))
    x = (scale * np.random.default_rng(seed).standard_normal((1, 4))).astype(np.float32)
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(proto).run(None, {"x": x})
    for output, value in zip(proto.graph.output, results, strict=True):
        found = bounds[output.name]
        slack = 1e-5 * max(1.0, float(np.abs(value).max()))
        assert found.low - slack <= value.min(), output.name
        assert value.max() <= found.high + slack, output.name
    assert bounds["shifted"].low == 1.0
    assert bounds["inverse"] == Bounds(0.0, 2.0)
    assert bounds["norm"].low == 0.0
