"""What the tests of `lint` share: small graphs, and what is found in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from amt_export.lint import Finding, lint

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


SQUARE = node("Mul", "x", "x", out="power")
EPS = {"eps": np.float32(1e-12), "zero": np.float32(0.0), "one": np.float32(1.0)}
