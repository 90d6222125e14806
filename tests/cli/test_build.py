"""`amt-export build`, with good and with bad input."""

from __future__ import annotations

import pytest

from amt_export.cli.main import main
from amt_export.manifest import load_manifest
from support.cli import SMALL, failed, misused, state


def test_build_publishes_a_whole_folder(small):
    manifest = load_manifest(small)
    assert {entry.format for entry in manifest.files} == {
        "torchscript",
        "exported_program",
        "onnx",
        "coreml",
    }
    assert not [path for path in small.parent.iterdir() if path.name != "small"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # What tests/model_file has all of: not TOML, not a model file, beyond the limits.
        ('name = "small"', "name = ", "not TOML"),
        ("fs = 16000", "sf = 16000", r"[parameters] sf = 16000: unknown key"),
        ("GammatoneFilterbank", "GammatonFilterbank", "did you mean 'GammatoneFilterbank'?"),
        ("fs = 16000", f"fs = {10**400}", "must be a finite number"),
        ("fs = 16000", f"fs = {10**20}", "must be at most 1e+08"),
        # What the module refuses.
        ("fs = 16000", "fs = -1", "fs"),
        ("4000.0]", "8000.1]", "8000.1"),
    ],
)
def test_a_bad_model_file_is_one_line(old, new, message, tmp_path, capsys):
    assert old in SMALL
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    out = tmp_path / "out"
    error = failed(capsys, "build", path, "--format", "onnx", "--out", out)
    assert error.startswith(f"amt-export: error: {path}")
    assert message in error
    assert not state(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build", "smal"), "did you mean 'small'?"),
        (("build", "gone.toml"), "gone.toml: No such file"),
        (("build", "small", "--checkpoint", "gone.pt"), "gone.pt"),
        (("build", "small", "--out", "models/small.toml"), "small.toml"),
        (("bench", "smal"), "smal: no such model; did you mean 'small'?"),
        (("bench", "--out", "models"), "models: nothing is published here"),
        (("bench", "--peer", "models"), "models: holds no torch_amt"),
        (("check", "models"), "models: is no published model"),
        (("info", "samll"), "samll: no such model; did you mean 'small'?"),
        (("check", "samll"), "samll: no such model; did you mean 'small'?"),
        (("lint", "samll"), "samll: no such model; did you mean 'small'?"),
        (("info", "gone/small"), "the model small is found by its name alone"),
        (("info", "gone.onnx"), "no such file"),
        (("info", "models/small.toml"), "not a published folder, nor one of .onnx"),
    ],
)
def test_bad_data_is_one_line(arguments, message, built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    before = state(built / "artifacts")
    assert message in failed(capsys, *arguments)
    assert state(built / "artifacts") == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_published_folder_is_not_replaced(kind, built, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(built)
    mine = tmp_path / "small" if kind == "file" else tmp_path / "small" / "precious.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    error = failed(capsys, "build", "small", "--format", "onnx", "--out", tmp_path)
    assert f"{tmp_path / 'small'}: is there and is no published folder" in error
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_memory_that_torch_does_not_get_is_one_line(built, capsys, monkeypatch):
    monkeypatch.chdir(built)

    def publish(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr("amt_export.publish.publish", publish)
    error = failed(capsys, "build", "small", "--out", "elsewhere")
    assert error.startswith("amt-export: error: out of memory")


def test_a_second_model_of_the_same_name(built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    assert "small: given twice" in misused(capsys, "build", "small", "models/small.toml")


def test_a_model_that_misses_its_tolerance_is_not_published(copied, tmp_path, capsys):
    path = tmp_path / "small.toml"
    # (float32 surely differs from float64; ONNX Runtime may be eager torch to the last bit in so small a model)
    path.write_text(SMALL.replace("float64 = 1e-5", "float64 = 1e-12"), encoding="utf-8")
    before = state(copied.parent)
    assert main(["build", str(path), "--format", "onnx", "--out", str(copied.parent)]) == 1
    text = capsys.readouterr()
    assert text.err.startswith("amt-export: error: small: eager torch differs")
    assert text.err.count("\n") == 1
    assert "NO" in [line.split()[-1] for line in text.out.splitlines() if "float64" in line]
    assert "0 models, 0 artifacts published" in text.out
    assert "not published: small" in text.out
    assert state(copied.parent) == before


def test_other_sizes(tmp_path):
    path, out = tmp_path / "small.toml", tmp_path / "artifacts"
    path.write_text(SMALL, encoding="utf-8")
    sizes = ("--samples", "500", "--batch", "3")
    assert main(["build", str(path), "--format", "onnx", "--out", str(out), *sizes]) == 0
    assert load_manifest(out / "small").inputs[0].shape == (3, 500)
    assert not (out / "small" / "small.ts.pt").exists()


def test_a_single_sample(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    out = tmp_path / "out"
    assert main(["build", str(path), "--format", "onnx", "--samples", "1", "--out", str(out)]) == 0
    assert load_manifest(out / "small").inputs[0].shape == (1, 1)
    assert not (out / "small" / "response.svg").exists()
