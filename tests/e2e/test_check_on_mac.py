"""The script for Macs, on any machine: its flow with a Core ML that is none, and its refusals."""

from __future__ import annotations

import enum
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from amt_export.coreml_interpreter import Interpreter
from amt_export.manifest import sha256_of
from amt_export.verify.parity import check_folder
from support.coreml import edited, publish_two_windows, weight_file
from support.mac import script


class ComputeUnit(enum.Enum):
    CPU_ONLY, CPU_AND_GPU, ALL = range(3)


@pytest.fixture
def mac(monkeypatch):
    """A Mac whose Core ML is the reference interpreter; says which units were asked for."""
    asked = []

    class Model:
        def __init__(self, path, compute_units=None, skip_model_load=False):
            if skip_model_load:
                return
            self.interpreter, self.unit = Interpreter(Path(path)), compute_units
            asked.append(compute_units.name)

        def predict(self, inputs):
            assert all(value.dtype == np.float32 for value in inputs.values())
            return self.interpreter.run(inputs)

    fake = ModuleType("coremltools")
    fake.ComputeUnit, fake.models = ComputeUnit, SimpleNamespace(MLModel=Model)
    monkeypatch.setitem(sys.modules, "coremltools", fake)
    monkeypatch.setattr(script, "on_a_mac", lambda: True)
    return SimpleNamespace(asked=asked, model=Model)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return publish_two_windows(tmp_path_factory.mktemp("published"), "torchscript", "coreml")


@pytest.fixture
def folder(published, tmp_path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "small"))


def change(folder: Path, edit) -> None:
    """Change a manifest's JSON, hashes brought up to date."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["files"]:
        entry["sha256"] = sha256_of(folder / entry["path"])
    edit(manifest)
    path.write_text(json.dumps(manifest))


def test_every_package_runs_on_every_unit(mac, published, capsys, monkeypatch):
    assert script.main([str(published)]) == 0
    assert mac.asked == ["CPU_ONLY", "CPU_AND_GPU", "ALL"]
    title, header, *rows, blank, summary = capsys.readouterr().out.splitlines()
    assert title == "small"
    words = [word for column in script.COLUMNS for word in column.split()]
    assert header.split() == words
    assert [row.split()[:3] for row in rows] == [
        ["coreml", unit, output] for unit in mac.asked for output in ("psd", "freqs")
    ]
    assert all(row.split()[-2:] == ["execution", "yes"] for row in rows)
    assert max(map(len, rows)) < 80
    assert blank == ""
    assert summary == "1 folder checked, all is well"
    # The numbers are those of amt-export check, which runs the same interpreter with the real coremltools.
    monkeypatch.undo()
    (checked,) = (
        r for r in check_folder(published).vectors if (r.format, r.output) == ("coreml", "psd")
    )
    assert rows[0].split()[3:6] == [
        script.amount(checked.worst, "relative"),
        checked.signal,
        script.amount(checked.tolerance, "relative"),
    ]


def test_a_miss_on_one_unit_is_a_miss(mac, published, monkeypatch, capsys):
    predict = mac.model.predict

    def worse(self, inputs):
        found = predict(self, inputs)
        if self.unit is ComputeUnit.CPU_AND_GPU:
            found = found | {"psd": found["psd"].astype(np.float16).astype(np.float32)}
        return found

    monkeypatch.setattr(mac.model, "predict", worse)
    assert script.main([str(published)]) == 1
    lines = capsys.readouterr().out.splitlines()
    missed = [line.split()[:3] for line in lines if line.endswith("NO")]
    assert missed == [["coreml", "CPU_AND_GPU", "psd"]]
    assert lines[-1] == "1 folder checked, 1 failed"


def test_a_package_that_does_not_run_is_one_line(mac, published, monkeypatch, capsys):
    def broken(self, inputs):
        raise RuntimeError("Error computing NN outputs.\nmore")

    monkeypatch.setattr(mac.model, "predict", broken)
    assert script.main([str(published), str(published)]) == 1
    output = capsys.readouterr()
    assert output.out == "2 folders checked, 2 failed\n"
    assert output.err.count("\n") == 2
    assert "does not run on CPU_ONLY (Error computing NN outputs.)" in output.err


def test_a_changed_package_is_a_miss(mac, folder, capsys):
    path = weight_file(folder / "small.mlpackage")
    data = bytearray(path.read_bytes())
    data[128 + 402] ^= 0x10
    path.write_bytes(data)
    assert script.main([str(folder)]) == 1
    assert "not what was published" in capsys.readouterr().err
    change(folder, lambda manifest: None)
    assert script.main([str(folder)]) == 1
    assert " NO" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda m: m.update(files=[e for e in m["files"] if e["format"] != "coreml"]),
            "no Core ML",
        ),
        (lambda m: m.update(schema=3), "not a manifest that this script reads"),
        (lambda m: m.pop("files"), "lacks 'files'"),
        (lambda m: m.update(parity=[]), "does not say how to compare psd"),
        (
            lambda m: m.update(parity=[r for r in m["parity"] if r["format"] != "float64"]),
            "how accurate psd is",
        ),
        (lambda m: m["outputs"][0].update(name="y"), "no test vectors to be read"),
    ],
)
def test_bad_manifests(edit, message, mac, folder, capsys):
    change(folder, edit)
    assert script.main([str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_damaged_folders(mac, folder, capsys):
    def refused() -> str:
        assert script.main([str(folder)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    np.savez(folder / "vectors.npz")
    assert "holds no signals" in refused()
    (folder / "vectors.npz").write_bytes(b"PK")
    assert "no test vectors to be read" in refused()
    shutil.rmtree(folder / "small.mlpackage")
    np.savez(folder / "vectors.npz", **{"in.a.audio": np.zeros(1), "out.a.psd": np.zeros(1)})
    assert "no test vectors" in refused()
    (folder / "manifest.json").write_text("{")
    assert "not JSON" in refused()
    (folder / "manifest.json").unlink()
    assert "No such file" in refused()


def test_without_coremltools_it_says_so(mac, published, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "coremltools", None)
    assert script.main([str(published)]) == 1
    assert "pip install coremltools" in capsys.readouterr().err


def test_a_stream_has_a_row_of_its_own(mac, folder, capsys):
    """The whole form is published as a stream of one block, which is what it would be."""
    package = folder / "small.stream.mlpackage"
    shutil.copytree(folder / "small.mlpackage", package)
    with edited(package) as model:
        model.description.metadata.userDefined["another"] = "file"

    def edit(manifest):
        manifest["files"].append(
            {
                "path": package.name,
                "format": "coreml",
                "form": "stream",
                "sha256": sha256_of(package),
            }
        )
        manifest["stream"] = {"block": 2000, "latency": 0, "states": []}

    change(folder, edit)
    assert script.main([str(folder)]) == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["coreml", "stream", "CPU_ONLY"] in rows
    assert mac.asked == 2 * ["CPU_ONLY", "CPU_AND_GPU", "ALL"]
