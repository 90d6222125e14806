"""Core ML packages whose files are damaged are refused in one line."""

from __future__ import annotations

import json
import shutil
import struct

import pytest

from amt_export.coreml_interpreter import Interpreter, open_package
from amt_export.errors import ArtifactError
from support.coreml import constants, edited, weight_file
from support.coreml_damage import refused


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
    damaged = proven("gammatone").copy(tmp_path)
    shutil.copy(weight_file(proven("drnl").package), weight_file(damaged))
    with pytest.raises(ArtifactError, match="does not match"):
        Interpreter(damaged)
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
