"""Small rewrites of an ONNX graph that change no number, so that every engine can read it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from amt_export.export.capture import BATCH

# Engines have pooling for a batch, a channel and at most three more axes.
MAX_POOLED_RANK = 5


def slice_splits(model: ir.Model) -> None:
    """Replace every Split by one Slice for each piece: Split changed with many opsets, Slice did not.

    A Split stays if the size of a piece is not static.
    """
    graph = model.graph
    for node in list(graph):
        if node.op_type != "Split":
            continue
        axis = node.attributes.get_int("axis", 0)
        sizes = _piece_sizes(node, axis)
        if not all(isinstance(size, int) for size in sizes):
            continue
        ends = np.cumsum(sizes)
        slices = []
        for piece, end, size in zip(node.outputs, ends, sizes, strict=True):
            limits = {"start": end - size, "end": end, "axis": axis}
            inputs = [
                _constant(graph, f"{piece.name}_{key}", np.array([value], np.int64))
                for key, value in limits.items()
            ]
            slices.append(
                ir.Node("", "Slice", [node.inputs[0], *inputs], name=f"node_{piece.name}")
            )
        pieces = [made.outputs[0] for made in slices]
        ir.convenience.replace_nodes_and_values(graph, node, [node], slices, node.outputs, pieces)


def select_truth_values(model: ir.Model) -> None:
    """Replace a Cast from bool to float32 by Where: the converter to float16 leaves such a Cast at float32."""
    graph = model.graph
    for node in list(graph):
        given = node.inputs[0] if node.op_type == "Cast" else None
        to = node.attributes.get_int("to", ir.DataType.UNDEFINED)
        if given is None or given.dtype != ir.DataType.BOOL or to != ir.DataType.FLOAT:
            continue
        name = str(node.outputs[0].name)
        one = _constant(graph, f"{name}_true", np.array(1, np.float32))
        zero = _constant(graph, f"{name}_false", np.array(0, np.float32))
        chosen = ir.Node("", "Where", [given, one, zero], name=f"node_{name}")
        ir.convenience.replace_nodes_and_values(
            graph, node, [node], [chosen], node.outputs, chosen.outputs
        )


def drop_idle_casts(model: ir.Model) -> None:
    """Remove every Cast to the type that its input has: the converter to float16 leaves it at float32."""
    graph = model.graph
    for node in list(graph):
        given = node.inputs[0] if node.op_type == "Cast" else None
        to = node.attributes.get_int("to", ir.DataType.UNDEFINED)
        if given is None or _type_of(given) != to or node.outputs[0] in graph.outputs:
            continue
        # The input of such a Cast may have no type and shape beside it, which later rewrites read.
        given.type = given.type or node.outputs[0].type
        given.shape = given.shape or node.outputs[0].shape
        ir.convenience.replace_all_uses_with(node.outputs[0], given)
        graph.remove(node, safe=True)


def _type_of(value: ir.Value) -> ir.DataType | None:
    """The type of a value; that of a ConstantOfShape is not written beside it."""
    made_by = value.producer()
    if value.dtype is not None or made_by is None or made_by.op_type != "ConstantOfShape":
        return value.dtype
    fill = made_by.attributes.get_tensor("value", None)
    return ir.DataType.FLOAT if fill is None else fill.dtype


def pool_maxima(model: ir.Model) -> None:
    """Replace the maximum over one axis by MaxPool with a window as long as the axis.

    ReduceMax takes its axes as an input since opset 18, and onnx2torch knows it with an attribute only. MaxPool
    counts the first two axes as batch and channel; a maximum over one of these stays as it is.
    """
    graph = model.graph
    for node in list(graph):
        axis, given = _single_axis(node), node.inputs[0] if node.inputs else None
        shape = None if given is None else given.shape
        if axis is None or shape is None or not 3 <= shape.rank() <= MAX_POOLED_RANK:
            continue
        axis = axis % shape.rank()
        length = shape[axis]
        if axis < 2 or not isinstance(length, int):
            continue
        window = [1] * (shape.rank() - 2)
        attributes = [
            ir.AttrInt64s(
                "kernel_shape", [length if i == axis - 2 else 1 for i in range(len(window))]
            ),
            ir.AttrInt64s("strides", window),
        ]
        name = node.outputs[0].name
        pooled = ir.Node("", "MaxPool", node.inputs[:1], attributes, name=f"node_{name}")
        ir.convenience.replace_nodes_and_values(
            graph, node, [node], [pooled], node.outputs, pooled.outputs
        )


def _single_axis(node: ir.Node) -> int | None:
    """The axis of a ReduceMax over one constant axis with `keepdims`; None for any other node."""
    if node.op_type != "ReduceMax" or node.attributes.get_int("keepdims", 1) != 1:
        return None
    given = node.inputs[1] if len(node.inputs) > 1 else None
    axes = None if given is None else ir.convenience.get_const_tensor(given)
    return int(axes.numpy().item()) if axes is not None and axes.size == 1 else None


def _piece_sizes(split: ir.Node, axis: int) -> list[Any]:
    if len(split.inputs) > 1 and split.inputs[1] is not None:
        given = ir.convenience.get_const_tensor(split.inputs[1])
        if given is not None:
            return [int(size) for size in given.numpy()]
    return [None if piece.shape is None else piece.shape[axis] for piece in split.outputs]


def _constant(graph: ir.Graph, name: str, array: npt.NDArray[Any]) -> ir.Value:
    """Add a constant to the graph."""
    tensor = ir.tensor(array, name=name)
    added = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(tensor.dtype),
        const_value=tensor,
    )
    graph.register_initializer(added)
    return added


def write_out_fills(model: ir.Model) -> None:
    """Give every ConstantOfShape its `value`: OpenCV does not know the default, 0 of type float32."""
    for node in model.graph:
        if node.op_type == "ConstantOfShape" and "value" not in node.attributes:
            zero = ir.Tensor(np.zeros(1, np.float32))
            node.attributes.add(ir.AttrTensor("value", zero))


def count_axes_from_front(model: ir.Model) -> None:
    """Replace a negative `axis` where the rank is known; OpenCV's ScatterElements fails on -1."""
    for node in model.graph:
        axis = node.attributes.get_int("axis", 0)
        given = node.inputs[0] if node.inputs else None
        if axis < 0 and given is not None and given.shape is not None:
            node.attributes.add(ir.AttrInt64("axis", axis + given.shape.rank()))


