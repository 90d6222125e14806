"""The command line as people use it: in a process of its own, with good and with bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amt_export.cli.main import main
from amt_export.manifest import MANIFEST_NAME, ParityRow, load_manifest, sha256_of

ROOT = Path(__file__).parents[1]
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"
COMMANDS = ("list", "build", "check", "diff", "report", "lint", "info", "run", "live", "bench")

SMALL = """
[model]
name = "small"
module = "GammatoneFilterbank"
description = "three channels"

[parameters]
fc = [500.0, 1000.0, 4000.0]
fs = 16000

[inputs]
audio = [1, 2000]

[parity]
onnx = 2e-6
reference = 2e-6
"""


def environment(*first: Path) -> dict[str, str]:
    """Return an environment of 80 columns that finds the package from anywhere."""
    path = os.pathsep.join(map(str, (*first, ROOT)))
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": path}


def amt(*arguments, cwd=None, first=()) -> subprocess.CompletedProcess:
    """Run amt-export in a process of its own; what is in the folders `first` is imported first."""
    return subprocess.run(
        [sys.executable, "-m", "amt_export", *map(str, arguments)],
        cwd=cwd,
        env=environment(*first),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused(done: subprocess.CompletedProcess, code: int = 1) -> str:
    """Return the one line with which a command has failed."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("amt-export: error: ")
    return lines[0]


