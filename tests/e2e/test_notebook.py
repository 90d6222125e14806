"""The notebook of examples/ runs from a recording to a classifier that works."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.cli import SPEECH
from support.filters import ROOT

matplotlib = pytest.importorskip("matplotlib")
NOTEBOOK = ROOT / "examples" / "notebook" / "listen.py"


@pytest.fixture
def folder(published_onnx, tmp_path) -> Path:
    """What the notebook sees of a checkout, with models of shorter signals."""
    here = tmp_path / "examples" / "notebook"
    here.mkdir(parents=True)
    shutil.copy(NOTEBOOK, here)
    (tmp_path / "artifacts").mkdir()
    for name in ("cochleagram_speech_16k", "moore2016_loudness_32k"):
        (tmp_path / "artifacts" / name).symlink_to(published_onnx(name))
    (tmp_path / "tests" / "data").mkdir(parents=True)
    shutil.copy(SPEECH, tmp_path / "tests" / "data")
    return here


def test_the_notebook_runs(folder, monkeypatch, capsys):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(folder)
    plt.switch_backend("agg")
    names = runpy.run_path(NOTEBOOK.name)
    plt.close("all")
    assert names["levels"].shape == (30, 669)  # 6.698 s in steps of 10 ms
    assert 60.0 < names["levels"].max() < 85.0
    assert 10.0 < names["n5"] < 30.0
    assert names["data"].shape == (39, 10)
    assert np.isfinite(names["data"]).all()
    assert names["accuracy"] >= 0.9
    assert "pieces are right" in capsys.readouterr().out


def test_the_notebook_is_in_the_percent_format():
    """Every cell begins with a marker, and text cells are comments: what jupytext and editors read."""
    cells = re.split(r"^# %%", NOTEBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    head, *cells = cells
    assert "format_name: percent" in head
    texts = [cell for cell in cells if cell.startswith(" [markdown]")]
    assert len(texts) >= 6
    assert len(cells) > len(texts)
    for text in texts:
        assert all(not line or line.startswith("#") for line in text.splitlines()[1:])
