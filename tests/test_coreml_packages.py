"""Saved packages of real models: right, they agree with eager torch; changed or damaged, they are found out."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import struct
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coreml_checks import (
    TOLERANCE,
    Proven,
    argument,
    block_of,
    constants,
    ct,
    edited,
    exported,
    mb,
    numbers,
    save_program,
    weight_file,
)
from coremltools.proto import MIL_pb2
from filter_checks import noise
from torch import nn

from amt_export.cli.main import main
from amt_export.coreml_reference import Interpreter, open_package
from amt_export.errors import ArtifactError, InputError, ParityError
from amt_export.export import FORMATS, capture
from amt_export.export.coreml import named_program
from amt_export.export.program import quiet_torch
from amt_export.manifest import bytes_of, load_manifest, sha256_of
from amt_export.modules import (
    DRNLFilterbank,
    ERBIntegration,
    ExcitationPattern,
    FastDRNLFilterbank,
    GammatoneFilterbank,
    Glasberg2002FrontEnd,
    Moore2016ExcitationPattern,
    Moore2016FrontEnd,
    Moore2016Spectrum,
    MultiResolutionFFT,
)
from amt_export.parity import check_folder
from amt_export.publish import publish
from amt_export.spec import load_spec

MAC = sys.platform == "darwin"  # where packages are run by Core ML itself

# Every module, and a frame or two of input.
MODULES = {
    "gammatone": (
        lambda: GammatoneFilterbank((200.0, 7000.0), 16000),
        {"audio": (2, 2000)},
    ),
    "drnl": (
        lambda: DRNLFilterbank((1000.0, 7900.0), 16000, n_channels=12, dtype=torch.float32),
        {"audio": (1, 1500)},
    ),
    "fast_drnl": (
        lambda: FastDRNLFilterbank((1000.0, 4000.0), 16000, n_channels=3, ir_length=512),
        {"audio": (1, 1500)},
    ),
    "multires": (lambda: MultiResolutionFFT(window_lengths=[256, 128]), {"audio": (1, 2000)}),
    "erb": (lambda: ERBIntegration(), {"psd": (1, 2, 1025)}),
    "excitation": (lambda: ExcitationPattern(summation="natural"), {"levels": (1, 2, 150)}),
    "glasberg": (lambda: Glasberg2002FrontEnd(), {"audio": (1, 2048)}),
    "moore_spectrum": (lambda: Moore2016Spectrum(), {"audio": (1, 2, 2112)}),
    "moore_excitation": (
        lambda: Moore2016ExcitationPattern(),
        {"freqs": (1, 2, 958), "levels": (1, 2, 958)},
    ),
    "moore": (lambda: Moore2016FrontEnd(), {"audio": (1, 2, 2080)}),
}


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """The package of a module and its expected answers, made when first asked for."""
    made: dict[str, Proven] = {}

    def get(name: str) -> Proven:
        if name not in made:
            make, shapes = MODULES[name]
            made[name] = Proven(make(), shapes, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.mark.parametrize("name", MODULES)
def test_every_module_computes_what_eager_torch_does(name, proven):
    model = proven(name)
    worst = model.worst(model.package)
    assert {port.name for port in model.ports} == worst.keys()
    for port in model.ports:
        assert worst[port.name] <= TOLERANCE[port.kind], worst
    assert model.outcome(model.package) == "passes"


# One change


def change_slice(model, operation) -> None:
    """Move the slice by one, or its beginning where it runs to the end."""
    begin, end = (numbers(argument(model, operation, name)) for name in ("begin", "end"))
    to_the_end = numbers(argument(model, operation, "end_mask"))
    for axis in range(len(begin)):
        if not to_the_end[axis]:
            step = -1 if begin[axis] > 0 else 1
            begin[axis] += step
            end[axis] += step
            return
        if begin[axis] > 0:
            begin[axis] -= 1
            return


def change_product(model, operation) -> None:
    flag = numbers(argument(model, operation, "transpose_y"))
    flag[0] = not flag[0]


def changed_one_by_one(model: Proven, kind: str, change, folder: Path) -> list[str]:
    """What becomes of copies in which one operation of a kind is changed."""
    block = block_of(open_package(model.package).model)
    found = []
    for index, operation in enumerate(block.operations):
        if operation.type == kind:
            package = model.copy(folder)
            with edited(package) as spoiled:
                change(spoiled, block_of(spoiled).operations[index])
            found.append(model.outcome(package))
    return found


@pytest.mark.parametrize(
    ("name", "kind", "change", "expected"),
    [
        ("gammatone", "slice_by_index", change_slice, {"differs", "refused"}),
        ("gammatone", "matmul", change_product, {"differs", "refused"}),
        ("multires", "slice_by_index", change_slice, {"differs", "refused"}),
    ],
)
def test_a_changed_slice_or_product_is_found_out(name, kind, change, expected, proven, tmp_path):
    """All of them, one at a time; a shape that cannot be is refused before it is computed with."""
    found = changed_one_by_one(proven(name), kind, change, tmp_path)
    assert len(found) >= 3
    assert set(found) == expected, found


def change_weight(package: Path, offset: int, share: float) -> bool:
    """Change the largest float of one blob; False if there is none but zeros."""
    path = weight_file(package)
    data = bytearray(path.read_bytes())
    _, kind, size, start, _ = struct.unpack_from("<IIQQQ", data, offset)
    assert kind == 2
    values = np.frombuffer(data, "<f4", size // 4, start)
    largest = int(np.abs(values).argmax())
    if values[largest] == 0.0:
        return False
    values[largest] *= np.float32(1.0 + share)
    path.write_bytes(data)
    return True


@pytest.mark.parametrize(("name", "tables"), [("gammatone", 12), ("multires", 8)])
def test_one_changed_weight_is_found_out(name, tables, proven, tmp_path):
    """The largest number of each table, larger by 1 %."""
    model, found = proven(name), []
    for value in constants(open_package(model.package).model).values():
        if value.WhichOneof("value") == "blobFileValue":
            package = model.copy(tmp_path)
            if change_weight(package, value.blobFileValue.offset, 0.01):
                found.append(model.outcome(package))
    assert len(found) >= tables
    assert set(found) == {"differs"}


class Turned(nn.Module):
    """Dimensions in another order, of equal and of different sizes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x.permute(2, 0, 1)).permute(1, 0, 2)


