"""Traps in the structure of a graph: what some runtimes cannot run or load."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from amt_export.lint.finding import Finding
from amt_export.lint.graph import Graph, Node

# Operators that have no place in a static graph, and what to write instead.
LOOPS = ("scan", "loop", "if", "whileloop", "cond")
LISTS = ("makelist", "listread", "listwrite", "listgather", "listscatter", "listlength")
TRANSFORMS = ("dft", "stft", "fft", "ifft", "rfft", "irfft", "melweightmatrix")
# Older opsets lack operators or call them otherwise. ONNX Runtime reads this one from 1.14 on.
OPSET = 18
# iOS 16 and macOS 13, the first with all operators that this package writes.
SPECIFICATION = 7
# Bytes from which a constant that repeats one row is reported.
LARGE = 64 << 10
# Names that exporters invent.
AUTOMATIC = re.compile(
    r"(?:out(?:put)?s?|var|val|value|tensor|result|ret|res|y|x|t)?_*\d*(?:_\d+)*"
)


def structural_findings(graph: Graph) -> Iterator[Finding]:
    """All findings about structure."""
    yield from _version(graph)
    for name, place in graph.external.items():
        what = f"lies in {place}, which gets lost; save the model as one file"
        yield graph.finding("error", "external-data", (name, "constant"), what)
    fixed = _fixed_values(graph)
    for node in graph.nodes:
        yield from _operator(graph, node)
        yield from _engines(graph, node, fixed)
    yield from _repeated_constants(graph)
    yield from _shapes(graph)
    yield from _constant_outputs(graph)
    yield from _names(graph)


def _operator(graph: Graph, node: Node) -> Iterator[Finding]:
    if node.kind in LOOPS:
        what = (
            "some runtimes have none, the others run it step by step; unroll it, or write the "
            "recursion as matrix products of blocks"
        )
        yield graph.finding("error", "control-flow", node, what)
    elif node.kind in LISTS:
        what = "lists belong to loops; use one tensor"
        yield graph.finding("error", "control-flow", node, what)
    elif node.kind in TRANSFORMS:
        what = (
            "inaccurate for long or odd lengths, slow, and missing on GPUs and in Core ML; multiply "
            "by matrices of cosines and sines"
        )
        yield graph.finding("error", "transform", node, what)
    elif node.domain:
        what = f"of {node.domain}: other runtimes do not know it; use plain operators"
        yield graph.finding("warning", "domain", node, what)


def _fixed_values(graph: Graph) -> set[str]:
    """Names of constants and of values computed from constants alone, which engines fold."""
    fixed = {"", *graph.constants, *graph.external}
    for node in graph.nodes:
        if node.operands and fixed.issuperset(node.operands):
            fixed.update(node.outputs)
    return fixed


def _engines(graph: Graph, node: Node, fixed: set[str]) -> Iterator[Finding]:
    """Nodes that ONNX Runtime runs and other engines refuse."""
    if node.kind == "conv" and len(node.operands) > 1 and node.operands[1] not in fixed:
        what = (
            "the weights are computed; onnx2torch and other engines that want constant ones cannot open it; "
            "multiply with MatMul, or make the weights a constant"
        )
        yield graph.finding("error", "computed-weights", node, what)
    if graph.format != "onnx":
        return
    if node.op == "ConstantOfShape" and "value" not in node.options:
        what = (
            "has no value; OpenCV fails, others take 0 of type float32; write the attribute value"
        )
        yield graph.finding("error", "missing-attribute", node, what)
    axis = node.options.get("axis")
    if node.op == "ScatterElements" and isinstance(axis, int) and axis < 0:
        what = f"axis {axis}: OpenCV fails; count the axis from the front"
        yield graph.finding("error", "negative-axis", node, what)
    if node.op == "Reshape" and node.options.get("allowzero") == 1:
        sizes = graph.constants.get(node.operands[1]) if len(node.operands) > 1 else None
        if sizes is None or 0 not in sizes:
            what = "allowzero is 1 and no size is 0: onnx2torch refuses it; set allowzero to 0"
            yield graph.finding("error", "allowzero", node, what)


def _constant_outputs(graph: Graph) -> Iterator[Finding]:
    for port in graph.outputs:
        if port.name in graph.constants or port.name in graph.external:
            what = "is a constant, and some engines list computed outputs only; put an Identity between"
            yield graph.finding("error", "constant-output", (port.name, "output"), what)


def _repeated_constants(graph: Graph) -> Iterator[Finding]:
    """Large constants that repeat one number or one row, in the file and in memory."""
    for name, array in graph.constants.items():
        if array.nbytes < LARGE:
            continue
        axes = _repeating_axes(array)
        if not axes:
            continue
        times = int(np.prod([array.shape[axis] for axis in axes]))
        what = "one number" if times == array.size else "one row"
        message = (
            f"repeats {what} {times} times, {array.nbytes / 1e6:.1f} MB; keep it once and broadcast it, "
            "gather from it, or pad"
        )
        yield graph.finding("warning", "repeated-constant", (name, "constant"), message)


def _repeating_axes(array: npt.NDArray[np.generic]) -> list[int]:
    """Axes of more than one element along which an array stays the same."""
    found = []
    for axis, size in enumerate(array.shape):
        first = array.take([0], axis)
        # Comparing the first two decides most cases at once.
        if size > 1 and np.array_equal(first, array.take([1], axis)) and (array == first).all():
            found.append(axis)
    return found


def _version(graph: Graph) -> Iterator[Finding]:
    if graph.format == "onnx" and graph.version < OPSET:
        what = f"old; operators mean other things there; export with opset {OPSET}"
        yield graph.finding("warning", "version", (f"opset {graph.version}", "model"), what)
    if graph.format == "coreml" and graph.version < SPECIFICATION:
        what = "old; convert with minimum_deployment_target iOS16 or later"
        yield graph.finding("warning", "version", (f"version {graph.version}", "model"), what)


def _shapes(graph: Graph) -> Iterator[Finding]:
    for what, ports in (("input", graph.inputs), ("output", graph.outputs)):
        for port in ports:
            # The manifest may say that the batch is free.
            fixed = (
                port.shape[1:] if graph.free_batch and port.shape[:1] == ("batch",) else port.shape
            )
            open_sizes = [str(size or "?") for size in fixed if not isinstance(size, int)]
            if open_sizes:
                message = (
                    f"size {', '.join(open_sizes)} is open; export with fixed shapes, which every "
                    "runtime can plan for"
                )
                yield graph.finding("error", "dynamic-shape", (port.name, what), message)


def _names(graph: Graph) -> Iterator[Finding]:
    producers = graph.producers()
    for port in graph.outputs:
        producer = producers.get(port.name)
        if _is_automatic(port.name, producer):
            what = "named by the exporter, and differently by the next one; give output_names"
            yield graph.finding("warning", "name", (port.name or "(empty)", "output"), what)


def _is_automatic(name: str, producer: Node | None) -> bool:
    """Whether a name is empty, a number, a general word, or that of its own operator."""
    if AUTOMATIC.fullmatch(name.lower()):
        return True
    words = re.sub(r"[\d_]+", "", name.lower())
    if name.startswith(("/", "onnx::")) or "::" in name:
        return True
    return producer is not None and words in (
        producer.kind,
        producer.op.lower().replace("_", ""),
        f"{producer.kind}output",
    )
