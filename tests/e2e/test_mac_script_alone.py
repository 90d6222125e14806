"""The script for Macs stands alone: it needs no package of ours, and says where it does not run."""

from __future__ import annotations

import ast
import shutil
import sys

import pytest

from support.mac import SCRIPT
from support.process import ran


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
    done = ran(sys.executable, "-I", copy, "folder")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "macOS only" in line
    done = ran(sys.executable, "-I", copy)
    assert done.returncode == 2
    assert "DIR" in done.stderr
