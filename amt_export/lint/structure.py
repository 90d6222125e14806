"""Traps in the form of a graph: what some runtimes cannot run, load or name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from amt_export.lint.finding import Finding, Severity
from amt_export.lint.graph import Graph, Node

# Operators that have no place in a static graph, and what to write instead.
LOOPS = ("scan", "loop", "if", "whileloop", "cond")
LISTS = ("makelist", "listread", "listwrite", "listgather", "listscatter", "listlength")
TRANSFORMS = ("dft", "stft", "fft", "ifft", "rfft", "irfft", "melweightmatrix")
# What older ones lack or call otherwise; ONNX Runtime reads this one since 1.14.
OPSET = 18
# iOS 16 and macOS 13, the first with the operators of the packages that this package writes.
SPECIFICATION = 7
# Names that exporters give where nobody has.
AUTOMATIC = re.compile(
    r"(?:out(?:put)?s?|var|val|value|tensor|result|ret|res|y|x|t)?_*\d*(?:_\d+)*"
)


def structural_findings(graph: Graph) -> Iterator[Finding]:
    """All findings of this kind."""
    yield from _version(graph)
    for name, place in graph.external.items():
        yield Finding(
            graph.file,
            "error",
            "external-data",
            name,
            "constant",
            f"lies in {place}, which gets lost; save the model as one file",
        )
    for node in graph.nodes:
        yield from _operator(graph, node)
    yield from _shapes(graph)
    yield from _names(graph)


def _operator(graph: Graph, node: Node) -> Iterator[Finding]:
    def finding(severity: Severity, rule: str, message: str) -> Finding:
        return Finding(graph.file, severity, rule, node.name, node.op, message)

    if node.kind in LOOPS:
        yield finding(
            "error",
            "control-flow",
            "some runtimes have none, the others run it step by step; unroll it, or write the "
            "recursion as matrix products of blocks",
        )
    elif node.kind in LISTS:
        yield finding("error", "control-flow", "lists belong to loops; use one tensor")
    elif node.kind in TRANSFORMS:
        yield finding(
            "error",
            "transform",
            "inaccurate for long or odd lengths, slow, and missing on GPUs and in Core ML; multiply "
            "by matrices of cosines and sines",
        )
    elif node.domain:
        yield finding(
            "warning",
            "domain",
            f"of {node.domain}: other runtimes do not know it; use plain operators",
        )


def _version(graph: Graph) -> Iterator[Finding]:
    if graph.format == "onnx" and graph.version < OPSET:
        yield Finding(
            graph.file,
            "warning",
            "version",
            f"opset {graph.version}",
            "model",
            f"old; operators mean other things there; export with opset {OPSET}",
        )
    if graph.format == "coreml" and graph.version < SPECIFICATION:
        yield Finding(
            graph.file,
            "warning",
            "version",
            f"version {graph.version}",
            "model",
            "old; convert with minimum_deployment_target iOS16 or later",
        )


def _shapes(graph: Graph) -> Iterator[Finding]:
    for what, ports in (("input", graph.inputs), ("output", graph.outputs)):
        for port in ports:
            open_sizes = [str(size or "?") for size in port.shape if not isinstance(size, int)]
            if open_sizes:
                yield Finding(
                    graph.file,
                    "error",
                    "dynamic-shape",
                    port.name,
                    what,
                    f"size {', '.join(open_sizes)} is open; export with fixed shapes, which every "
                    "runtime can plan for",
                )


def _names(graph: Graph) -> Iterator[Finding]:
    producers = graph.producers()
    for port in graph.outputs:
        producer = producers.get(port.name)
        if _is_automatic(port.name, producer):
            yield Finding(
                graph.file,
                "warning",
                "name",
                port.name or "(empty)",
                "output",
                "named by the exporter, and differently by the next one; give output_names",
            )


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
