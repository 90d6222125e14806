"""Core ML packages that can be read and mean nothing are refused in one line."""

from __future__ import annotations

import pytest
from coremltools.proto import MIL_pb2

from amt_export.coreml_interpreter import Interpreter
from amt_export.errors import ArtifactError
from support.coreml import argument, block_of, constants, edited, numbers
from support.coreml_damage import X, refused

DAMAGES = {}


def damages(message: str):
    """Register a change to a specification, and what must be said of it."""

    def register(change):
        DAMAGES[change.__name__] = (change, message)
        return change

    return register


@damages("einsum .*: is not known here")
def an_operation(model, product, piece):
    product.type = "einsum"


@damages("matmul .*: is not known here")
def a_nested_block(model, product, piece):
    product.blocks.add()


@damages("matmul .*: has a parameter alpha that is not known here")
def a_parameter(model, product, piece):
    product.inputs["alpha"].CopyFrom(product.inputs["x"])


@damages("matmul .*: lacks its parameter y")
def no_parameter(model, product, piece):
    del product.inputs["y"]


@damages("takes one y, not 2")
def two_values(model, product, piece):
    product.inputs["y"].arguments.add().CopyFrom(product.inputs["y"].arguments[0])


@damages("needs z, which nothing defines")
def nothing_defined(model, product, piece):
    product.inputs["x"].arguments[0].name = "z"


@damages("is defined twice")
def defined_twice(model, product, piece):
    block_of(model).operations.append(product)


@damages("more than 5 dimensions")
def many_dimensions(model, product, piece):
    declared = product.outputs[0].type.tensorType
    for _ in range(4):
        declared.dimensions.add().constant.size = 1
    declared.rank += 4


@damages("a rank that is not its own")
def another_rank(model, product, piece):
    product.outputs[0].type.tensorType.rank = 3


@damages(r"gives float32\[3, 4\], the program declares float32\[4, 4\]")
def another_shape(model, product, piece):
    product.outputs[0].type.tensorType.dimensions[0].constant.size = 4


@damages("the program declares int32")
def another_type(model, product, piece):
    product.outputs[0].type.tensorType.dataType = MIL_pb2.INT32


@damages("FLOAT64, which is not for Core ML")
def double_precision(model, product, piece):
    product.outputs[0].type.tensorType.dataType = MIL_pb2.FLOAT64


@damages("INT64, which is not for Core ML")
def long_integers(model, product, piece):
    argument(model, piece, "begin").type.tensorType.dataType = MIL_pb2.INT64


@damages("is no tensor")
def a_list(model, product, piece):
    product.outputs[0].type.listType.SetInParent()


@damages("has 1 results, not 2")
def two_results(model, product, piece):
    product.outputs.add().CopyFrom(product.outputs[0])
    product.outputs[1].name = "more"


@damages(r"gives float32\[3, 0\]")
def bounds_outside(model, product, piece):
    numbers(argument(model, piece, "begin"))[1] = 9


@damages("does not hold int32")
def three_bounds(model, product, piece):
    numbers(argument(model, piece, "begin")).append(1)


@damages("does not hold int32")
def bounds_of_floats(model, product, piece):
    argument(model, piece, "begin").immediateValue.tensor.floats.values.extend([0.0, 1.0])


@damages("has no value")
def no_value(model, product, piece):
    name = piece.inputs["begin"].arguments[0].name
    (constant,) = (o for o in block_of(model).operations if o.outputs[0].name == name)
    del constant.attributes["val"]


@damages("constant of open size")
def an_open_size(model, product, piece):
    argument(model, piece, "begin").type.tensorType.dimensions[0].unknown.variadic = False


@damages("needs nothing, which nothing defines")
def an_output(model, product, piece):
    block_of(model).outputs.append("nothing")


@damages("other inputs or outputs than the package says")
def another_interface(model, product, piece):
    model.description.output[0].name = "y1"


@damages("has no function main")
def another_function(model, product, piece):
    function = model.mlProgram.functions["main"]
    model.mlProgram.functions["other"].CopyFrom(function)
    del model.mlProgram.functions["main"]


@damages("has no program for CoreML99")
def another_opset(model, product, piece):
    model.mlProgram.functions["main"].opset = "CoreML99"


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_specification_that_means_nothing(kind, package):
    change, message = DAMAGES[kind]
    with edited(package) as model:
        operations = {o.type: o for o in block_of(model).operations}
        change(model, operations["matmul"], operations["slice_by_index"])
    with pytest.raises(ArtifactError, match=message) as caught:
        Interpreter(package).run({"x": X})
    assert "\n" not in str(caught.value)


def test_a_specification_whose_numbers_do_not_fit(package):
    """Changed where the type checks of a builder would not let it pass."""
    with edited(package) as model:
        value = constants(model)[
            next(n for n, v in constants(model).items() if v.HasField("blobFileValue"))
        ]
        value.type.tensorType.dimensions[0].constant.size = 2
        value.type.tensorType.dimensions[1].constant.size = 8
        for operation in block_of(model).operations:
            if operation.type == "const" and operation.attributes["val"].HasField("blobFileValue"):
                operation.outputs[0].type.CopyFrom(operation.attributes["val"].type)
    assert "matmul" in refused(package)
