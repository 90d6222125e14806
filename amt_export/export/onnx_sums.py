"""Large sums with products in them, written so that ONNX Runtime adds while it multiplies.

A MatMul writes its result, and an Add reads it again together with what it is added to: where these are larger
than a processor's cache, that takes as long as the product. A convolution by one point is the same product, and
one that is added to something becomes one operator there (ConvAddActivationFusion makes a FusedConv), which
adds in place. The numbers are the same to the last bit, and the DRNL takes a tenth less time.

    out[g, k, n] = sum over j of weights[g, k, j] given[g, j, n]

The weights of a convolution usually are constant. Here they are the rows, sound or states, and what it is given
is the table, so rows stay as they are laid out. OpenVINO, which adds in place by itself, takes 1.4 times as
long with it; it also reads a .pt2, where nothing of this is done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

# Numbers in a sum: 1 MB in float32, twice what is next to a processor here. Smaller sums gain nothing.
LARGE = 2**18
# Factors of a product: with more of them the convolution takes longer than the MatMul by what the Add took.
LONG = 32


class Product(NamedTuple):
    """What an Add adds to something.

    rows, tables : the factors, (1, F, K, j) or (1, 1, K, j), the same for all channels, and (F, j, n)
    made : their product
    other : what it is added to, before it is reshaped
    """

    rows: ir.Value
    tables: ir.Value
    made: ir.Value
    other: ir.Value


def add_in_place(model: ir.Model) -> None:
    """Rewrite large sums with a product in them, but for outputs: these are written anew anyway.

    Parameters
    ----------
    model : ir.Model
        Changed in place. Only sums of two float32 values of one static shape are touched, with a product of
        rows (1, F or 1, K, j) and tables (F, j, n); nothing raises where there is none.
    """
    for node in list(model.graph):
        if node.op_type == "Add" and _is_large_inside(node.outputs[0]):
            # Of two products the one that reads less.
            found = min(_products(node), key=lambda product: _depth(product.tables), default=None)
            if found is not None:
                _rewrite(model.graph, node, found)


def _shape(value: ir.Value | None) -> tuple[int, ...]:
    """A static shape; () if it has none."""
    if value is None or value.shape is None or not value.shape.is_static():
        return ()
    return value.shape.numpy()


def _depth(tables: ir.Value) -> int:
    return _shape(tables)[1]


def _is_large_inside(value: ir.Value) -> bool:
    if value.dtype != ir.DataType.FLOAT or value.is_graph_output():
        return False
    return math.prod(_shape(value)) >= LARGE


def _unshaped(value: ir.Value) -> ir.Value:
    """What a value was before it was reshaped, if that has no other use."""
    node = value.producer()
    while node is not None and node.op_type == "Reshape" and len(value.uses()) == 1:
        given = node.inputs[0]
        if given is None or len(given.uses()) > 1:
            break
        value, node = given, given.producer()
    return value


def _products(add: ir.Node) -> Iterator[Product]:
    """Operands of an Add that are such a product, and nobody else's operand."""
    first, second = add.inputs
    if first is None or second is None or _shape(first) != _shape(second):
        return
    for side, other in ((second, first), (first, second)):
        made = _unshaped(side)
        matmul = made.producer()
        if matmul is None or matmul.op_type != "MatMul" or len(made.uses()) > 1:
            continue
        rows, tables = matmul.inputs
        if rows is None or tables is None or len(_shape(rows)) != 4 or len(_shape(tables)) != 3:
            continue
        batch, channels, _, depth = _shape(rows)
        if batch == 1 and channels in (1, _shape(tables)[0]) and depth <= LONG:
            yield Product(rows, tables, made, _unshaped(other))


def _rewrite(graph: ir.Graph, add: ir.Node, product: Product) -> None:
    """Convolve and add in (batch, filters, 1, n); names of values that stay what they were are kept."""
    rows, tables, made, other = product
    total, (_, groups, count, depth) = add.outputs[0], _shape(rows)
    channels, _, columns = _shape(tables)
    # Rows of all channels are convolved as a batch, those of one channel each as groups.
    batch, filters = channels // groups, groups * count
    layout, nodes = (batch, filters, 1, columns), _Nodes()
    names = str(made.name), str(total.name)
    made.name, total.name = f"{names[0]}_before", f"{names[1]}_before"

    weights = nodes.reshaped(rows, (filters, depth, 1, 1), f"{names[0]}_weights")
    given = nodes.reshaped(tables, (batch, groups * depth, 1, columns), f"{names[0]}_given")
    # Without a bias the two do not become one.
    bias = nodes.zeros(filters, f"{names[0]}_bias")
    convolved = nodes.add(
        *("Conv", (given, weights, bias), layout, names[0]),
        (ir.AttrInt64("group", groups), ir.AttrInt64s("kernel_shape", (1, 1))),
    )
    base = nodes.reshaped(other, layout, f"{names[1]}_base")
    summed = nodes.add("Add", (base, convolved), layout, names[1])
    result = nodes.reshaped(summed, _shape(total), f"{names[1]}_laid_out")
    graph.insert_before(add, nodes.made)
    total.replace_all_uses_with(result)
    graph.remove(add, safe=True)  # and what only this used: see RemoveUnusedNodesPass


class _Nodes:
    """New nodes in the order in which they are computed."""

    def __init__(self) -> None:
        self.made: list[ir.Node] = []

    def add(
        self,
        op: str,
        inputs: tuple[ir.Value, ...],
        shape: tuple[int, ...],
        name: str,
        attributes: tuple[ir.Attr, ...] = (),
        dtype: ir.DataType = ir.DataType.FLOAT,
    ) -> ir.Value:
        value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
        self.made.append(ir.Node("", op, inputs, attributes, outputs=[value], name=f"node_{name}"))
        return value

    def sizes(self, sizes: tuple[int, ...], name: str) -> ir.Value:
        tensor = ir.AttrTensor("value", ir.Tensor(np.array(sizes, np.int64)))
        return self.add("Constant", (), (len(sizes),), name, (tensor,), ir.DataType.INT64)

    def reshaped(self, value: ir.Value, shape: tuple[int, ...], name: str) -> ir.Value:
        if _shape(value) == shape:
            return value
        return self.add("Reshape", (value, self.sizes(shape, f"{name}_shape")), shape, name)

    def zeros(self, count: int, name: str) -> ir.Value:
        return self.add("ConstantOfShape", (self.sizes((count,), f"{name}_shape"),), (count,), name)
