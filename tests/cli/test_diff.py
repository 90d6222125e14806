"""`diff` as a command: what it prints and draws, and one line for what cannot be compared."""

from __future__ import annotations

import pytest

from amt_export.cli.main import main
from support.cli import failed
from support.coreml import weight_file
from support.divergence import NUMBERS, perturb


@pytest.fixture
def published(published_short):
    """Folders of models whose graphs are short, in the two formats that can be looked into."""
    return published_short


def test_diff_prints_a_table_and_draws(writable, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder, picture = writable("gammatone"), tmp_path / "d.png"
    assert main(["diff", str(folder), "--format", "onnx"]) == 0
    text = capsys.readouterr().out
    assert "nothing departs by more than" in text
    assert max(map(len, text.splitlines())) <= 80
    name = NUMBERS
    perturb(folder / "gammatone.onnx", name)
    arguments = ["diff", str(folder), "--format", "onnx", "--plot", str(picture)]
    assert main([*arguments, "--signal", "speech"]) == 1
    text = capsys.readouterr().out
    assert "gammatone.onnx on speech" in text
    (line,) = [line for line in text.splitlines() if line.startswith("first departs: ")]
    (row,) = [line.split() for line in text.splitlines() if line.startswith("first  ")]
    assert row[1] in line
    assert f"wrote {picture}" in text
    text = text.replace(str(picture), "d.png")  # as wide as the folder's name makes it
    assert f"weight {name} is not the module's" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "onnx", "--signal", "noise"), "no signal 'noise'; choose from noise_20dB"),
        (("--format", "onnx", "--samples", "100"), "is published; its number of samples stays"),
    ],
)
def test_bad_input_is_one_line(arguments, message, published, capsys):
    assert message in failed(capsys, "diff", published("gammatone"), *arguments)


@pytest.mark.parametrize("format", ["onnx", "coreml"])
def test_a_truncated_artifact_is_one_line(format, writable, capsys):
    folder = writable("gammatone")
    path = folder / ("gammatone.onnx" if format == "onnx" else "gammatone.mlpackage")
    if path.is_dir():
        path = weight_file(path)
    path.write_bytes(path.read_bytes()[:1000])
    failed(capsys, "diff", folder, "--format", format)
