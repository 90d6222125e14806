"""Read the graph of any Core ML package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amt_export.coreml_interpreter import Package, open_package
from amt_export.errors import ArtifactError
from amt_export.lint.graph import Graph, Interface, Node, kind_of

# Parameters that are operands, in the order of ONNX. All others are options.
OPERANDS = ("cond", "x", "values", "data", "y", "a", "b", "weight", "bias", "updates")
# Default of the epsilon that Core ML adds to the argument (MIL documentation of elementwise_unary).
DEFAULT_EPSILON = {"inverse": 1e-4, "rsqrt": 1e-12, "log": 1e-45}
BOUNDS = ("alpha", "beta")  # of clip; elsewhere they are slopes


def read_coreml(path: Path) -> Graph:
    """Read the program that a prediction runs, with its weights.

    Raises
    ------
    ArtifactError
        If it is not a package with an ML Program, is truncated, or its weight file does not match.
    MissingDependencyError
        If coremltools is not installed.
    """
    package = open_package(path)
    graph = Graph(path.name, "coreml", package.model.specificationVersion)
    function = package.function()
    described = {f.name: f for f in package.model.description.input}
    for value in function.inputs:
        dtype, shape = _type(value.type)
        graph.dtypes[value.name] = dtype
        graph.inputs.append(Interface(value.name, dtype, _flexible(described, value.name, shape)))
    block = package.block()
    _read_block(package, block, graph, "")
    shapes = _declared(block)
    graph.outputs = [
        Interface(name, graph.dtypes.get(name, ""), shapes.get(name, (None,)))
        for name in block.outputs
    ]
    return graph


def _read_block(package: Package, block: Any, graph: Graph, where: str) -> None:
    for operation in block.operations:
        outputs = tuple(value.name for value in operation.outputs)
        for value in operation.outputs:
            graph.dtypes[value.name] = _type(value.type)[0]
        name = where + next(iter(outputs), operation.type)
        if operation.type == "const":
            array = _constant(package, operation.attributes["val"], name)
            if array is not None:
                graph.constants[outputs[0]] = array
            continue
        given = {
            parameter: tuple(
                _argument(package, binding, name, graph) for binding in value.arguments
            )
            for parameter, value in operation.inputs.items()
        }
        named = OPERANDS + (BOUNDS if operation.type == "clip" else ())
        operands = tuple(x for parameter in named for x in given.get(parameter, ()))
        options: dict[str, object] = {
            parameter: graph.constants[names[0]]
            for parameter, names in given.items()
            if parameter not in named and names and names[0] in graph.constants
        }
        kind = kind_of(operation.type)
        if kind in DEFAULT_EPSILON:
            options.setdefault("epsilon", DEFAULT_EPSILON[kind])
        graph.nodes.append(Node(name, operation.type, kind, operands, outputs, options))
        for inner in operation.blocks:
            _read_block(package, inner, graph, f"{name}/")


def _argument(package: Package, binding: Any, where: str, graph: Graph) -> str:
    """Name of an argument; a value in its place becomes a constant."""
    if binding.WhichOneof("binding") == "name":
        return str(binding.name)
    name = f"{where}#{len(graph.constants)}"
    array = _constant(package, binding.value, where)
    if array is not None:
        graph.constants[name] = array
        graph.dtypes[name] = str(array.dtype)
    return name


def _constant(package: Package, value: Any, where: str) -> Any:
    """A constant, or None where it is of a type that is looked at by its name only."""
    if _type(value.type)[0] in ("float64", "int64", "uint64") or not value.type.HasField(
        "tensorType"
    ):
        return None
    return package.value(value, where)


def _type(declared: Any) -> tuple[str, tuple[int | str | None, ...]]:
    """Numpy's name of a type, and the shape."""
    from coremltools.proto import MIL_pb2

    if declared.WhichOneof("type") != "tensorType":
        return "", ()
    tensor = declared.tensorType
    name = MIL_pb2.DataType.Name(tensor.dataType).lower()
    shape = tuple(
        d.constant.size if d.WhichOneof("dimension") == "constant" else None
        for d in tensor.dimensions
    )
    return name, shape


def _flexible(
    described: dict[str, Any], name: str, shape: tuple[int | str | None, ...]
) -> tuple[int | str | None, ...]:
    """The shape of an input, open where the description allows several."""
    if name not in described:
        raise ArtifactError(f"input {name} is not in the package's description; build it again")
    array = described[name].type.multiArrayType
    if array.WhichOneof("ShapeFlexibility") is not None:
        return tuple(None for _ in shape)
    return shape


def _declared(block: Any) -> dict[str, tuple[int | str | None, ...]]:
    return {
        value.name: _type(value.type)[1]
        for operation in block.operations
        for value in operation.outputs
    }
