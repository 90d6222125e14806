"""A graph as lint sees it, whichever format it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# Operators that formats call differently; others go by their name in small letters, without underscores.
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
    """The name of an operator that both formats share."""
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


@dataclass(frozen=True)
class Interface:
    """An input or output of the whole graph; a size it leaves open is None or a name."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass
class Graph:
    """A graph with everything in it, that of its branches and loops too.

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
        By name; those whose data are elsewhere are missing.
    dtypes : dict of str
        Of every value whose type is known, numpy's names.
    external : dict of str
        Constant to the file that holds it.
    float64 : bool
        Whether its manifest says that it computes in float64 inside.
    free_batch : bool
        Whether its manifest says that any batch may come.
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

    def producers(self) -> dict[str, Node]:
        """The node that gives each value."""
        return {name: node for node in self.nodes for name in node.outputs}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that take each value."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.operands:
                found.setdefault(name, []).append(node)
        return found

    def is_float(self, name: str) -> bool:
        """Whether a value is a floating-point number, as far as is known."""
        dtype = self.dtypes.get(name)
        return dtype is None or dtype.startswith(("float", "bfloat"))
