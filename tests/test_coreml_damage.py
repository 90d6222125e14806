"""Damaged Core ML packages, and those that mean nothing, are refused in one line."""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from coreml_checks import (
    argument,
    block_of,
    constants,
    edited,
    mb,
    numbers,
    save_program,
    weight_file,
)
from coremltools.proto import MIL_pb2
from filter_checks import noise

from amt_export.coreml_reference import Interpreter, open_package
from amt_export.errors import ArtifactError, InputError

X = noise(3, 4).float().numpy()
TABLE = noise(4, 4, seed=1).float().numpy()


@pytest.fixture
def package(tmp_path) -> Path:
    """A small program with weights in a file: (x @ table)[:, 1:3]."""

    def build(x):
        product = mb.matmul(x=x, y=TABLE)
        return [mb.slice_by_index(x=product, begin=[0, 1], end=[3, 3], end_mask=[True, False])]

    saved = save_program(tmp_path / "small.mlpackage", build, x=X)
    np.testing.assert_allclose(
        Interpreter(saved).run({"x": X})["y0"], (X @ TABLE)[:, 1:3], rtol=1e-5, atol=1e-6
    )
    return saved


def refused(package: Path) -> str:
    """The one line with which a package is refused, when it is opened or when it is run."""
    with pytest.raises(ArtifactError) as caught:
        Interpreter(package).run({"x": X})
    message = str(caught.value)
    assert "\n" not in message
    assert str(package) in message
    return message


@pytest.mark.parametrize("size", [0, 10, 63])
def test_a_weight_file_that_ends_in_its_header(size, package):
    path = weight_file(package)
    path.write_bytes(path.read_bytes()[:size])
    assert "truncated" in refused(package)


@pytest.mark.parametrize("missing", [1, 30, 64, 100])
def test_a_truncated_weight_file(missing, package):
    path = weight_file(package)
    path.write_bytes(path.read_bytes()[:-missing])
    assert "truncated" in refused(package)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (4, 1, "not a weight file"),  # version
        (0, 0, "not a weight file"),  # no blobs
        (64, 0xDEADBEEE, "does not match, no weights at offset 64"),  # sentinel
        (68, 1, "does not match"),  # float16
        (68, 99, "does not match, 64 bytes of 99"),  # a type that does not exist
        (72, 60, "does not match, 60 bytes of float32"),  # bytes
        (80, 64, "data of 64 at 64"),  # the description itself
        (80, 130, "data of 64 at 130"),  # not aligned
        (80, 1 << 20, "truncated"),
    ],
)
def test_a_weight_file_that_does_not_match(offset, value, message, package):
    path = weight_file(package)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, offset, value)
    path.write_bytes(data)
    assert message in refused(package)


def test_the_weight_file_of_another_model(package, proven, tmp_path):
    shutil.copy(weight_file(proven("gammatone").package), weight_file(package))
    assert "weight" in refused(package)
    spoiled = proven("gammatone").copy(tmp_path)
    shutil.copy(weight_file(proven("drnl").package), weight_file(spoiled))
    with pytest.raises(ArtifactError, match="does not match"):
        Interpreter(spoiled)
    weight_file(package).unlink()
    assert "its weight file is missing" in refused(package)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("@model_path/../weights.bin", "weights outside the package"),
        ("/weights/weight.bin", "weights outside the package"),
        ("@model_path/weights/other.bin", "its weight file is missing"),
    ],
)
def test_weights_stay_in_the_package(name, message, package):
    with edited(package) as model:
        for value in constants(model).values():
            if value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.fileName = name
    assert message in refused(package)


def test_an_offset_that_is_none(package):
    with edited(package) as model:
        for value in constants(model).values():
            if value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.offset = 65
    assert "not aligned" in refused(package)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"rootModelIdentifier": "A", "itemInfoEntries": {"A": {}}}']
)
def test_a_package_without_a_manifest_of_its_own(text, package):
    (package / "Manifest.json").write_text(text)
    assert "not that of a Core ML package" in refused(package)
    (package / "Manifest.json").unlink()
    assert "not that of a Core ML package" in refused(package)
    shutil.rmtree(package)
    assert "not that of a Core ML package" in refused(package)


def test_a_manifest_that_points_elsewhere(package):
    path = package / "Manifest.json"
    content = json.loads(path.read_text())
    content["itemInfoEntries"][content["rootModelIdentifier"]]["path"] = "../../other.mlmodel"
    path.write_text(json.dumps(content))
    assert "outside the package" in refused(package)


def test_a_specification_that_is_none(package):
    path = open_package(package).specification
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "not a Core ML model" in refused(package)
    path.write_bytes(b"")
    assert "not an ML Program" in refused(package)
    path.unlink()
    assert "not a Core ML model" in refused(package)


SPOILERS = {}


def spoils(message: str):
    """Register a change to a specification, and what must be said of it."""

    def register(change):
        SPOILERS[change.__name__] = (change, message)
        return change

    return register


@spoils("einsum .*: is not known here")
def an_operation(model, product, piece):
    product.type = "einsum"