def test_a_changed_transpose_is_found_out(tmp_path):
    x = noise(4, 4, 5).float()
    interpreter = exported(Turned(), tmp_path / "a.mlpackage", x)
    expected = Turned()(x).numpy()
    np.testing.assert_allclose(interpreter.run({"x0": x.numpy()})["y"], expected, rtol=1e-6)
    for axes, outcome in (((1, 2), "differs"), ((0, 1), "refused")):
        # The sizes of the last two axes are equal, those of the first two are not.
        package = Path(shutil.copytree(tmp_path / "a.mlpackage", tmp_path / f"{outcome}.mlpackage"))
        with edited(package) as model:
            turn = next(o for o in block_of(model).operations if o.type == "transpose")
            perm = numbers(argument(model, turn, "perm"))
            perm[axes[0]], perm[axes[1]] = perm[axes[1]], perm[axes[0]]
        changed = Interpreter(package)
        if outcome == "differs":
            assert not np.allclose(changed.run({"x0": x.numpy()})["y"], expected)
        else:
            with pytest.raises(ArtifactError, match="the program declares"):
                changed.run({"x0": x.numpy()})


def test_half_precision_is_found_out(proven, tmp_path):
    """Trap 6: the converter's default, if somebody forgot to say float32."""
    frozen = MODULES["gammatone"][0]().frozen(2000)
    program = capture(frozen, (torch.zeros(2, 2000),), ("audio",), ("subbands",))
    with quiet_torch(), torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        converted = ct.convert(
            named_program(program),
            inputs=[ct.TensorType(name="audio", shape=(2, 2000), dtype=np.float32)],
            outputs=[ct.TensorType(name="subbands", dtype=np.float32)],
            minimum_deployment_target=ct.target.iOS16,
            skip_model_load=True,
        )
    converted.save(str(tmp_path / "half.mlpackage"))
    assert proven("gammatone").outcome(tmp_path / "half.mlpackage") == "differs"


