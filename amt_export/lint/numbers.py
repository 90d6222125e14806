"""Traps in the numbers: a runtime computes something else than the graph says, or with fewer digits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from amt_export.lint.bounds import TINY, Bounds
from amt_export.lint.finding import Finding, Severity
from amt_export.lint.graph import Graph, Node
from amt_export.lint.ranges import epsilon_of, ranges

# Operators to whose argument Core ML adds an epsilon of its own, and what to write instead.
OWN_EPSILON = {
    "inverse": "write ones_like(x) / x, or multiply by a constant",
    "rsqrt": "divide by sqrt(x)",
    "log": "set epsilon to 0 and clamp the argument",
}
SMALL_EPSILON = (
    1e-10  # a larger one changes squared pressures of audible sounds, 4e-10 Pa^2 and more
)
# ONNX Runtime has fast kernels for these exponents only.
FAST_EXPONENTS = (2.0, 3.0)
HALF = ("float16", "bfloat16")
QUANTIZED = ("quantizelinear", "dequantizelinear", "dynamicquantizelinear")


def numeric_findings(graph: Graph) -> Iterator[Finding]:
    """All findings about numbers, in the order of the graph."""
    bounds = ranges(graph)
    consumers = graph.consumers()
    yield from _constants(graph)
    for node in graph.nodes:
        yield from _near_zero(graph, node, bounds, consumers)
        yield from _core_ml_epsilon(graph, node)
        yield from _power(graph, node)
        yield from _compressed(graph, node)
    yield from _precision(graph)


def _near_zero(
    graph: Graph, node: Node, bounds: dict[str, Bounds], consumers: dict[str, list[Node]]
) -> Iterator[Finding]:
    """Logarithm, division or root of a value that may be zero: an epsilon is missing or was optimized away."""
    place = {"log": 0, "sqrt": 0, "rsqrt": 0, "inverse": 0, "div": 1}.get(node.kind)
    if node.kind == "pow" and len(node.operands) > 1:
        exponent = bounds.get(node.operands[1], Bounds())
        place = 0 if exponent.high < 0 else None
    if place is None or len(node.operands) <= place or node.domain:
        return
    name = node.operands[place]
    if not graph.is_float(name) or (name in graph.constants and node.kind != "div"):
        return
    found = bounds.get(name, Bounds())
    epsilon = epsilon_of(node)
    found = Bounds(found.low + epsilon, found.high + epsilon)
    if found.low >= TINY or (node.kind == "div" and found.high <= -TINY):
        return
    chosen = all(
        user.kind == "select" and name not in user.operands[:1]
        for output in node.outputs
        for user in consumers.get(output, [])
    ) and any(output in consumers for output in node.outputs)
    severity, what = _judged(node.kind, found, chosen)
    yield graph.finding(severity, "epsilon", node, what)


def _judged(kind: str, found: Bounds, chosen: bool) -> tuple[Severity, str]:
    """Severity of an argument that comes near zero, and what to do."""
    of = {"div": "divides by", "pow": "negative power of", "inverse": "divides by"}.get(
        kind, f"{kind} of"
    )
    remedy = "add an epsilon or clamp it from below"
    if chosen:
        return "warning", f"{of} a value that may be 0, though select may drop the result; {remedy}"
    if kind == "sqrt":
        if found.low >= 0:
            return "warning", f"{of} a value that may be 0, where its slope is infinite; {remedy}"
        return "warning", f"{of} a value not known to be 0 or more: NaN below; {remedy}"
    if found.low < 0 < found.high:
        return "warning", f"{of} a value not known to stay away from 0; {remedy}"
    if found.low > 0:
        return "warning", f"{of} a value that is positive but may underflow to 0; {remedy}"
    return "error", f"{of} a value that reaches 0, as in silence; {remedy}"


def _core_ml_epsilon(graph: Graph, node: Node) -> Iterator[Finding]:
    """Core ML adds an epsilon of its own to the arguments of three operators."""
    epsilon = epsilon_of(node)
    if graph.format != "coreml" or node.kind not in OWN_EPSILON or not epsilon:
        return
    what = f"computes with x + {epsilon:.0e} in place of x; {OWN_EPSILON[node.kind]}"
    severity: Severity = "error" if epsilon > SMALL_EPSILON else "warning"
    yield graph.finding(severity, "own-epsilon", node, what)


def _power(graph: Graph, node: Node) -> Iterator[Finding]:
    if node.kind != "pow" or len(node.operands) < 2 or not graph.is_float(node.outputs[0]):
        return
    base, exponent = node.operands[:2]
    if base in graph.constants and exponent not in graph.constants:
        core_ml = graph.format == "coreml"
        wrong = (
            "Core ML computes pow(2, y) as y * y" if core_ml else "wrong once in Core ML, and slow"
        )
        what = f"power of a constant base: {wrong}; write exp(y * ln(base))"
        yield graph.finding("error" if core_ml else "warning", "constant-base", node, what)
    elif base not in graph.constants and not _is_fast(graph, exponent):
        what = "slow in ONNX Runtime; write exp(c * log(max(|x|, tiny)))"
        yield graph.finding("warning", "slow-power", node, what)


def _is_fast(graph: Graph, exponent: str) -> bool:
    array = graph.constants.get(exponent)
    return array is not None and all(float(x) in FAST_EXPONENTS for x in np.ravel(array)[:1])


def _compressed(graph: Graph, node: Node) -> Iterator[Finding]:
    if node.kind in QUANTIZED or node.op.startswith("constexpr_"):
        what = "weights are compressed, which costs about half of float32's digits; keep them in float32"
        yield graph.finding("error", "precision", node, what)


def _constants(graph: Graph) -> Iterator[Finding]:
    for name, array in graph.constants.items():
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        what = "NaN" if np.isnan(array).any() else "infinity"
        message = (
            f"holds {what}; where it is a mask, use a large finite number, or else look where it "
            "was computed: log(0), 1/0"
        )
        yield graph.finding("error", "not-finite", (name, "constant"), message)


def _precision(graph: Graph) -> Iterator[Finding]:
    """Types other than float32 in a graph of float32. The first place of each type is reported."""
    taken = {port.dtype for port in graph.inputs}
    for dtypes, rule, remedy in (
        (("float64",), "float64", "cast it before export; Core ML and many GPUs have no float64"),
        (HALF, "precision", "3 digits are left; export with float32 weights and arithmetic"),
    ):
        if rule == "float64" and (graph.float64 or taken & set(dtypes)):
            continue  # on purpose
        places = [name for name, dtype in graph.dtypes.items() if dtype in dtypes]
        if places:
            producer = graph.producers().get(places[0])
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            what = f"is {graph.dtypes[places[0]]}{more}; {remedy}"
            yield graph.finding(
                "error", rule, (places[0], producer.op if producer else "constant"), what
            )
