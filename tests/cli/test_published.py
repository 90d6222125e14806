"""`amt-export list`, `info`, `check` and `bench` of what is published."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest

from amt_export.cli.main import main
from amt_export.manifest import load_manifest
from amt_export.model_file import load_spec
from support.cli import SMALL, amt, failed, refused, without
from support.folders import keep_only, write


def test_list_says_what_is_published(built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["small", "GammatoneFilterbank", "audio[1,2000]", *(["yes"] * 4)]
    assert "models, 1 published in artifacts" in lines[-1]
    assert main(["list", "--out", "elsewhere"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-4:] == ["no"] * 4


def test_list_knows_the_models_of_the_package_and_needs_no_torch(built, tmp_path):
    listed = amt("list", "--json", cwd=built, first=[without(tmp_path, "torch", "onnx", "rich")])
    assert listed.returncode == 0, listed.stderr
    models = {model["name"]: model for model in json.loads(listed.stdout)}
    assert next(iter(models)) == "small"  # one's own first
    assert models["small"]["formats"]["onnx"] == "yes"
    assert models["small"]["folder"] == "artifacts/small"
    speech = models["gammatone_speech_16k"]
    assert speech["inputs"] == {"audio": [1, 16000]}
    assert load_spec(speech["model_file"]).module == speech["module"]
    names = amt("list", "--quiet", cwd=built).stdout.split()
    assert names == list(models)


def test_list_on_a_terminal_is_a_table_of_80_columns(built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich takes what it writes to for a terminal
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["list"]) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    at = next(i for i, line in enumerate(lines) if line.startswith("small"))
    assert lines[at].split() == ["small", "audio", "[1,", "2000]", *(["yes"] * 4)]
    assert lines[at + 1].split() == ["GammatoneFilterbank"]


def test_list_knows_what_is_out_of_date(built, copied, tmp_path, capsys, monkeypatch):
    (tmp_path / "models").mkdir()
    changed = SMALL.replace("1000.0", "1100.0")
    (tmp_path / "models" / "small.toml").write_text(changed, encoding="utf-8")
    (tmp_path / "models" / "wrong.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 1
    text = capsys.readouterr()
    (row,) = [line for line in text.out.splitlines() if line.startswith("small ")]
    assert row.split()[-4:] == ["old"] * 4
    assert "wrong.toml" in text.err


@pytest.mark.parametrize("suffix", ["", ".onnx", ".ts.pt", ".pt2", ".mlpackage"])
def test_info_of_a_folder_and_of_each_artifact(suffix, small):
    done = amt("info", small / f"small{suffix}" if suffix else small)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if not line.startswith("folder: ")]
    assert max(map(len, lines)) <= 80
    assert "small: three channels" in done.stdout
    assert "3, 500.0 to 4000.0 Hz" in done.stdout
    assert "subbands  [1, 3, 2000]" in done.stdout
    assert ("SHA-256" in done.stdout) == (suffix == "")
    no_files = "float64: no files; torch in single precision against double precision"
    assert (no_files in done.stdout) == (suffix == "")


@pytest.mark.parametrize("suffix", [".onnx", ".ts.pt", ".pt2", ".mlpackage"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign"])
def test_info_of_a_damaged_artifact(suffix, damage, copied, tmp_path, capsys):
    path = copied / f"small{suffix}"
    content = path / "Data/com.apple.CoreML/model.mlmodel" if path.is_dir() else path
    data = {"truncated": content.read_bytes()[:500], "empty": b"", "foreign": b"RIFF" + bytes(99)}
    content.write_bytes(data[damage])
    assert failed(capsys, "info", path).startswith(f"amt-export: error: {path}")


def test_check_finds_all_well_and_damage(small, copied):
    content = bytearray((copied / "small.onnx").read_bytes())
    content[-20] ^= 1
    (copied / "small.onnx").write_bytes(content)
    done = amt("check", copied, small)
    assert "small.onnx: SHA-256 differs" in refused(done)
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = [line.split() for line in done.stdout.splitlines() if "subbands" in line]
    assert len(rows) >= 4  # one per format at least
    assert {row[-1] for row in rows} == {"yes"}
    assert "2 models checked, 1 failed" in done.stdout


def test_check_does_not_say_all_is_well_where_nothing_was_compared(
    small, copied, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    manifest = load_manifest(copied)
    others = tuple(other for other in manifest.other_files if other.path != "vectors.npz")
    write(copied, replace(manifest, other_files=others))
    (copied / "vectors.npz").unlink()
    keep_only(copied, "onnx")
    bare = str(copied)
    compared = tmp_path / "compared"
    shutil.copytree(small, compared / "small")
    keep_only(compared / "small", "onnx")
    for models, code, summary in (
        ([bare], 0, "1 model checked; files are intact, no numbers compared: the folder has {}"),
        (
            [bare] * 2,
            0,
            "2 models checked; files are intact, no numbers compared: the folders have {}",
        ),
        (
            [str(compared / "small"), bare],
            0,
            "2 models checked; no numbers compared for 1 of them: the folder has {}",
        ),
        (
            [bare, str(tmp_path / "gone"), bare],
            1,
            "3 models checked, 1 failed; no numbers compared for 2 of them: the folders have {}",
        ),
        ([str(compared / "small")], 0, "1 model checked, all is well"),
    ):
        assert main(["check", *models, "--vectors-only"]) == code
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == summary.format("no vectors.npz")
    # Torch compares without vectors.
    assert main(["check", bare]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 model checked, all is well"


def test_bench_measures_what_runs(copied, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    keep_only(copied, "onnx")
    out = str(copied.parent)
    assert main(["bench", "small", "--out", out, "--repeats", "3", "--no-peer"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["format", "size", "error", "ms/s", "x", "real", "memory"]
    assert table[2].split()[0] == "onnx"
    assert 10 < float(table[2].split()[-2]) < 400  # MB
    assert "1 model measured, median of 3 runs" in table


def test_list_without_any_published_model_says_how_to_get_some(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for place in ("amt_export.runtime.lookup", "amt_export.cli.commands.list"):
        monkeypatch.setattr(f"{place}.installed_models", lambda: None)
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "to get models: pip install amt_export_models, or make artifacts"
    )


def test_a_folder_without_a_manifest_is_no_published_model(tmp_path, capsys):
    (tmp_path / "sounds").mkdir()
    error = failed(capsys, "info", tmp_path / "sounds")
    assert f"{tmp_path / 'sounds'}: is no published model: it has no manifest.json" in error
    assert "build" not in error