@spoils("matmul .*: is not known here")
def a_nested_block(model, product, piece):
    product.blocks.add()


@spoils("matmul .*: has a parameter alpha that is not known here")
def a_parameter(model, product, piece):
    product.inputs["alpha"].CopyFrom(product.inputs["x"])


@spoils("matmul .*: lacks its parameter y")
def no_parameter(model, product, piece):
    del product.inputs["y"]


@spoils("takes one y, not 2")
def two_values(model, product, piece):
    product.inputs["y"].arguments.add().CopyFrom(product.inputs["y"].arguments[0])


@spoils("needs z, which nothing defines")
def nothing_defined(model, product, piece):
    product.inputs["x"].arguments[0].name = "z"


@spoils("is defined twice")
def defined_twice(model, product, piece):
    block_of(model).operations.append(product)


@spoils("more than 5 dimensions")
def many_dimensions(model, product, piece):
    declared = product.outputs[0].type.tensorType
    for _ in range(4):
        declared.dimensions.add().constant.size = 1
    declared.rank += 4


@spoils("a rank that is not its own")
def another_rank(model, product, piece):
    product.outputs[0].type.tensorType.rank = 3


@spoils(r"gives float32\[3, 4\], the program declares float32\[4, 4\]")
def another_shape(model, product, piece):
    product.outputs[0].type.tensorType.dimensions[0].constant.size = 4


@spoils("the program declares int32")
def another_type(model, product, piece):
    product.outputs[0].type.tensorType.dataType = MIL_pb2.INT32


@spoils("FLOAT64, which is not for Core ML")
def double_precision(model, product, piece):
    product.outputs[0].type.tensorType.dataType = MIL_pb2.FLOAT64


@spoils("INT64, which is not for Core ML")
def long_integers(model, product, piece):
    argument(model, piece, "begin").type.tensorType.dataType = MIL_pb2.INT64


@spoils("is no tensor")
def a_list(model, product, piece):
    product.outputs[0].type.listType.SetInParent()


@spoils("has 1 results, not 2")
def two_results(model, product, piece):
    product.outputs.add().CopyFrom(product.outputs[0])
    product.outputs[1].name = "more"


@spoils(r"gives float32\[3, 0\]")
def bounds_outside(model, product, piece):
    numbers(argument(model, piece, "begin"))[1] = 9


@spoils("does not hold int32")
def three_bounds(model, product, piece):
    numbers(argument(model, piece, "begin")).append(1)


@spoils("does not hold int32")
def bounds_of_floats(model, product, piece):
    argument(model, piece, "begin").immediateValue.tensor.floats.values.extend([0.0, 1.0])


@spoils("has no value")
def no_value(model, product, piece):
    name = piece.inputs["begin"].arguments[0].name
    (constant,) = (o for o in block_of(model).operations if o.outputs[0].name == name)
    del constant.attributes["val"]


@spoils("constant of open size")
def an_open_size(model, product, piece):
    argument(model, piece, "begin").type.tensorType.dimensions[0].unknown.variadic = False


@spoils("needs nothing, which nothing defines")
def an_output(model, product, piece):
    block_of(model).outputs.append("nothing")


@spoils("other inputs or outputs than the package says")
def another_interface(model, product, piece):
    model.description.output[0].name = "y1"


@spoils("has no function main")
def another_function(model, product, piece):
    function = model.mlProgram.functions["main"]
    model.mlProgram.functions["other"].CopyFrom(function)
    del model.mlProgram.functions["main"]


@spoils("has no program for CoreML99")
def another_opset(model, product, piece):
    model.mlProgram.functions["main"].opset = "CoreML99"


@pytest.mark.parametrize("kind", SPOILERS)
def test_a_specification_that_means_nothing(kind, package):
    change, message = SPOILERS[kind]
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


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes x, not"),
        ({"y": X}, "takes x, not y"),
        ({"x": X, "y": X}, "takes x, not x, y"),
        ({"x": X[:2]}, "x is float32"),
        ({"x": X.astype(np.float64)}, "not float64"),
    ],
)
def test_wrong_inputs(inputs, message, package):
    with pytest.raises(InputError, match=message):
        Interpreter(package).run(inputs)


def test_every_value_can_be_looked_at(package):
    seen = []
    Interpreter(package).run({"x": X}, lambda name, kind, value: seen.append((kind, value.shape)))
    assert seen == [("matmul", (3, 4)), ("slice_by_index", (3, 2)), ("identity", (3, 2))]


def test_values_go_after_their_last_use(tmp_path):
    """Twenty steps of a megabyte each do not need twenty."""

    def build(x):
        for _ in range(20):
            x = mb.add(x=x, y=1.0)
        return [x]

    x = np.zeros((256, 1024), np.float32)
    interpreter = Interpreter(save_program(tmp_path / "a.mlpackage", build, x=x))
    tracemalloc.start()
    found = interpreter.run({"x": x})["y0"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.max() == found.min() == 20.0
    assert peak < 4 * x.nbytes