def drop_allowzero(model: ir.Model) -> None:
    """Set `allowzero` of every Reshape to 0, its default, unless a size really is 0.

    The attribute says what a 0 in the shape means, and nothing about shapes without one; torch always writes 1,
    and some engines refuse that. A shape that is computed holds sizes of an input, which are not 0.
    """
    for node in model.graph:
        if node.op_type == "Reshape" and not _holds_zero(node.inputs[1]):
            node.attributes.add(ir.AttrInt64("allowzero", 0))


def _holds_zero(shape: ir.Value | None) -> bool:
    sizes = None if shape is None else ir.convenience.get_const_tensor(shape)
    return sizes is not None and 0 in sizes.numpy()


def compute_outputs(model: ir.Model) -> None:
    """Insert an Identity before every output that is a constant, or that the graph itself reads.

    Several engines do not find an output that is a constant. The converter to float16 keeps an output in
    float32, but not the nodes that read it. The output keeps its name; the value inside gets another one.
    """
    graph = model.graph
    for place, value in enumerate(graph.outputs):
        name = value.name
        is_constant = name is not None and graph.initializers.get(name) is value
        if name is None or not (is_constant or value.uses()):
            continue
        if is_constant:
            del graph.initializers[name]
        value.name = f"{name}_inside"
        if is_constant:
            graph.initializers[value.name] = value
        node = ir.Node("", "Identity", [value], name=f"node_{name}")
        computed = node.outputs[0]
        computed.name, computed.type, computed.shape = name, value.type, value.shape
        graph.append(node)
        graph.outputs[place] = computed


def name_batch(graph: Any) -> None:
    """Name a free batch "batch" in the whole graph, in place of the symbol that torch invents.

    Parameters
    ----------
    graph : onnx.GraphProto
        Whose inputs all begin with the batch.
    """
    symbol = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = re.sub(rf"\b{re.escape(symbol)}\b", BATCH, size.dim_param)
