"""`check` without torch: numpy and onnxruntime are enough, and nothing at all is not a pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from amt_export.errors import MissingDependencyError
from support.cli import environment, without
from support.folders import scale_channel, sign
from support.process import ran

HEAVY = ("torch", "onnx", "onnxscript", "coremltools", "scipy", "rich", "matplotlib", "soundfile")


def check_without(tmp_path: Path, folder: Path, *blocked: str) -> subprocess.CompletedProcess:
    """Run `check` in a process in which some packages cannot be imported."""
    command = (sys.executable, "-W", "error", "-m", "amt_export", "check", folder)
    return ran(*command, env=environment(without(tmp_path, *blocked)), timeout=120)


def test_numpy_and_onnxruntime_are_enough(published, tmp_path):
    done = check_without(tmp_path, published("gammatone"), *HEAVY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines() if " subbands " in line]
    assert [(row[0], row[-1]) for row in rows] == [("onnx", "yes")]
    # Each reason once, with everything that it is the reason for.
    reasons = " ".join(done.stdout.split())
    for kinds, package in (
        ("torchscript, exported_program, comparison with eager torch", "torch"),
        ("coreml", "coremltools"),
    ):
        assert f"not run: {kinds}: needs {package} (no {package} here)" in reasons
        assert reasons.count(f"no {package} here") == 1
    assert "1 model checked, all is well" in done.stdout


def test_a_wrong_number_is_found_without_torch(writable, tmp_path):
    folder = writable("gammatone")
    scale_channel(folder / "gammatone.onnx", 1, 1.0001)
    sign(folder)
    done = check_without(tmp_path, folder, *HEAVY)
    assert done.returncode == 1
    assert "amt-export: error: gammatone: onnx differs" in done.stderr
    assert "subbands[1]" in done.stdout
    assert "NO" in done.stdout


def test_nothing_to_run_it_with_is_not_a_pass(published, tmp_path):
    done = check_without(tmp_path, published("gammatone"), *HEAVY, "onnxruntime")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "nothing can be run here" in line
    assert "onnxruntime" in line
    assert "all is well" not in done.stdout


def test_missing_runtimes_are_one_error_of_the_family():
    assert issubclass(MissingDependencyError, ImportError)