def state(folder: Path) -> dict[str, str]:
    """Return what is in a folder, hidden files too, by content."""
    return {path.name: sha256_of(path) for path in folder.iterdir()} if folder.is_dir() else {}


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """A folder with models/small.toml and artifacts/small, all formats, made by `build`."""
    root = tmp_path_factory.mktemp("cli")
    (root / "models").mkdir()
    (root / "models" / "small.toml").write_text(SMALL, encoding="utf-8")
    done = amt("build", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "1 model, 4 artifacts published in artifacts" in done.stdout
    return root


@pytest.fixture(scope="session")
def small(built) -> Path:
    return built / "artifacts" / "small"


@pytest.fixture
def copied(small, tmp_path) -> Path:
    """A published folder that a test may damage."""
    return Path(shutil.copytree(small, tmp_path / "artifacts" / "small"))


@pytest.fixture
def wav(tmp_path):
    """Write a WAV file and return its path."""

    def write(samples, fs=16000, name="input.wav", subtype="FLOAT"):
        soundfile.write(tmp_path / name, samples, fs, subtype=subtype, format="WAV")
        return tmp_path / name

    return write


def without(tmp_path: Path, *modules: str) -> Path:
    """Return a folder that, first on the path, keeps these packages from being imported."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(f"raise ImportError('no {module} here')")
    return folder


# ---------------------------------------------------------------- help and usage


@pytest.mark.parametrize("command", [(), *((command,) for command in COMMANDS)], ids=str)
def test_help_fits_80_columns_and_shows_examples(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "\n  amt-export " in text


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
        (("biuld",), "biuld"),
        (("build", "--format", "onxx"), "unknown format 'onxx'; did you mean 'onnx'?"),
        (("build", "--samples", "0"), "'0' is not an integer above zero"),
        (("build", "--batch", "two"), "'two' is not an integer above zero"),
        (("build", "a", "b", "--checkpoint", "c.pt"), "--checkpoint: needs exactly one MODEL"),
        (("build", "--checkpoint", "c.pt"), "--checkpoint: needs exactly one MODEL"),
        (("build", "a", "--checkpoint-prefix", "drnl."), "needs --checkpoint FILE"),
        (("check",), "required: DIR"),
        (("run", "d", "x.wav", "-o", "x.txt"), "'x.txt' must end in .npz"),
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
    ],
)
def test_a_bad_model_file_is_one_line(old, new, message, tmp_path, capsys):
    assert old in SMALL
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    out = tmp_path / "out"
    assert main(["build", str(path), "--format", "onnx", "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"amt-export: error: {path}: ")
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
        (("bench", "smal"), "artifacts/smal: not published"),
        (("bench", "--out", "models"), "models: nothing is published here"),
        (("bench", "--peer", "models"), "models: holds no torch_amt"),
        (("check", "models"), "expected a folder published by"),
        (("info", "gone"), "expected a folder published by"),
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


def test_a_second_model_of_the_same_name(built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    with pytest.raises(SystemExit) as stopped:
        main(["build", "small", "models/small.toml"])
    assert stopped.value.code == 2
    assert "small: given twice" in capsys.readouterr().err


def test_a_model_that_misses_its_tolerance_is_not_published(copied, tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace("onnx = 2e-6", "onnx = 1e-12"), encoding="utf-8")
    before = state(copied.parent)
    assert main(["build", str(path), "--format", "onnx", "--out", str(copied.parent)]) == 1
    text = capsys.readouterr()
    assert text.err.startswith("amt-export: error: small: onnx differs")
    assert text.err.count("\n") == 1
    assert "NO" in [line.split()[-1] for line in text.out.splitlines() if "onnx CPU" in line]
    assert "0 models, 0 artifacts published" in text.out
    assert "not published: small" in text.out
    assert state(copied.parent) == before


# Ctrl-C as in a shell, also where the tests themselves run in the background and inherit its being ignored.
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from amt_export.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize("delay", [0.0, 1.0])
def test_ctrl_c_leaves_what_was_there(delay, copied, tmp_path):
    out = copied.parent
    before = state(out)
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    command = [sys.executable, "-c", INTERRUPTIBLE, "build", "small.toml", "--out", str(out)]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(list(out.iterdir())) == 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(list(out.iterdir())) == 2, "the build has not begun"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    # Python itself ends by the signal where an import was interrupted; for a shell both are 130.
    assert process.returncode in (130, -signal.SIGINT)
    assert error == "amt-export: error: interrupted; what was published before is as it was\n"
    assert state(out) == before


def test_other_sizes(tmp_path):
    path, out = tmp_path / "small.toml", tmp_path / "artifacts"
    path.write_text(SMALL, encoding="utf-8")
    sizes = ("--samples", "500", "--batch", "3")
    assert main(["build", str(path), "--format", "onnx", "--out", str(out), *sizes]) == 0
    assert load_manifest(out / "small").inputs[0].shape == (3, 500)
    assert not (out / "small" / "small.ts.pt").exists()


# ---------------------------------------------------------------- list, info, check, bench


def test_list_says_what_is_published(built, capsys, monkeypatch):
    monkeypatch.chdir(built)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    (row,) = [line for line in text.splitlines() if line.startswith("small")]
    assert row.split() == ["small", "audio", "[1,", "2000]", "yes", "yes", "yes", "yes"]
    assert "1 model, 1 published in artifacts" in text
    assert main(["list", "--out", "elsewhere"]) == 0
    assert "no      no        no    no" in capsys.readouterr().out


def test_list_knows_what_is_out_of_date(built, copied, tmp_path, capsys, monkeypatch):
    (tmp_path / "models").mkdir()
    changed = SMALL.replace("1000.0", "1100.0")
    (tmp_path / "models" / "small.toml").write_text(changed, encoding="utf-8")
    (tmp_path / "models" / "wrong.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 1
    text = capsys.readouterr()
    assert "old     old       old   old" in text.out
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
    assert error.startswith(f"amt-export: error: {path}: ")
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
    assert "2 folders checked, 1 failed" in done.stdout


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
    from amt_export.cli.tables import output, parity_table

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


# ---------------------------------------------------------------- run


def test_run_writes_numbers_and_a_picture(small, tmp_path):
    blocked = without(tmp_path, "torch", "onnx", "coremltools", "scipy")
    files = ("-o", "out.npz", "--plot", "out.png")
    done = amt("run", small, SPEECH, *files, cwd=tmp_path, first=[blocked])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "22050 Hz resampled to 16000 Hz" in done.stdout
    assert "full-scale sine = 93.98 dB SPL" in done.stdout
    assert "times real time" in done.stdout
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out.npz") as data:
        assert set(data.files) == {"subbands", "fs", "centre_frequencies", "manifest"}
        assert data["fs"] == 16000
        assert data["subbands"].shape == (1, 3, round(soundfile.info(SPEECH).duration * 16000))
        np.testing.assert_allclose(data["centre_frequencies"], [500, 1000, 4000], rtol=1e-6)
        assert json.loads(str(data["manifest"]))["name"] == "small"


def test_run_is_named_after_the_recording_and_calibrated(small, tmp_path, wav):
    path = wav(np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000)), name="tone.wav")
    done = amt("run", small, path, "--level", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "file = 60 dB SPL RMS" in done.stdout
    with np.load(tmp_path / "tone.npz") as data:
        rms = np.sqrt(np.mean(data["subbands"][0, 1, 8000:] ** 2))
    assert 20 * np.log10(rms / 2e-5) == pytest.approx(60, abs=0.1)


BAD_AUDIO = {
    "no samples": lambda wav: wav(np.zeros(0)),
    "a sample is NaN": lambda wav: wav(np.array([0, np.nan, 0])),
    "infinite": lambda wav: wav(np.array([0.0, np.inf])),
    "give a WAV": lambda wav: Path(shutil.copy(__file__, wav(np.zeros(9)))),
    "no such file": lambda wav: Path("gone.wav"),
}


@pytest.mark.parametrize("message", BAD_AUDIO)
def test_bad_audio_is_one_line(message, small, wav, tmp_path, capsys):
    out = tmp_path / "out.npz"
    assert main(["run", str(small), str(BAD_AUDIO[message](wav)), "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not out.exists()


@pytest.mark.parametrize("level", ["nan", "1000", "60"])
def test_a_level_that_cannot_be(level, small, wav, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(small), str(wav(np.zeros(1000))), "--level", level]) == 1
    assert "silent" in (error := capsys.readouterr().err) or "give one from" in error
    assert not (tmp_path / "input.npz").exists()


def test_run_refuses_places_that_it_must_not_write_to(small, wav, tmp_path, capsys):
    path = wav(np.zeros(100), name="speech.npz")
    before = path.read_bytes()
    (tmp_path / "folder.npz").mkdir()
    for out, message in {
        path: "would change",
        small / "vectors.npz": "would change",
        tmp_path / "gone" / "x.npz": "there is no folder",
        tmp_path / "folder.npz": "is a folder",
    }.items():
        assert main(["run", str(small), str(path), "-o", str(out)]) == 1
        assert message in capsys.readouterr().err
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.npz", "speech.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on file sizes")
def test_a_full_disk_leaves_the_earlier_result(small, tmp_path):
    earlier = tmp_path / "out.npz"
    earlier.write_bytes(b"earlier")
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000)); "
        "from amt_export.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "run", str(small), str(SPEECH), "-o", str(earlier)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "out.npz: File too large" in refused(done)
    assert earlier.read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]


def test_run_of_a_damaged_folder(copied, wav, capsys):
    path = str(wav(np.zeros(100)))
    (copied / "small.onnx").write_bytes((copied / "small.onnx").read_bytes()[:-1])
    assert main(["run", str(copied), path, "-o", str(copied.parent / "x.npz")]) == 1
    assert "published with" in capsys.readouterr().err
    (copied / MANIFEST_NAME).write_text("{", encoding="utf-8")
    assert main(["run", str(copied), path, "-o", str(copied.parent / "x.npz")]) == 1
    assert "not JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("onnxruntime", "onnx", ("run", "DIR", SPEECH)),
        ("soundfile", "audio", ("run", "DIR", SPEECH)),
        ("matplotlib", "plot", ("run", "DIR", SPEECH, "--plot", "x.png")),
        ("torch", "export", ("build",)),
        ("torch", "export", ("run", "DIR", SPEECH, "--backend", "torchscript")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(module, extra, arguments, small, tmp_path):
    blocked = without(tmp_path, module)
    arguments = [small if argument == "DIR" else argument for argument in arguments]
    error = refused(amt(*arguments, cwd=tmp_path, first=[blocked]))
    assert f"no {module} here" in error
    assert error.endswith(f"pip install 'amt_export[{extra}]'")


def test_a_reader_that_leaves_early_sees_no_traceback(small):
    process = subprocess.Popen(
        [sys.executable, "-m", "amt_export", "info", str(small)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert error == ""
