"""`lint` finds what other engines than ONNX Runtime refuse, and leaves the mended graph alone."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from amt_export.lint import lint
from support.coreml import mb, save_program
from support.lint import FLOAT, found, judged, model, node

SIZES = {"sizes": np.array([1, 4])}
ZERO = numpy_helper.from_array(np.zeros(1, np.float32))


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_convolutions_with_computed_weights(op, tmp_path):
    weights = {"weights": np.ones((1, 1, 1), np.float32)}
    computed = [
        node("Reshape", "x", "three", out="given"),
        node("Mul", "weights", "given", out="w"),
    ]
    constants = weights | {"three": np.array([1, 1, -1])}
    bad = model(*computed, node(op, "given", "w"), shape=(1, 1, 4), constants=constants)
    assert judged(found(bad, tmp_path)) == [("error", "computed-weights")]
    folded = [computed[0], node("Mul", "weights", "weights", out="w")]
    for nodes in ([*folded, node(op, "given", "w")], [computed[0], node(op, "given", "weights")]):
        assert not found(model(*nodes, shape=(1, 1, 4), constants=constants), tmp_path)


def test_fills_without_a_value(tmp_path):
    bare = model(node("ConstantOfShape", "sizes", out="z"), node("Add", "x", "z"), constants=SIZES)
    (finding,) = found(bare, tmp_path)
    assert (finding.severity, finding.rule, finding.op) == (
        "error",
        "missing-attribute",
        "ConstantOfShape",
    )
    whole = node("ConstantOfShape", "sizes", out="z", value=ZERO)
    assert not found(model(whole, node("Add", "x", "z"), constants=SIZES), tmp_path)


def test_a_convolution_with_computed_weights_and_a_fill_as_bias(tmp_path):
    """Both are found where they meet, as exporters write a filter without a bias."""
    nodes = (
        node("Reshape", "x", "three", out="w"),
        node("ConstantOfShape", "one", out="b"),
        node("Conv", "signal", "w", "b"),
    )
    constants = {
        "three": np.array([1, 1, -1]),
        "one": np.array([1]),
        "signal": np.ones((1, 1, 8), np.float32),
    }
    findings = judged(found(model(*nodes, shape=(1, 1, 4), constants=constants), tmp_path))
    assert sorted(findings) == [("error", "computed-weights"), ("error", "missing-attribute")]


@pytest.mark.parametrize("as_node", [False, True])
def test_outputs_that_are_constants(as_node, tmp_path):
    proto = model(node("Mul", "x", "x"))
    values = np.ones(3, np.float32)
    proto.graph.output.append(helper.make_tensor_value_info("freqs", FLOAT, [3]))
    if as_node:
        tensor = numpy_helper.from_array(values)
        proto.graph.node.append(helper.make_node("Constant", [], ["freqs"], value=tensor))
    else:
        proto.graph.initializer.append(numpy_helper.from_array(values, "freqs"))
    (finding,) = found(proto, tmp_path)
    assert (finding.severity, finding.rule, finding.node) == ("error", "constant-output", "freqs")
    if not as_node:
        proto.graph.initializer[0].name = "freqs_constant"
        proto.graph.node.append(helper.make_node("Identity", ["freqs_constant"], ["freqs"]))
        assert not found(proto, tmp_path)


@pytest.mark.parametrize(
    ("sizes", "allowzero", "refused"),
    [([1, 4], 1, True), ([2, -1], 1, True), ([0, 4], 1, False), ([1, 4], 0, False)],
)
def test_needless_allowzero(sizes, allowzero, refused, tmp_path):
    shape = (0, 4) if 0 in sizes else (1, 4)
    proto = model(
        node("Reshape", "x", "sizes", allowzero=allowzero),
        constants={"sizes": np.array(sizes)},
        shape=shape,
    )
    expected = [("error", "allowzero")] if refused else []
    assert [j for j in judged(found(proto, tmp_path)) if j[1] == "allowzero"] == expected


@pytest.mark.parametrize(("axis", "expected"), [(-1, [("error", "negative-axis")]), (1, [])])
def test_scatter_along_a_negative_axis(axis, expected, tmp_path):
    constants = {"i": np.array([[3, 0, 1, 2]]), "u": np.ones((1, 4), np.float32)}
    proto = model(
        node("ScatterElements", "x", "i", "u", axis=axis, reduction="add"), constants=constants
    )
    assert judged(found(proto, tmp_path)) == expected


RAMP = np.arange(200, dtype=np.float32)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (np.zeros((100, 200), np.float32), "one number 20000 times"),
        (np.tile(RAMP, (100, 1)), "one row 100 times"),
        (np.tile(RAMP[:, None], (1, 100)), "one row 100 times"),
        (np.arange(20000, dtype=np.float32).reshape(100, 200), ""),
        (np.zeros((2, 200), np.float32), ""),  # too small to matter
    ],
)
def test_tables_that_repeat_a_row(table, what, tmp_path):
    onnx = found(
        model(node("Add", "x", "table"), constants={"table": table}, shape=table.shape), tmp_path
    )
    package = save_program(tmp_path / "a.mlpackage", lambda x: [mb.add(x=x, y=table)], x=table)
    for findings in (onnx, lint(package)):
        repeated = [f for f in findings if f.rule == "repeated-constant"]
        assert [f.severity for f in repeated] == (["warning"] if what else [])
        assert all(what in f.message for f in repeated)
