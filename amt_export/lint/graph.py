"""A graph in the form that lint inspects, for all formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from amt_export.lint.finding import Finding, Severity

# Operators whose names differ between formats. All others: the name in lower case without underscores.
ALIASES = {
    "realdiv": "div",
    "reciprocal": "inverse",
    "maximum": "max",
    "minimum": "min",
    "where": "select",
    "expanddims": "unsqueeze",
    "slicebyindex": "slice",
    "slicebysize": "slice",
    "gatheralongaxis": "gatherelements",
    "scatteralongaxis": "scatterelements",
    "reducel2norm": "reducel2",
    "reducel1norm": "reducel1",
    "filllike": "fill",
    "convtranspose": "conv",
    "gemm": "linear",
}


def kind_of(op: str) -> str:
    """The common name of an operator, for both formats."""
    plain = op.lower().replace("_", "")
    return ALIASES.get(plain, plain)


@dataclass(frozen=True)
class Node:
    """One operation.

    Parameters
    ----------
    name : str
        As a reader of the file finds it.
    op, kind : str
        Its operator, as the format calls it and as `kind_of` does.
    operands : tuple of str
        Names of the values it computes with, in the order of ONNX; "" where one is left out.
    outputs : tuple of str
    options : mapping
        What else it is given: attributes, constants that are no operands.
    domain : str
        Of the operator; "" for the format's own.
    """

    name: str
    op: str
    kind: str
    operands: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    domain: str = ""


Place = Node | tuple[str, str]
"""Of a finding: a node; or the name of a constant or port, and which of these it is."""


@dataclass(frozen=True)
class Interface:
    """An input or output of the whole graph. A size that it leaves open is None or a name."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass
class Graph:
    """A graph with the contents of its branches and loops.

    Parameters
    ----------
    file : str
        Name of the artifact.
    format : {"onnx", "coreml"}
    version : int
        Opset of ONNX, specification version of Core ML.
    inputs, outputs : list of Interface
    nodes : list of Node
        In order of execution.
    constants : dict of ndarray
        By name, without those whose data are in another file.
    dtypes : dict of str
        Name of the numpy dtype of every value whose type is known.
    external : dict of str
        Name of a constant, and the file that holds its data.
    float64 : bool
        Whether the manifest in it says that it computes in float64.
    free_batch : bool
        Whether the manifest in it says that the batch is free.
    """

    file: str
    format: str
    version: int
    inputs: list[Interface] = field(default_factory=list)
    outputs: list[Interface] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    external: dict[str, str] = field(default_factory=dict)
    float64: bool = False
    free_batch: bool = False

    def finding(self, severity: Severity, rule: str, place: Place, message: str) -> Finding:
        """Something that was found at a place of this graph; see `Finding`."""
        name, op = (place.name, place.op) if isinstance(place, Node) else place
        return Finding(self.file, severity, rule, name, op, message)

    def producers(self) -> dict[str, Node]:
        """The node that computes each value."""
        return {name: node for node in self.nodes for name in node.outputs}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that use each value."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.operands:
                found.setdefault(name, []).append(node)
        return found

    def is_float(self, name: str) -> bool:
        """Whether a value is a floating-point number, as far as is known."""
        dtype = self.dtypes.get(name)
        return dtype is None or dtype.startswith(("float", "bfloat"))
