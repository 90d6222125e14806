"""`lint`: every trap is found in a small graph, and the same graph with its guard is left alone."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from amt_export.cli.main import main
from amt_export.lint import lint
from support.cli import failed
from support.lint import DOUBLE, EPS, FLOAT, SQUARE, found, judged, model, node

ABS = node("Abs", "x", out="power")
SAFE = [SQUARE, node("Add", "power", "eps", out="safe")]


@pytest.mark.parametrize("op", ["Log", "Reciprocal"])
@pytest.mark.parametrize(
    ("before", "severity"),
    [
        ([SQUARE], "error"),
        ([ABS], "error"),
        ([node("Relu", "x", out="power")], "error"),
        ([SQUARE, node("ReduceSum", "power", out="p2"), node("Identity", "p2", out="p3")], "error"),
        ([node("Max", "x", "zero", out="power")], "error"),
        ([SQUARE, node("Add", "power", "zero", out="p2")], "error"),
        ([node("Identity", "x", out="power")], "warning"),
        ([node("Exp", "x", out="power")], "warning"),
        ([node("Sigmoid", "x", out="power")], "warning"),
        (SAFE, ""),
        ([node("Max", "x", "eps", out="safe")], ""),
        ([node("Clip", "x", "eps", out="safe")], ""),
        ([node("Clip", "x", "eps", "one", out="safe")], ""),
        ([*SAFE, node("Sqrt", "safe", out="root")], ""),
        ([*SAFE, node("ReduceSum", "safe", out="sum"), node("Reshape", "sum", "x", out="r")], ""),
        ([*SAFE, node("Concat", "safe", "eps", axis=0, out="both")], ""),
        ([*SAFE, node("Concat", "safe", "zero", axis=0, out="both")], "error"),
        ([node("Exp", "x", out="e"), node("Add", "e", "one", out="safe")], ""),
        (
            [
                node("Greater", "x", "eps", out="loud"),
                node("Where", "loud", "x", "one", out="safe"),
            ],
            "",
        ),
        (
            [
                SQUARE,
                node("Greater", "x", "eps", out="l"),
                node("Where", "l", "power", "one", out="p"),
            ],
            "error",
        ),
    ],
)
def test_vanished_epsilons(op, before, severity, tmp_path):
    proto = model(*before, node(op, before[-1].output[0]), constants=EPS)
    assert judged(found(proto, tmp_path)) == ([(severity, "epsilon")] if severity else [])


@pytest.mark.parametrize(
    ("denominator", "severity"),
    [("power", "error"), ("x", "warning"), ("safe", ""), ("eps", ""), ("zero", "error")],
)
def test_divisions(denominator, severity, tmp_path):
    proto = model(*SAFE, node("Div", "x", denominator), constants=EPS)
    assert judged(found(proto, tmp_path)) == ([(severity, "epsilon")] if severity else [])


def test_roots_and_negative_powers(tmp_path):
    root = model(node("Sqrt", "x"), constants=EPS)
    assert judged(found(root, tmp_path)) == [("warning", "epsilon")]
    assert not found(model(*SAFE, node("Sqrt", "safe"), constants=EPS), tmp_path)
    minus = EPS | {"minus": np.float32(-2.0)}
    power = model(SQUARE, node("Pow", "power", "minus"), constants=minus)
    assert ("error", "epsilon") in judged(found(power, tmp_path))


def test_a_result_that_select_drops_is_a_warning(tmp_path):
    nodes = [
        *(SQUARE, node("Log", "power", out="raw"), node("Greater", "power", "zero", out="loud")),
        node("Where", "loud", "raw", "zero"),
    ]
    assert judged(found(model(*nodes, constants=EPS), tmp_path)) == [("warning", "epsilon")]


def test_integers_are_not_judged(tmp_path):
    nodes = [
        *(node("Shape", "x", out="shape"), node("Div", "shape", "two", out="half")),
        node("Expand", "x", "half"),
    ]
    proto = model(*nodes, constants={"two": np.array([1, 0])})
    assert not [f for f in found(proto, tmp_path) if f.rule == "epsilon"]


def test_powers(tmp_path):
    ten = {"ten": np.float32(10.0), "two": np.float32(2.0), "odd": np.float32(0.3)}
    assert judged(found(model(node("Pow", "ten", "x"), constants=ten), tmp_path)) == [
        ("warning", "constant-base")
    ]
    assert not found(model(node("Pow", "x", "two"), constants=ten), tmp_path)
    assert judged(found(model(node("Pow", "x", "odd"), constants=ten), tmp_path)) == [
        ("warning", "slow-power")
    ]


def branch(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(nodes[-1].output[0], FLOAT, None)
    return helper.make_graph(list(nodes), "branch", [], [out])


def test_what_is_in_a_branch_is_seen(tmp_path):
    inner = branch(SQUARE, node("Log", "power", out="inner"))
    deeper = branch(
        helper.make_node("If", ["yes"], ["deep"], "deep", then_branch=inner, else_branch=inner)
    )
    last = node("If", "yes", then_branch=deeper, else_branch=branch(node("DFT", "x", out="d")))
    findings = found(model(last, constants={"yes": np.array(True)}), tmp_path)
    assert sorted({(f.rule, f.op) for f in findings}) == [
        ("control-flow", "If"),
        ("epsilon", "Log"),
        ("transform", "DFT"),
    ]
    assert any(f.node == "last/deep/inner" for f in findings)


@pytest.mark.parametrize("op", ["DFT", "STFT", "Scan", "Loop", "If"])
def test_operators_without_a_place(op, tmp_path):
    findings = found(model(node(op, "x")), tmp_path)
    assert [(f.severity, f.op, f.node) for f in findings] == [("error", op, "last")]


def test_local_functions_are_read(tmp_path):
    proto = model(node("Mine", "x", domain="local"))
    body = [helper.make_node("STFT", ["a", "b"], ["c"])]
    opset = [helper.make_opsetid("", 18)]
    proto.functions.append(helper.make_function("local", "Mine", ["a"], ["c"], body, opset))
    proto.opset_import.append(helper.make_opsetid("local", 1))
    assert ("error", "transform") in judged(found(proto, tmp_path))


def test_foreign_operators(tmp_path):
    findings = found(model(node("FusedConv", "x", "x", domain="com.microsoft")), tmp_path)
    assert judged(findings) == [("warning", "domain")]


def test_float64_leaks(tmp_path):
    nodes = [
        *(node("Cast", "x", to=DOUBLE, out="wide"), node("Mul", "wide", "wide", out="wider")),
        node("Cast", "wider", to=FLOAT),
    ]
    (finding,) = found(model(*nodes), tmp_path)
    assert (finding.severity, finding.rule, finding.node) == ("error", "float64", "wide")
    assert "1 more" in finding.message
    assert not found(model(node("Mul", "x", "x"), kind=DOUBLE), tmp_path)


def test_half_precision_and_quantized_weights(tmp_path):
    nodes = [node("Cast", "half", to=FLOAT, out="w"), node("Mul", "x", "w")]
    proto = model(*nodes, constants={"half": np.float16([1, 2, 3, 4])})
    assert judged(found(proto, tmp_path)) == [("error", "precision")]
    nodes = [node("DequantizeLinear", "q", "one", out="w"), node("Mul", "x", "w")]
    proto = model(*nodes, constants={"q": np.int8([1, 2, 3, 4]), **EPS})
    assert judged(found(proto, tmp_path)) == [("error", "precision")]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("as_node", [False, True])
def test_constants_that_are_not_finite(value, as_node, tmp_path):
    values = np.float32([1, 2, value, 4])
    if as_node:
        tensor = numpy_helper.from_array(values)
        nodes = [helper.make_node("Constant", [], ["bad"], value=tensor), node("Add", "x", "bad")]
        proto = model(*nodes)
    else:
        proto = model(node("Add", "x", "bad"), constants={"bad": values})
    (finding,) = found(proto, tmp_path)
    assert (finding.severity, finding.rule, finding.node) == ("error", "not-finite", "bad")


def test_external_data(tmp_path):
    proto = model(node("Add", "x", "big"), constants={"big": np.ones((1, 4), np.float32)})
    onnx.save(
        proto, tmp_path / "model.onnx", save_as_external_data=True, location="w.bin",
        size_threshold=0,
    )  # fmt: skip
    (tmp_path / "w.bin").unlink()  # it is not needed to say so
    (finding,) = lint(tmp_path / "model.onnx")
    assert (finding.severity, finding.rule, finding.node) == ("error", "external-data", "big")
    assert "w.bin" in finding.message


@pytest.mark.parametrize("shape", [("batch", 4), (None, 4), None])
def test_dynamic_shapes(shape, tmp_path):
    findings = found(model(node("Mul", "x", "x"), shape=shape), tmp_path)
    assert judged(findings) == [("error", "dynamic-shape")] * 2
    assert [f.op for f in findings] == ["input", "output"]


@pytest.mark.parametrize(
    ("name", "automatic"),
    [
        *((name, True) for name in ("output", "output_0", "123", "mul_4", "var_12", "out", "y")),
        *((name, True) for name in ("/encoder/Mul_output_0", "onnx::Mul_12", "Mul")),
        *((name, False) for name in ("subbands", "levels_left", "level_2", "excitation")),
    ],
)
def test_names_of_outputs(name, automatic, tmp_path):
    proto = model(node("Mul", "x", "x"))
    proto.graph.output[0].name = proto.graph.node[-1].output[0] = name
    assert judged(found(proto, tmp_path)) == ([("warning", "name")] if automatic else [])


def test_old_opsets_and_attributes_of_then(tmp_path):
    findings = found(
        model(node("Clip", "x", min=1e-3, out="c"), node("Log", "c"), opset=10), tmp_path
    )
    assert judged(findings) == [("warning", "version")]


# The command


def test_lint_of_a_published_folder(published, capsys):
    assert main(["lint", str(published("gammatone"))]) == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings: nothing found\n"


def test_lint_prints_a_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    onnx.save(model(SQUARE, node("Log", "power")), tmp_path / "bad.onnx")
    onnx.save(
        model(node("Pow", "ten", "x"), constants={"ten": np.float32(10)}), tmp_path / "w.onnx"
    )
    shutil.copytree(tmp_path, tmp_path / "folder")
    assert main(["lint", str(tmp_path / "bad.onnx"), str(tmp_path / "w.onnx")]) == 1
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert "error last Log epsilon: log of a value that reaches 0, as in silence; add an" in words
    assert "1 error, 1 warning" in words
    assert main(["lint", str(tmp_path / "w.onnx")]) == 0
    assert main(["lint", str(tmp_path / "folder")]) == 1
    # A long path is folded at 80 columns.
    assert "folder/bad.onnx" in "".join(capsys.readouterr().out.split())


BAD = {
    "no such file": lambda path: path / "gone.onnx",
    "no .onnx or .mlpackage to inspect": lambda path: path,
    "not an ONNX model": lambda path: _written(path / "text.onnx", b"not a model at all\n"),
    "is empty": lambda path: _written(path / "empty.onnx", b""),
    "it holds no graph": lambda path: _written(path / "version.onnx", b"\x08\x08"),
    "is an empty folder": lambda path: _made(path / "empty.mlpackage"),
    "Manifest.json: not that of a Core ML package": lambda path: (
        _written(_made(path / "other.mlpackage") / "data", b"x").parent
    ),
}


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_read_is_one_line(message, tmp_path, capsys):
    error = failed(capsys, "lint", BAD[message](tmp_path))
    assert message in error


def test_truncated_artifacts_are_one_line(writable, capsys):
    folder = writable("gammatone")
    path = folder / "gammatone.onnx"
    path.write_bytes(path.read_bytes()[:-1000])
    failed(capsys, "lint", path)