# Damaged packages

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


# From the command line


class Late(nn.Module):
    """One frame too late."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, audio):
        psd, freqs = self.module(audio)
        return torch.cat([psd[:, :1], psd[:, :-1]], dim=1), freqs


MODEL = """
[model]
name = "small"
module = "MultiResolutionFFT"
description = "two windows"

[parameters]
window_lengths = [256, 128]

[inputs]
audio = [1, 2000]

[export]
formats = ["coreml"]
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("published")
    (out / "small.toml").write_text(MODEL)
    publish(load_spec(out / "small.toml"), out / "artifacts")
    return out / "artifacts" / "small"


def sign(folder: Path) -> None:
    """Make a folder's manifest agree with its spoiled files."""
    manifest = load_manifest(folder)
    entries = [
        replace(e, bytes=bytes_of(folder / e.path), sha256=sha256_of(folder / e.path))
        for e in manifest.files
    ]
    text = replace(manifest, files=tuple(entries)).to_json()
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def test_the_interpreter_says_that_it_was_it(published, capsys):
    (row, freqs) = (r for r in load_manifest(published).parity if r.format == "coreml")
    how = ("execution", "CPU_ONLY") if MAC else ("interpreter", "numpy")
    assert (row.verified_by, row.provider) == how
    assert 0.0 < row.worst <= row.tolerance == 2e-6
    assert (freqs.output, freqs.worst, freqs.tolerance) == ("freqs", 0.0, 0.0)
    assert how[0] in (published / "parity.md").read_text()
    assert main(["check", str(published)]) == 0
    output = capsys.readouterr().out
    assert "coreml" in output
    assert how[0] in output


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("weight", "coreml differs"),
        ("truncated", "truncated"),
        ("specification", "coremltools cannot read it"),
        ("foreign", "carries another"),
        ("operator", "unexpected operators: einsum"),
        ("type", "the program declares int32"),
    ],
)
def test_check_refuses_a_spoiled_package(how, message, published, proven, tmp_path, capsys):
    folder = Path(shutil.copytree(published, tmp_path / "small"))
    package = folder / "small.mlpackage"
    path = weight_file(package)
    if how == "weight":
        assert change_weight(package, 64, 0.01)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-70])
    elif how == "specification":
        specification = open_package(package).specification
        specification.write_bytes(specification.read_bytes()[:500])
    elif how == "foreign":
        shutil.rmtree(package)
        shutil.copytree(proven("gammatone").package, package)
    else:
        with edited(package) as model:
            operation = next(o for o in block_of(model).operations if o.type == "concat")
            if how == "operator":
                operation.type = "einsum"
            else:
                operation.outputs[0].type.tensorType.dataType = 23
    sign(folder)
    assert main(["check", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line or MAC, "Core ML has words of its own for what it does not compile"
    with pytest.raises((ArtifactError, ParityError)):
        check_folder(folder)


def test_build_refuses_a_wrong_package(published, tmp_path, monkeypatch, capsys):
    kind = FORMATS["coreml"]

    def export(program, path, metadata):
        names = (program.input_names, program.output_names)
        kind.export(capture(Late(program.module).eval(), program.inputs, *names), path, metadata)

    monkeypatch.setitem(FORMATS, "coreml", replace(kind, export=export))
    model = published.parents[1] / "small.toml"
    assert main(["build", str(model), "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "coreml differs from eager torch" in line
    assert not list((tmp_path / "out").iterdir())
