"""Artifacts are built quietly, twice with the same bytes, and none knows where it was made."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from amt_export.export import FORMATS, capture
from amt_export.export.coreml import export_coreml
from amt_export.export.exported_program import export_exported_program
from amt_export.export.onnx import export_onnx
from amt_export.manifest import sha256_of
from support.filters import ROOT
from support.folders import artifact


def program_of(module: nn.Module, *inputs: torch.Tensor):
    return capture(module.eval(), inputs, tuple(f"x{i}" for i in range(len(inputs))), ("y",))


BUILD = """
import sys
import torch
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.filters import small_specs
from amt_export.publish import publish
torch.set_num_threads(1)
for name in sys.argv[3:]:
    publish(small_specs()[name], Path(sys.argv[1]))
"""


MODELS_TWICE = ("gammatone", "fast_drnl")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """Models from another process, with other hashes and another folder."""
    out = tmp_path_factory.mktemp("elsewhere") / "deeper" / "than before"
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, out, ROOT / "tests", *MODELS_TWICE],
        check=True,
        cwd=tmp_path_factory.mktemp("cwd"),
        env=environment,
        timeout=300,
    )
    return out


@pytest.mark.parametrize("name", MODELS_TWICE)
@pytest.mark.parametrize("format", [name for name in FORMATS if FORMATS[name].reproducible])
def test_building_twice_gives_the_same_bytes(format, name, published, elsewhere):
    folder = published(name)
    one, two = artifact(folder, format), artifact(elsewhere / folder.name, format)
    if one.is_dir():
        for path in sorted(p for p in one.rglob("*") if p.is_file()):
            other = two / path.relative_to(one)
            assert path.read_bytes() == other.read_bytes(), path.relative_to(one)
    assert sha256_of(one) == sha256_of(two)


@pytest.mark.parametrize("name", MODELS_TWICE)
def test_the_whole_folder_is_the_same(name, published, elsewhere):
    folder = published(name)
    one, two = (
        json.loads((f / "manifest.json").read_text()) for f in (folder, elsewhere / folder.name)
    )
    for manifest in (one, two):
        manifest["files"] = [entry for entry in manifest["files"] if entry["reproducible"]]
        assert len(manifest["files"]) == 3
        # It holds the manifest's own figures of TorchScript.
        manifest["other_files"] = [e for e in manifest["other_files"] if e["path"] != "README.md"]
    assert one == two
    for picture in folder.glob("*.svg"):
        assert picture.read_bytes() == (elsewhere / folder.name / picture.name).read_bytes()
    assert (folder / "vectors.npz").exists()


def pieces(path: Path) -> Iterator[tuple[str, bytes]]:
    """Contents of a file, of all files of a folder, and of what is packed in them."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        yield file.name, file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    yield f"{file.name}:{name}", name.encode() + archive.read(name)


def test_no_artifact_knows_where_it_was_made(folder):
    private = {
        str(ROOT),
        str(folder.parent),
        str(Path(torch.__file__).parents[1]),
        str(Path.home()),
        sys.prefix,
        "site-packages",
    }
    if len(socket.gethostname()) > 5:
        private.add(socket.gethostname())
    for kind in FORMATS:
        for name, data in pieces(artifact(folder, kind)):
            for word in private:
                assert word.encode() not in data, f"{word} in {name}"


# Exporting twice, and quietly


class Twice(nn.Module):
    """The same product twice: a graph that can be tidied."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (2.0 * x).abs() + (2.0 * x).abs() + 0.0 * x


@pytest.mark.parametrize(
    ("exporter", "suffix"),
    [
        (export_onnx, ".onnx"),
        (export_exported_program, ".pt2"),
        (export_coreml, ".mlpackage"),
    ],
)
def test_exporting_twice_in_one_process_gives_the_same_bytes(exporter, suffix, tmp_path):
    paths = [tmp_path / str(k) / f"model{suffix}" for k in range(2)]
    for path in paths:
        path.parent.mkdir()
        exporter(program_of(Twice(), torch.zeros(1, 8)), path, {"b": "2", "a": "1"})
    assert sha256_of(paths[0]) == sha256_of(paths[1])


def test_metadata_comes_in_order(tmp_path):
    export_onnx(program_of(Twice(), torch.zeros(1, 8)), tmp_path / "a.onnx", {"b": "2", "a": "1"})
    props = [(p.key, p.value) for p in onnx.load(tmp_path / "a.onnx").metadata_props]
    assert props == [("a", "1"), ("b", "2")]


def test_exporting_is_silent(tmp_path, capfd):
    """Converters chat on both streams; a command line with a progress bar cannot have that."""
    program = program_of(Twice(), torch.zeros(1, 8))
    for name, kind in FORMATS.items():
        kind.export(program, tmp_path / f"{name}{kind.suffix}", {})
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


def test_others_may_read_what_was_built(published):
    """coremltools makes files that their owner alone may read."""
    folder = published("gammatone")
    folders, files = folder.stat().st_mode, (folder / "manifest.json").stat().st_mode
    for path in folder.rglob("*"):
        assert path.stat().st_mode == (folders if path.is_dir() else files), path
