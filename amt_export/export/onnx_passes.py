"""What every engine can read: small rewrites of an ONNX graph that change no number."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def write_out_fills(model: ir.Model) -> None:
    """Give every ConstantOfShape its `value`: 0 of type float32 is the default, which some engines do not know."""
    for node in model.graph:
        if node.op_type == "ConstantOfShape" and "value" not in node.attributes:
            zero = ir.Tensor(np.zeros(1, np.float32))
            node.attributes.add(ir.AttrTensor("value", zero))


def write_out_permutations(model: ir.Model) -> None:
    """Give every Transpose of known rank its `perm`; the default reverses the axes."""
    for node in model.graph:
        given = node.inputs[0] if node.inputs else None
        if node.op_type == "Transpose" and "perm" not in node.attributes:
            if given is not None and given.shape is not None:
                axes = range(given.shape.rank())
                node.attributes.add(ir.AttrInt64s("perm", tuple(reversed(axes))))


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
    """Put an Identity before every output that is a constant; several engines find no such output.

    An output keeps its name; the constant gets another one.
    """
    graph = model.graph
    for place, value in enumerate(graph.outputs):
        name = value.name
        if name is None or graph.initializers.get(name) is not value:
            continue
        del graph.initializers[name]
        value.name = f"{name}_constant"
        graph.initializers[value.name] = value
        node = ir.Node("", "Identity", [value], name=f"node_{name}")
        computed = node.outputs[0]
        computed.name, computed.type, computed.shape = name, value.type, value.shape
        graph.append(node)
        graph.outputs[place] = computed
