"""`scripts/export_all.py`, what `make artifacts` runs: several models at once, one line for what goes wrong."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.cli import ROOT, SMALL


@pytest.fixture
def script(tmp_path):
    """The script in a folder of its own, so that it builds what is there, and Ctrl-C as it was."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "models").mkdir()
    handler = signal.getsignal(signal.SIGINT)
    yield Path(shutil.copy(ROOT / "scripts" / "export_all.py", tmp_path / "scripts"))
    signal.signal(signal.SIGINT, handler)


def model_file(script: Path, name: str, reference: float) -> Path:
    path = script.parents[1] / "models" / f"{name}.toml"
    text = SMALL.replace('"small"', f'"{name}"').replace("float64 = 1e-5", f"float64 = {reference}")
    path.write_text(f'{text}[export]\nformats = ["onnx"]\n', encoding="utf-8")
    return path


def found_in(script: Path) -> dict[str, Any]:
    """What the script defines."""
    return runpy.run_path(str(script))


def test_a_model_is_published_with_a_line_for_each_artifact(script):
    (line,), pictures, problem = found_in(script)["build"](model_file(script, "good", 1e-5))
    assert problem == ""
    assert pictures == []
    assert line.startswith("good.onnx ")
    assert " allowed" in line
    assert (script.parents[1] / "artifacts" / "good" / "manifest.json").exists()


def test_only_the_models_that_are_named_are_built(script, monkeypatch, capsys):
    paths = {name: model_file(script, name, 1e-5) for name in ("first", "second", "third")}
    chosen = found_in(script)["chosen"]
    monkeypatch.setattr(sys, "argv", ["export_all.py"])
    assert chosen() == list(paths.values())
    monkeypatch.setattr(sys, "argv", ["export_all.py", "third", "first", "third"])
    assert chosen() == [paths["third"], paths["first"]]
    monkeypatch.setattr(sys, "argv", ["export_all.py", "secnod"])
    with pytest.raises(SystemExit) as stopped:
        chosen()
    assert stopped.value.code == 2
    assert "unknown model 'secnod'; did you mean 'second'?" in capsys.readouterr().err


def test_a_model_that_fails_is_one_line_and_nothing_is_published(script):
    files, pictures, problem = found_in(script)["build"](model_file(script, "bad", 1e-15))
    assert files == pictures == []
    assert problem.startswith("bad: eager torch differs from float64 by ")
    assert problem.endswith("[parity] float64 allows more")
    assert "\n" not in problem
    assert list((script.parents[1] / "artifacts").iterdir()) == []


def test_a_picture_of_the_recording_is_drawn(script):
    """And a recording that cannot be read is a problem of the picture, not of the files."""
    sample = script.parents[1] / "tests" / "data" / "speech_22k.wav"
    sample.parent.mkdir(parents=True)
    found = found_in(script)
    found["PICTURES"]["good"] = "good.png"
    path = model_file(script, "good", 1e-5)
    files, pictures, problem = found["build"](path)
    assert len(files) == 1
    assert pictures == []
    assert "speech_22k.wav" in problem
    shutil.copy(ROOT / "tests" / "data" / "speech_22k.wav", sample)
    files, pictures, problem = found["build"](path)
    assert pictures == ["speech_22k.wav through good.onnx: artifacts/good.png"]
    assert problem == ""
    assert (script.parents[1] / "artifacts" / "good.png").read_bytes().startswith(b"\x89PNG")


def test_a_process_that_has_not_heard_ctrl_c_builds_nothing_either(script):
    """One that was still starting, when the pool had handed it a model already."""
    found = found_in(script)
    event = multiprocessing.get_context("spawn").Event()
    found["prepare"].__globals__["tune_memory_management"] = lambda: (
        None
    )  # the tests go on after this
    found["prepare"](event)
    path = model_file(script, "good", 1e-5)
    assert found["build"](path)[2] == ""
    event.set()
    assert found["build"](path) == ([], [], "good: interrupted")
    assert [p.name for p in (script.parents[1] / "artifacts").iterdir()] == ["good"]


def test_ctrl_c_ends_all_builds_with_one_line(script):
    for number in range(6):  # more than the pool takes at once
        model_file(script, f"model{number}", 1e-5)
    artifacts = script.parents[1] / "artifacts"
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    begun = time.monotonic()
    while not list(artifacts.glob(".*")):  # until the first build has its folder
        assert time.monotonic() - begun < 120
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert output.splitlines() == [
        "amt-export: error: interrupted; what was published before is as it was"
    ]
    assert list(artifacts.iterdir()) == []
