"""Only regular files that are not empty are opened, wherever a folder says that one is."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from amt_export.cli.main import main
from amt_export.errors import ArtifactError
from amt_export.manifest import FileEntry, Manifest, load_manifest, verify_files
from amt_export.manifest.embedded import embedded_manifest
from amt_export.manifest.onnx_file import MESSAGES, refuse_external_data
from amt_export.manifest.safe_files import MANIFEST_BYTES, contents_of, open_archive, regular_file
from support.cli import environment
from support.folders import artifact, sign
from support.manifests import EXAMPLE
from support.process import ran

EMPTY = hashlib.sha256(b"").hexdigest()


def fifo(path):
    os.mkfifo(path)


def zero(path):
    path.symlink_to("/dev/zero")


def sock(path):
    with socket.socket(socket.AF_UNIX) as opened:
        here = Path.cwd()
        os.chdir(path.parent)  # names of sockets are short
        try:
            opened.bind(path.name)
        finally:
            os.chdir(here)


def link(path):
    other = path.parent.parent / f"elsewhere {path.name}"
    other.write_bytes(b"content")
    path.symlink_to(other)


def dangling(path):
    path.symlink_to("nowhere")


def empty(path):
    path.touch()


def folder(path):
    path.mkdir()


IRREGULAR = [fifo, zero, sock, link, dangling, empty]
posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX files")


@posix
@pytest.mark.parametrize("make", [*IRREGULAR, folder], ids=lambda make: make.__name__)
def test_what_is_no_file_with_content_is_refused(make, tmp_path):
    path = tmp_path / "in" / "m.onnx"
    path.parent.mkdir()
    make(path)
    with pytest.raises(ArtifactError, match=r"m\.onnx: is .*; build"):
        regular_file(path)
    entry = FileEntry("m.onnx", "onnx", "whole", 0, EMPTY, True)
    with pytest.raises(ArtifactError, match=r"m\.onnx"):
        verify_files(path.parent, [entry])
    with pytest.raises(ArtifactError, match=r"m\.onnx"):
        embedded_manifest(path)


@posix
@pytest.mark.parametrize("make", IRREGULAR, ids=lambda make: make.__name__)
def test_a_package_holds_regular_files_only(make, tmp_path):
    package = tmp_path / "m.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_text("{}")
    make(package / "weights")
    with pytest.raises(ArtifactError, match="weights: is "):
        contents_of(package)


def test_a_linked_folder_in_a_package_is_refused(tmp_path):
    package, other = tmp_path / "m.mlpackage", tmp_path / "other"
    package.mkdir()
    other.mkdir()
    (other / "weights").write_text("x")
    (package / "Data").symlink_to(other)
    with pytest.raises(ArtifactError, match="Data: is a link"):
        contents_of(package)


@posix
@pytest.mark.parametrize("make", IRREGULAR, ids=lambda make: make.__name__)
@pytest.mark.parametrize("command", ["check", "info", "report", "lint"])
@pytest.mark.parametrize("name", ["manifest.json", "small.onnx"])
def test_every_command_says_so_in_one_line(make, command, name, copied, capsys):
    (copied / name).unlink()
    make(copied / name)
    if (command, name) in (("info", "small.onnx"), ("lint", "manifest.json")):
        return  # which do not open it
    argument = copied.parent if command == "report" else copied
    assert main([command, str(argument)]) == 1
    error = capsys.readouterr().err
    assert f"{copied / name}: " in error
    assert all(line.startswith("amt-export: ") for line in error.splitlines())


def test_a_manifest_has_a_largest_size(tmp_path):
    text = json.dumps(EXAMPLE)
    (tmp_path / "manifest.json").write_text(text + " " * (MANIFEST_BYTES - len(text)))
    assert load_manifest(tmp_path).name == EXAMPLE["name"]
    (tmp_path / "manifest.json").write_text(text + " " * (MANIFEST_BYTES - len(text) + 1))
    with pytest.raises(ArtifactError, match=f"more than the {MANIFEST_BYTES} allowed"):
        load_manifest(tmp_path)


# Weights in other files


def test_the_field_numbers_are_those_of_onnx():
    for name, fields in MESSAGES.items():
        descriptor = getattr(onnx, name).DESCRIPTOR
        found = {
            field.number: field.message_type.name
            for field in descriptor.fields
            if field.message_type is not None and field.message_type.name in MESSAGES
        }
        assert found == fields
    numbers = {f.name: f.number for f in onnx.TensorProto.DESCRIPTOR.fields}
    assert (numbers["external_data"], numbers["data_location"]) == (13, 14)
    assert onnx.TensorProto.EXTERNAL == 1


def external_tensor(name="w"):
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return tensor


def model_with(place):
    """A model with a tensor in another file, at one of the places that a tensor may have."""
    value = onnx.helper.make_tensor_value_info("y", 1, [4])
    plain = onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor = external_tensor()
    node = onnx.helper.make_node("Constant", [], ["y"], value=plain if place == "none" else tensor)
    if place in ("none", "attribute"):
        return onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [value]))
    if place == "initializer":
        node = onnx.helper.make_node("Identity", ["w"], ["y"])
        graph = onnx.helper.make_graph([node], "g", [], [value], [tensor])
        return onnx.helper.make_model(graph)
    inner = onnx.helper.make_graph([node], "inner", [], [value])
    if place == "subgraph":
        outer = onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        return onnx.helper.make_model(onnx.helper.make_graph([outer], "g", [], [value]))
    function = onnx.helper.make_function("own", "f", [], ["y"], [node], [])
    graph = onnx.helper.make_graph([onnx.helper.make_node("f", [], ["y"])], "g", [], [value])
    return onnx.helper.make_model(graph, functions=[function])


@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph", "function"])
def test_weights_in_another_file_are_found(place, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with(place).SerializeToString())
    with pytest.raises(ArtifactError, match=r"m\.onnx: keeps weights in another file"):
        refuse_external_data(path)


def test_they_are_found_behind_a_group_too(tmp_path):
    """Which protobuf skips as an unknown field."""
    path = tmp_path / "m.onnx"
    group = bytes([(99 << 3 | 3) & 127 | 128, 99 >> 4, (99 << 3 | 4) & 127 | 128, 99 >> 4])
    content = model_with("initializer").SerializeToString()
    assert onnx.load_from_string(group + content).graph.name == "g"
    path.write_bytes(group + content)
    with pytest.raises(ArtifactError, match="another file"):
        refuse_external_data(path)


def test_weights_in_the_file_pass(small, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(model_with("none").SerializeToString())
    refuse_external_data(path)
    refuse_external_data(artifact(small, "onnx"))


def test_check_refuses_weights_in_a_fifo_whatever_the_hashes_say(copied, capsys):
    path = artifact(copied, "onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="fifo")
    path.write_bytes(model.SerializeToString())
    os.mkfifo(copied / "fifo")
    sign(copied)
    for command in ("check", "info"):
        target = path if command == "info" else copied
        assert main([command, str(target)]) == 1
        assert "keeps weights in another file" in capsys.readouterr().err


# Sizes


@pytest.mark.parametrize("suffix", ["pt2", "ts.pt"])
def test_a_small_archive_does_not_unpack_to_a_large_one(suffix, tmp_path):
    path = tmp_path / f"m.{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/extra/amt_export.manifest", b" " * 10**7)
    with pytest.raises(ArtifactError, match="compressed or encrypted"):
        embedded_manifest(path)


def test_members_that_share_their_bytes_are_refused(tmp_path):
    path = tmp_path / "m.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/a", b"x" * 1000)
        info = archive.infolist()[0]
        for k in range(9):
            double = zipfile.ZipInfo(f"m/{k}")
            double.CRC, double.header_offset = info.CRC, info.header_offset
            double.file_size = double.compress_size = info.file_size
            archive.filelist.append(double)
            archive.NameToInfo[double.filename] = double
    with pytest.raises(ArtifactError, match="larger than the file"), open_archive(path):
        pass


# Values


def changed(*place_and_value):
    *place, last, value = place_and_value
    content = json.loads(json.dumps(EXAMPLE))
    owner = content
    for key in place:
        owner = owner[key]
    owner[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (changed("name", "../a"), "name is '../a'"),
        (changed("name", "-rf"), "name is '-rf'"),
        (changed("name", ".hidden"), "name is '.hidden'"),
        (changed("name", "a b"), "name is 'a b'"),
        (changed("name", "\u00fc"), "name is"),
        (changed("name", 'a"onload="x'), "name is"),
        (changed("padding", "circular"), "padding is 'circular'; known are zero, reflect"),
        (changed("inputs", 0, "axes", ["batch", "week"]), "an axis of audio is 'week'"),
        (changed("inputs", 0, "name", "a b"), "inputs has the name 'a b'"),
        (changed("centre_frequencies", [100.0, -1.0]), "centre_frequencies"),
        (changed("sampling_rate", 1e-3), "sampling_rate is 0.001"),
        (changed("outputs", 0, "shape", [1, 2, 10**9]), "inputs and outputs: .* bytes"),
        (changed("stream", "states", 0, "shape", [10**12]), "stream: .* bytes"),
        (changed("stream", "states", 0, "shape", [10**30]), r"stream\.states\[0\]\.shape\[0\]"),
        (changed("stream", "states", 0, "initial", 1e999), r"states\[0\]\.initial is inf"),
        (changed("warm_up", 10**400), "warm_up is 1000"),
        (changed("files", 0, "format", "tflite"), "format of .* is 'tflite'"),
        (changed("files", 0, "form", "half"), "form of .* is 'half'"),
        (changed("files", 0, "bytes", -5), "has -5 bytes"),
        (changed("files", 0, "sha256", "<b>"), "which is no hash"),
        (changed("files", EXAMPLE["files"] * 2), "names onnx .whole. twice"),
        (changed("parity", 0, "tolerance", -1.0), "tolerance is -1.0"),
        (changed("parity", 0, "tolerance", float("nan")), r"parity\[0\].tolerance is nan"),
        (changed("parity", 0, "worst", -1.0), "worst is -1.0"),
        (changed("parity", 0, "kind", "loud"), "kind is 'loud'"),
        (changed("parameters", "x", float("inf")), r"parameters\.x is inf"),
        (changed("description", "\ud800"), "description is"),
        (changed("parameters", "\udcff", 1), "a key of parameters is"),
    ],
)
def test_a_value_that_cannot_be_is_named(content, named):
    with pytest.raises(ArtifactError, match=f"^here: .*{named}.*; build the model again$"):
        Manifest.from_json(json.dumps(content), "here")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 5000, "[" * 40 + "]" * 40, "1" * 5000])
def test_deep_or_long_json_is_one_error(text):
    with pytest.raises(ArtifactError, match=r"^here: "):
        Manifest.from_json(text, "here")


def test_the_limits_hold_for_the_example():
    assert Manifest.from_json(json.dumps(EXAMPLE)).name == EXAMPLE["name"]


def test_texts_that_the_terminal_cannot_show_are_no_error(tmp_path):
    manifest = replace(
        Manifest.from_json(json.dumps(EXAMPLE)), description="30 channels, 20 \u00b5Pa"
    )
    (tmp_path / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    command = (sys.executable, "-m", "amt_export", "info", tmp_path)
    done = ran(*command, env=environment() | ascii_only)
    assert (done.returncode, done.stderr) == (0, "")
    assert "30 channels, 20 " in done.stdout
