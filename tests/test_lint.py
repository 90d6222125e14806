"""`lint`: every trap is found in a small graph, and the same graph with its guard is left alone."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from coreml_checks import ct, edited, mb, save_program, weight_file
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from amt_export.cli.main import main
from amt_export.errors import ArtifactError
from amt_export.export import capture
from amt_export.export.coreml import export_coreml
from amt_export.lint import Finding, errors_of, lint
from amt_export.lint import bounds as of
from amt_export.lint.bounds import TINY, Bounds
from amt_export.lint.ranges import ranges
from amt_export.lint.read_onnx import read_onnx

FLOAT, DOUBLE, HALF = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16


def node(op: str, *inputs: str, out: str | None = None, **attributes) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [out or f"{op.lower()}_of_{inputs[0]}"], **attributes)


def model(
    *nodes: onnx.NodeProto,
    constants: dict[str, np.ndarray] | None = None,
    shape=(1, 4),
    kind=FLOAT,
    opset: int = 18,
) -> onnx.ModelProto:
    """A graph from x to what the last node gives, under the name "level"."""
    last = helper.make_node(
        nodes[-1].op_type, nodes[-1].input, ["level"], name="last", domain=nodes[-1].domain
    )
    last.attribute.extend(nodes[-1].attribute)
    graph = helper.make_graph(
        [*nodes[:-1], last],
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("level", kind, None if shape is None else list(shape))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def found(proto: onnx.ModelProto, path: Path) -> list[Finding]:
    file = path / "model.onnx"
    onnx.save(proto, file)
    return lint(file)


def judged(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.rule) for finding in findings]


EPS = {"eps": np.float32(1e-12), "zero": np.float32(0.0), "one": np.float32(1.0)}
SQUARE = node("Mul", "x", "x", out="power")
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


# Core ML


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rsqrt(x * x + 1e-3)


def test_core_ml_epsilons(tmp_path):
    x = torch.ones(1, 4)
    export_coreml(capture(Root(), (x,), ("x",), ("level",)), tmp_path / "a.mlpackage", {})
    assert judged(lint(tmp_path / "a.mlpackage")) == [("warning", "own-epsilon")]
    x = np.ones((1, 4), np.float32)
    for epsilon, severity in ((None, "error"), (1e-4, "error"), (1e-12, "warning"), (0.0, "")):
        options = {} if epsilon is None else {"epsilon": np.float32(epsilon)}
        package = save_program(
            tmp_path / f"{epsilon}.mlpackage",
            lambda x, options=options: [mb.inverse(x=mb.exp(x=mb.abs(x=x)), **options)],
            x=x,
        )
        found = [f for f in lint(package) if f.rule == "own-epsilon"]
        assert [f.severity for f in found] == ([severity] if severity else []), epsilon


def test_core_ml_epsilons_of_log_count(tmp_path):
    x = np.ones((1, 4), np.float32)
    for epsilon, expected in (
        (1e-45, [("error", "epsilon")]),
        (1e-12, [("warning", "own-epsilon")]),
    ):
        package = save_program(
            tmp_path / f"{epsilon}.mlpackage",
            lambda x, epsilon=epsilon: [mb.log(x=mb.square(x=x), epsilon=np.float32(epsilon))],
            x=x,
        )
        assert [j for j in judged(lint(package)) if j[1] != "name"] == expected


def test_core_ml_loops_are_seen_inside_and_out(tmp_path):
    package = save_program(
        tmp_path / "a.mlpackage",
        lambda x: [
            mb.cond(
                pred=mb.greater(x=mb.reduce_sum(x=x, axes=[0, 1]), y=0.0),
                _true_fn=lambda: mb.log(x=mb.abs(x=x)),
                _false_fn=lambda: mb.exp(x=x),
            )
        ],
        x=np.ones((1, 4), np.float32),
    )
    found = lint(package)
    assert {(f.severity, f.rule, f.op) for f in found if f.rule != "name"} == {
        ("error", "control-flow", "cond"),
        ("error", "epsilon", "log"),
    }


def test_core_ml_weights_are_looked_into(tmp_path):
    table = np.ones(4096, np.float32)
    table[17] = np.inf
    package = save_program(
        tmp_path / "a.mlpackage", lambda x: [mb.mul(x=x, y=table)], x=np.ones(4096, np.float32)
    )
    assert [f.rule for f in errors_of(lint(package))] == ["not-finite"]
    data = bytearray(weight_file(package).read_bytes())
    weight_file(package).write_bytes(data[:-2000])
    with pytest.raises(ArtifactError, match=r"weight file is truncated"):
        lint(package)
    weight_file(package).unlink()
    with pytest.raises(ArtifactError, match=r"weight file is missing"):
        lint(package)


def test_core_ml_dynamic_shapes_and_versions(tmp_path):
    x = np.ones((1, 4), np.float32)
    package = save_program(tmp_path / "a.mlpackage", lambda x: [mb.exp(x=x)], x=x)
    with edited(package) as spec:
        spec.specificationVersion = 6
        flexible = spec.description.input[0].type.multiArrayType.shapeRange
        flexible.sizeRanges.add(lowerBound=1, upperBound=8)
    assert {("error", "dynamic-shape"), ("warning", "version")} <= set(judged(lint(package)))


def test_core_ml_compressed_weights(tmp_path):
    import coremltools.optimize as cto

    table = np.linspace(0, 1, 64 * 128, dtype=np.float32).reshape(64, 128)
    package = save_program(
        tmp_path / "a.mlpackage",
        lambda x: [mb.linear(x=x, weight=table)],
        x=np.ones((1, 128), np.float32),
    )
    whole = ct.models.MLModel(str(package), skip_model_load=True)
    options = cto.coreml.OptimizationConfig(
        global_config=cto.coreml.OpLinearQuantizerConfig(weight_threshold=16)
    )
    cto.coreml.linear_quantize_weights(whole, options).save(str(tmp_path / "b.mlpackage"))
    assert "precision" in {f.rule for f in errors_of(lint(tmp_path / "b.mlpackage"))}


# Interval arithmetic: what is possible lies within the bounds

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
    "it holds no graph": lambda path: _written(path / "empty.onnx", b""),
    "not that of a Core ML package": lambda path: _made(path / "empty.mlpackage"),
}


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_read_is_one_line(message, tmp_path, capsys):
    assert main(["lint", str(BAD[message](tmp_path))]) == 1
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    assert message in error


def test_truncated_artifacts_are_one_line(writable, capsys):
    folder = writable("gammatone")
    path = folder / "gammatone.onnx"
    path.write_bytes(path.read_bytes()[:-1000])
    assert main(["lint", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
