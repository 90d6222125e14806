"""Read the graph of any ONNX file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.errors import ArtifactError, require
from amt_export.lint.graph import Graph, Interface, Node, kind_of
from amt_export.manifest import METADATA_KEY, Manifest


def read_onnx(path: Path) -> Graph:
    """Read a file without its external data.

    Raises
    ------
    ArtifactError
        If it is not an ONNX model, or is truncated.
    MissingDependencyError
        If onnx is not installed.
    """
    onnx = require("onnx", "export", "Reading the graph of an ONNX file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # of the kinds that protobuf raises
        raise ArtifactError(f"{path}: not an ONNX model that can be read ({error})") from error
    if not model.graph.node and not model.graph.output:
        raise ArtifactError(f"{path}: not an ONNX model, it holds no graph")
    # Inference gives the types of intermediate values. Where it fails, the graph is inspected without them.
    with contextlib.suppress(Exception):
        model = onnx.shape_inference.infer_shapes(model)
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    graph = Graph(path.name, "onnx", max(versions, default=0))
    initializers = {tensor.name for tensor in model.graph.initializer}
    # Old exporters list constants among the inputs as well.
    inputs = [value for value in model.graph.input if value.name not in initializers]
    graph.inputs = [_interface(value) for value in inputs]
    graph.outputs = [_interface(value) for value in model.graph.output]
    manifest = _manifest(model)
    graph.float64 = manifest is not None and manifest.precision == "float64"
    graph.free_batch = manifest is not None and manifest.batch == "dynamic"
    _read_graph(model.graph, graph, "")
    for function in model.functions:
        _read_nodes(function.node, graph, f"{function.name}/")
    return graph


def _manifest(model: Any) -> Manifest | None:
    """The manifest in a file that this package made; None in others."""
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            with contextlib.suppress(ArtifactError):
                return Manifest.from_json(entry.value, METADATA_KEY)
    return None


def _read_graph(proto: Any, graph: Graph, where: str) -> None:
    for value in (*proto.input, *proto.output, *proto.value_info):
        if value.type.HasField("tensor_type"):
            graph.dtypes[value.name] = _dtype(value.type.tensor_type.elem_type)
    for tensor in proto.initializer:
        _read_tensor(tensor, tensor.name, graph)
    _read_nodes(proto.node, graph, where)


def _read_nodes(nodes: Any, graph: Graph, where: str) -> None:
    for proto in nodes:
        name = where + (proto.name or next(iter(proto.output), "") or proto.op_type)
        options = {attribute.name: _attribute(attribute) for attribute in proto.attribute}
        if proto.op_type == "Constant" and proto.output:
            _read_constant(proto, graph)
            continue
        graph.nodes.append(
            Node(
                name,
                proto.op_type,
                kind_of(proto.op_type),
                tuple(proto.input),
                tuple(proto.output),
                options,
                "" if proto.domain == "ai.onnx" else proto.domain,
            )
        )
        for inner in _subgraphs(proto):
            _read_graph(inner, graph, f"{name}/")


def _subgraphs(proto: Any) -> Iterator[Any]:
    for attribute in proto.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _read_constant(proto: Any, graph: Graph) -> None:
    name = proto.output[0]
    for attribute in proto.attribute:
        if attribute.HasField("t"):
            _read_tensor(attribute.t, name, graph)
        elif attribute.name in ("value_float", "value_floats"):
            values = np.asarray(_attribute(attribute), np.float32)
            graph.constants[name], graph.dtypes[name] = values, "float32"
        elif attribute.name in ("value_int", "value_ints"):
            values = np.asarray(_attribute(attribute), np.int64)
            graph.constants[name], graph.dtypes[name] = values, "int64"


def _read_tensor(tensor: Any, name: str, graph: Graph) -> None:
    from onnx import TensorProto, numpy_helper

    graph.dtypes[name] = _dtype(tensor.data_type)
    if tensor.data_location == TensorProto.EXTERNAL:
        places = {entry.key: entry.value for entry in tensor.external_data}
        graph.external[name] = places.get("location", "another file")
        return
    try:
        graph.constants[name] = numpy_helper.to_array(tensor)
    except Exception as error:
        raise ArtifactError(f"{graph.file}: constant {name} is damaged ({error})") from error


def _attribute(attribute: Any) -> object:
    from onnx import AttributeProto, numpy_helper

    kind = attribute.type
    if kind == AttributeProto.TENSOR:
        return numpy_helper.to_array(attribute.t)
    plain = {
        AttributeProto.FLOAT: "f",
        AttributeProto.INT: "i",
        AttributeProto.STRING: "s",
        AttributeProto.FLOATS: "floats",
        AttributeProto.INTS: "ints",
    }
    if kind not in plain:
        return None  # graphs, which are read elsewhere, and kinds without numbers
    value = getattr(attribute, plain[kind])
    return list(value) if kind in (AttributeProto.FLOATS, AttributeProto.INTS) else value


def _dtype(elem_type: int) -> str:
    """The numpy name of a type, or the ONNX name in lower case where numpy has no such type."""
    from onnx import TensorProto

    name: str = TensorProto.DataType.Name(elem_type).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def _interface(value: Any) -> Interface:
    tensor = value.type.tensor_type
    shape = tuple(
        d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim
    )
    # Without a shape field not even the rank is known.
    return Interface(
        value.name, _dtype(tensor.elem_type), shape if tensor.HasField("shape") else (None,)
    )
