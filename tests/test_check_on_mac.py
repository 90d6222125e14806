"""The script for Macs, on any machine: its metric, its flow with a Core ML that is none, its refusals."""

from __future__ import annotations

import ast
import enum
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from coreml_checks import edited, weight_file
from filter_checks import ROOT
from hypothesis import given
from hypothesis import strategies as st

from amt_export.coreml_reference import Interpreter
from amt_export.manifest import sha256_of
from amt_export.modules.ports import Port
from amt_export.parity import check_folder
from amt_export.parity.metric import difference
from amt_export.publish import publish
from amt_export.spec import load_spec

SCRIPT = ROOT / "scripts" / "check_on_mac.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_on_mac", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()


# It stands alone


def test_it_needs_numpy_and_coremltools_only():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            names.add(node.module.split(".")[0])
    assert names - set(sys.stdlib_module_names) == {"numpy", "coremltools"}


@pytest.mark.skipif(sys.platform == "darwin", reason="there it runs")
def test_elsewhere_it_says_so(tmp_path):
    """Copied to a folder of its own, as it is meant to be."""
    copy = shutil.copy(SCRIPT, tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", copy, "folder"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "macOS only" in line
    done = subprocess.run([sys.executable, "-I", copy], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "DIR" in done.stderr


# The metric is the one of the package

AXES = [
    ("batch", "channel", "time"),
    ("batch", "frame", "bin"),
    ("batch", "frame", "channel"),
    ("bin",),
    ("channel", "time"),
]


@given(
    st.sampled_from(AXES),
    st.sampled_from(["relative", "db", "frequency"]),
    st.sampled_from([None, -1.0]),
    st.integers(0, 9999),
    st.sampled_from(["near", "equal", "zero", "one zero", "spoiled", "both spoiled", "shape"]),
)
def test_its_metric_is_that_of_parity(axes, kind, floor, seed, how):
    generator = np.random.default_rng(seed)
    shape = generator.integers(1, 5, len(axes))
    expected = generator.standard_normal(shape) * 10.0 ** generator.integers(-4, 3, shape)
    expected = expected * (50.0 if kind == "db" else 1.0)
    found = expected + 1e-4 * generator.standard_normal(shape)
    if how == "equal":
        found = expected.copy()
    elif how == "zero":
        found, expected = np.zeros(shape), np.zeros(shape)
    elif how == "one zero":
        expected = np.zeros(shape)
    elif how == "shape":
        found = found[..., None]
    elif how != "near":
        value = generator.choice([np.nan, np.inf, -np.inf])
        found.flat[0] = value
        if how == "both spoiled":
            expected.flat[0] = generator.choice([value, np.nan])
    for dtype in (np.float64, np.float32):
        port = Port("y", axes, "", kind, floor)
        wanted = difference(found.astype(dtype), expected, port)
        assert script.difference(found.astype(dtype), expected, list(axes), kind, floor) == wanted


# A Core ML that is none


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
    out = tmp_path_factory.mktemp("published")
    text = """
[model]
name = "small"
module = "MultiResolutionFFT"
description = "two windows"
[parameters]
window_lengths = [256, 128]
[inputs]
audio = [1, 2000]
[export]
formats = ["torchscript", "coreml"]
"""
    (out / "small.toml").write_text(text)
    publish(load_spec(out / "small.toml"), out)
    return out / "small"


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
        (lambda m: m.update(schema=2), "not a manifest that this script reads"),
        (lambda m: m.pop("files"), "lacks 'files'"),
        (lambda m: m.update(parity=[]), "does not say how to compare psd"),
        (
            lambda m: m.update(parity=[r for r in m["parity"] if r["format"] != "reference"]),
            "how exact psd is",
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


# Streams: a filter of two taps in blocks, and frames that come late


class Stream:
    """y[t] = x[t] + x[t - 1] - x[t - delay], in blocks, its outputs `late` frames behind."""

    def __init__(self, block: int, late: int, states: int) -> None:
        self.block, self.late, self.states = block, late, states

    def predict(self, inputs):
        audio, state = inputs["audio"], inputs["state_past"]
        assert audio.shape[-1] == self.block
        assert state.shape == (1, self.states)
        past = np.concatenate([state, audio], axis=1)
        own = past[:, self.states - self.late :][:, : self.block]
        before = past[:, self.states - self.late - 1 :][:, : self.block]
        y = own + before
        return {
            "y": y[:, None].astype(np.float32),
            "freqs": np.array([1.0, 2.0], np.float32),
            "next_state_past": past[:, -self.states :],
        }


@pytest.mark.parametrize("late", [0, 5])
@pytest.mark.parametrize("block", [16, 64, 300])
def test_a_stream_is_run_block_by_block(block, late):
    x = np.random.default_rng(0).standard_normal((1, 200)).astype(np.float32)
    expected = (x + np.pad(x, ((0, 0), (1, 0)))[:, :-1])[:, None]
    manifest = {
        "name": "two taps",
        "hop": 1,
        "inputs": [{"name": "audio", "shape": [1, 200]}],
        "outputs": [
            {"name": "y", "shape": [1, 1, 200], "axes": ["batch", "channel", "time"]},
            {"name": "freqs", "shape": [2], "axes": ["bin"]},
        ],
        "stream": {
            "block": block,
            "latency": late,
            "skip": late,
            "states": [{"input": "state_past", "output": "next_state_past", "shape": [1, 8]}],
        },
    }
    found = script.run(Stream(block, late, 8), "stream", manifest, {"audio": x})
    np.testing.assert_allclose(found["y"], expected, rtol=1e-6)
    np.testing.assert_array_equal(found["freqs"], [1.0, 2.0])
    wrong = manifest | {"stream": manifest["stream"] | {"skip": late + 1}}
    shifted = script.run(Stream(block, late, 8), "stream", wrong, {"audio": x})
    assert script.difference(shifted["y"], expected, ["batch", "channel", "time"], "relative") > 0.1


def test_mirrored_edges_of_a_stream_do_not_count():
    axes = ["batch", "frame", "bin"]
    port = {"name": "psd", "axes": axes}
    manifest = {
        "name": "m",
        "padding": "reflect",
        "hop": 10,
        "warm_up": 15,
        "look_ahead": 15,
        "inputs": [{"shape": [1, 100]}],
        "parity": [{"output": "psd", "kind": "relative"}],
    }
    expected = np.ones((1, 11, 3))
    found = expected.copy()
    found[:, [0, 1, 9, 10]] = 5.0
    assert script.compared("stream", manifest, found, expected, port) == 0.0
    assert script.compared("whole", manifest, found, expected, port) == pytest.approx(4.0)
    for frame in (2, 8):
        spoiled = found.copy()
        spoiled[:, frame] = 5.0
        assert script.compared("stream", manifest, spoiled, expected, port) > 1.0
    causal = manifest | {"padding": "zero"}
    assert script.compared("stream", causal, found, expected, port) > 1.0
    assert script.compared("stream", manifest, found[:, :8], expected, port) == np.inf


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
