"""What the tests of the command line share: a process of its own, and what it must leave alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amt_export.cli.main import main
from amt_export.manifest import sha256_of
from support.process import ran

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "data" / "speech_22k.wav"

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
float64 = 1e-5
"""

BLOCK = 640  # of the streaming form of SMALL


def environment(*first: Path) -> dict[str, str]:
    """Return an environment of 80 columns that finds the package from anywhere."""
    path = os.pathsep.join(map(str, (*first, ROOT)))
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": path}


def amt(*arguments, cwd=None, first=()) -> subprocess.CompletedProcess:
    """Run amt-export in a process of its own; what is in the folders `first` is imported first."""
    command = (sys.executable, "-m", "amt_export", *arguments)
    return ran(*command, cwd=cwd, env=environment(*first), timeout=120)


def refused(done: subprocess.CompletedProcess, code: int = 1) -> str:
    """Return the one line with which a command has failed."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("amt-export: error: ")
    return lines[0]


def run(*arguments) -> int:
    """Run `amt-export run` in this process; return its exit code."""
    return main(["run", *map(str, arguments)])


def failed(capsys, *arguments) -> str:
    """Return the one line with which a command has failed."""
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    return error


def misused(capsys, *arguments) -> str:
    """Return the one line with which a command has refused its arguments."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("amt-export: error: ")
    assert error.count("\n") == 1
    return error


def state(folder: Path) -> dict[str, str]:
    """Return what is in a folder, hidden files too, by content."""
    return {path.name: sha256_of(path) for path in folder.iterdir()} if folder.is_dir() else {}


# Ctrl-C as in a shell, also where the tests themselves run in the background and inherit its being ignored.
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "  # nohup has it ignored
    "from amt_export.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def without(tmp_path: Path, *modules: str) -> Path:
    """Return a folder that, first on the path, keeps these packages from being imported."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(f"raise ImportError('no {module} here')")
    return folder


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)
