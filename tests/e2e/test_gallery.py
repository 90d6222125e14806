"""The scripts of docs/gallery draw what they are named after, and all pictures are there."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from support.filters import ROOT

pytest.importorskip("matplotlib")
GALLERY = ROOT / "docs" / "gallery"
PICTURES = ROOT / "docs" / "pictures"
SCRIPTS = sorted(GALLERY.glob("*.py"))


@pytest.fixture(scope="module")
def drawing():
    """The module scripts/draw_gallery.py."""
    spec = importlib.util.spec_from_file_location(
        "draw_gallery", ROOT / "scripts" / "draw_gallery.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["excitation_references", "speech_cochleagram"])
def test_a_script_draws_its_picture(name, drawing, published_onnx, tmp_path):
    from matplotlib.image import imread

    folder = published_onnx("cochleagram_speech_16k").parent
    here = Path.cwd()
    path = drawing.draw(GALLERY / f"{name}.py", folder, tmp_path)
    assert Path.cwd() == here
    assert path == tmp_path / f"{name}.png"
    picture = imread(path)
    expected = imread(PICTURES / f"{name}.png")
    assert picture.shape == expected.shape
    assert picture.shape[1] == 1008  # 5.6 inches at 180 dots
    assert picture[..., :3].std() > 0.05, "not an empty page"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scripts_and_pictures_belong_together(script):
    text = script.read_text(encoding="utf-8")
    tree = ast.parse(text)
    title = ast.get_docstring(tree)
    assert title
    assert title.endswith(".")
    assert "\n" not in title
    assert f'"{script.stem}.png"' in text
    assert (PICTURES / f"{script.stem}.png").stat().st_size < 450_000
    assert len(text.splitlines()) <= 40
    compile(text, script.name, "exec")


def test_every_picture_has_a_script():
    assert {path.stem for path in PICTURES.glob("*.png")} <= {script.stem for script in SCRIPTS}


def test_an_unknown_name_is_one_line(drawing, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["draw_gallery.py", "nothing"])
    with pytest.raises(SystemExit) as stopped:
        drawing.main()
    assert stopped.value.code == 2
    assert "nothing: no such script" in capsys.readouterr().err
