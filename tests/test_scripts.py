"""Every script takes arguments: one that does not know what it was given must not begin its work."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from support.filters import ROOT

# The others are imported, or loaded by MkDocs.
SCRIPTS = [
    path for path in (ROOT / "scripts").glob("*.py") if "__main__" in path.read_text("utf-8")
]


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Run a script with some arguments, as a process of its own would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])

    def start(path: Path, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(path), run_name="__main__")
        return stopped.value.code

    return start


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_explains_itself(path, started, capsys):
    assert started(path, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {path.name} ")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_refuses_options_that_it_does_not_know(path, started, capsys):
    assert started(path, "--no-such-option") == 2
    assert "error: " in capsys.readouterr().err
