"""The command line as people use it: in a process of its own, with good and with bad input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from amt_export.cli.main import COMMANDS, main
from amt_export.manifest import MANIFEST_NAME, ParityRow, load_manifest
from amt_export.model_file import load_spec
from support.cli import SMALL, amt, refused, state, without

# ---------------------------------------------------------------- help and usage


PARTS = [("corpus", part) for part in ("plan", "run", "check")]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), *PARTS], ids=str)
def test_help_fits_80_columns_and_shows_examples(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "\n  amt-export " in text


@pytest.mark.parametrize("command", [*COMMANDS, *PARTS], ids=str)
def test_whatever_says_where_results_go_has_the_short_option_too(command, capsys):
    with pytest.raises(SystemExit):
        main([*([command] if isinstance(command, str) else command), "--help"])
    usage = capsys.readouterr().out
    assert ("--out " in usage or "--output " in usage) == ("  -o " in usage)


def test_help_needs_no_torch():
    code = (
        "import sys; from amt_export.cli.main import parser; parser(); "
        "heavy = {'torch', 'onnx', 'onnxruntime', 'coremltools'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required: COMMAND"),
        (("biuld",), "unknown command 'biuld'; did you mean 'build'?"),
        (("BUILD",), "unknown command 'BUILD'; did you mean 'build'?"),
        (("build", "--format", "onxx"), "unknown format 'onxx'; did you mean 'onnx'?"),
        (("build", "--samples", "0"), "'0' is not an integer above zero"),
        (("build", "--batch", "two"), "'two' is not an integer above zero"),
        (("build", "a", "b", "--checkpoint", "c.pt"), "--checkpoint: needs exactly one MODEL"),
        (("build", "--checkpoint", "c.pt"), "--checkpoint: needs exactly one MODEL"),
        (("build", "a", "--checkpoint-prefix", "drnl."), "needs --checkpoint FILE"),
        (("check",), "required: MODEL"),
        (("run", "d", "x.wav", "-o", "x.txt"), "'x.txt' must end in .npz"),
        (("run", "d", "x.wav", "y.wav"), "-o: several recordings need a folder"),
        (("run", "d", "*.wav", "-o", "x.npz"), "-o: several recordings need a folder"),
        (("run", "d", "x.wav", "--format", "csv"), "--format: is for results in a folder"),
        (("run", "d", "x.wav", "-o", "out", "--plot", "x.png"), "--plot: takes no name"),
        (("run", "d", "--plot", "x.wav"), "give the recording in front of --plot"),
        (("run", "d", "x.wav", "--level", "70", "--full-scale", "90"), "not allowed with argument"),
        (("run", "d", "x.wav", "--raw", "--level", "70"), "not allowed with argument --raw"),
        (("live", "d", "--level", "70"), "--level: needs FILE"),
        (("live", "d", "x.wav", "--device", "3"), "--device: chooses a microphone; leave out FILE"),
        (("live", "d", "x.wav", "--level", "70", "--full-scale", "9"), "not allowed with argument"),
        (("run", "d", "x.wav", "--jobs", "0"), "'0' is not an integer above zero"),
        (("run", "d", "x.wav", "--plot", "x.jpg"), "'x.jpg' must end in .png"),
        (("run", "d", "x.wav", "--level", "loud"), "'loud' is not a number of dB"),
        (("run", "d", "x.wav", "--backend", "onxx"), "did you mean 'onnx'?"),
        (("run", "d", "x.wav", "--plto", "x.png"), "unrecognized arguments"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert "--help" in error


def test_usage_errors_leave_the_process_with_2():
    assert "choose from torchscript" in refused(amt("build", "--format", "onxx"), 2)


# ---------------------------------------------------------------- build


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
        ("fs = 16000", "sf = 16000", r"[parameters] sf = 16000: unknown key"),
        ("[inputs]", "[input]", "did you mean 'inputs'?"),
        ("fs = 16000", "fs = -1", "fs"),
        ("fs = 16000", 'fs = "16 kHz"', "must be a finite number"),
        ("4000.0]", "8000.1]", "8000.1"),
        ("4000.0]", "0.0]", "must be above zero"),
        ("GammatoneFilterbank", "GammatonFilterbank", "did you mean 'GammatoneFilterbank'?"),
        ("[1, 2000]", "[2000]", "audio"),
        ("[1, 2000]", "[1, 0]", "integers above zero"),
        ("[parity]", "[parity]\nonxx = 1", "did you mean 'onnx'?"),
        ('name = "small"', "name = ", "not TOML"),
        ('name = "small"', 'name = "large"', "must be the name of the file"),
        ("fs = 16000", f"fs = {10**400}", "must be a finite number"),
        ("fs = 16000", f"fs = {10**20}", "must be at most 1e+08"),
        ("fs = 16000", "fs = 16000\nn = 99", "n = 99: must be at most 20"),
    ],
)
def test_a_bad_model_file_is_one_line(old, new, message, tmp_path, capsys):
    assert old in SMALL
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    out = tmp_path / "out"
    assert main(["build", str(path), "--format", "onnx", "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"amt-export: error: {path}")
    assert error.count("\n") == 1
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
        (("check", "models"), "expected a folder published by"),
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
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert state(built / "artifacts") == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_published_folder_is_not_replaced(kind, built, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(built)
    mine = tmp_path / "small" if kind == "file" else tmp_path / "small" / "precious.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    assert main(["build", "small", "--format", "onnx", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'small'}: is there and is no published folder" in error
    assert error.count("\n") == 1
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_memory_that_torch_does_not_get_is_one_line(built, capsys, monkeypatch):
    monkeypatch.chdir(built)

    def publish(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr("amt_export.publish.publish", publish)
    assert main(["build", "small", "--out", "elsewhere"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: out of memory")
    assert error.count("\n") == 1


def test_a_second_model_of_the_same_name(built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    with pytest.raises(SystemExit) as stopped:
        main(["build", "small", "models/small.toml"])
    assert stopped.value.code == 2
    assert "small: given twice" in capsys.readouterr().err


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


# ---------------------------------------------------------------- list, info, check, bench


def test_a_single_sample(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    out = tmp_path / "out"
    assert main(["build", str(path), "--format", "onnx", "--samples", "1", "--out", str(out)]) == 0
    assert load_manifest(out / "small").inputs[0].shape == (1, 1)
    assert not (out / "small" / "response.svg").exists()


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
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "small: three channels" in done.stdout
    assert "3, 500.0 to 4000.0 Hz" in done.stdout
    assert "subbands  [1, 3, 2000]" in done.stdout
    assert ("SHA-256" in done.stdout) == (suffix == "")


@pytest.mark.parametrize("suffix", [".onnx", ".ts.pt", ".pt2", ".mlpackage"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign"])
def test_info_of_a_damaged_artifact(suffix, damage, copied, tmp_path, capsys):
    path = copied / f"small{suffix}"
    content = path / "Data/com.apple.CoreML/model.mlmodel" if path.is_dir() else path
    data = {"truncated": content.read_bytes()[:500], "empty": b"", "foreign": b"RIFF" + bytes(99)}
    content.write_bytes(data[damage])
    assert main(["info", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"amt-export: error: {path}")
    assert error.count("\n") == 1


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


def test_bench_measures_what_runs(copied, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = copied / MANIFEST_NAME
    manifest = load_manifest(copied)
    only_onnx = replace(manifest, files=(manifest.entry("onnx"),))
    path.write_text(only_onnx.to_json(), encoding="utf-8")
    out = str(copied.parent)
    assert main(["bench", "small", "--out", out, "--repeats", "3", "--no-peer"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["format", "size", "error", "ms/s", "x", "real", "memory"]
    assert table[2].split()[0] == "onnx"
    assert 10 < float(table[2].split()[-2]) < 400  # MB
    assert "1 model measured, median of 3 runs" in table


def test_a_table_shows_every_kind_of_difference(capsys):
    from amt_export.cli.terminal.tables import output, parity_table

    rows = [
        ParityRow(
            "onnx", "whole", "CUDAExecutionProvider", "levels", kind, worst, "click", 1e-3, by
        )
        for kind, worst, by in [
            ("db", 2.5e-4, "execution"),
            ("relative", float("nan"), "execution"),
            ("frequency", 0.0, "interpreter"),
            ("relative", 1e300, "execution"),
            ("db", None, "interface"),
        ]
    ]
    output().print(parity_table("model", rows))
    cells = [line.split()[2:] for line in capsys.readouterr().out.splitlines()[2:]]
    assert cells[0] == ["levels", "2.5e-4", "dB", "click", "1.0e-3", "execution", "yes"]
    assert [(row[1], row[-1]) for row in cells[1:]] == [
        ("nan", "NO"),
        ("0", "yes"),
        ("inf", "NO"),
        ("-", "-"),
    ]
