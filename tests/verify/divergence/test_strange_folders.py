"""`diff` looks into altered artifacts, but only into those of the folder; `lint` says that one is altered."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from amt_export.cli.main import main
from amt_export.manifest import load_manifest
from support.cli import failed
from support.folders import sign


@pytest.fixture
def short(published_short, tmp_path) -> Path:
    """A copy of a published folder that a test may change."""
    return Path(shutil.copytree(published_short("gammatone"), tmp_path / "gammatone"))


@pytest.mark.parametrize("path", ["../gammatone.onnx", "/etc/hostname", "a/../../b.onnx"])
def test_diff_stays_in_the_folder(path, short, capsys):
    content = json.loads((short / "manifest.json").read_text())
    for entry in content["files"]:
        if entry["format"] == "onnx" and entry["form"] == "whole":
            entry["path"] = path
    (short / "manifest.json").write_text(json.dumps(content))
    shutil.copy(short / "gammatone.onnx", short.parent / "gammatone.onnx")
    error = failed(capsys, "diff", short, "--format", "onnx")
    assert "points outside the folder" in error


def flipped(path: Path, seed: int) -> None:
    """Flip a bit somewhere in the graph, which lies in front of the weights."""
    chosen = random.Random(seed)
    data = bytearray(path.read_bytes())
    data[chosen.randrange(min(len(data), 6000))] ^= 1 << chosen.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_is_an_answer_or_one_line(seed, short, capfd):
    """What `diff` exists for; libraries say nothing of their own before."""
    flipped(short / "gammatone.onnx", seed)
    code = main(["diff", str(short), "--format", "onnx"])
    error = capfd.readouterr().err
    assert code in (0, 1)
    assert len(error.splitlines()) <= 1
    assert not error or error.startswith("amt-export: error: ")


def test_a_graph_that_does_not_run_is_one_line(short, capfd):
    import onnx

    path = short / "gammatone.onnx"
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "Reshape")
    sizes = onnx.numpy_helper.from_array(__import__("numpy").array([7, 11, 13]), "odd")
    model.graph.initializer.append(sizes)
    node.input[1] = "odd"
    for value in list(model.graph.value_info):
        model.graph.value_info.remove(value)
    path.write_bytes(model.SerializeToString())
    assert main(["diff", str(short), "--format", "onnx"]) == 1
    error = capfd.readouterr().err
    assert "gammatone.onnx: " in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("whole", [True, False])
def test_lint_compares_with_the_manifest(whole, short, capsys):
    path = short / "gammatone.onnx"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    target = str(short if whole else path)
    assert main(["lint", target]) == 1
    assert "SHA-256 differs" in capsys.readouterr().err
    sign(short)
    assert main(["lint", target]) == 0


def test_lint_of_names_that_are_no_text_is_one_line(short, tmp_path, capsys):
    data = (short / "gammatone.onnx").read_bytes()
    name = load_manifest(short).inputs[0].name.encode()
    alone = tmp_path / "alone.onnx"
    for first in (b"MatMul", b"Reshape", name):
        alone.write_bytes(data.replace(first, b"\xff" + first[1:]))
        code = main(["lint", str(alone)])
        error = capsys.readouterr().err
        assert code == 1 or not error
        assert error.count("\n") <= 1
