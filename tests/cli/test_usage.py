"""Help and bad usage of every command."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from amt_export.cli.main import COMMANDS, main
from support.cli import amt, failed, misused, refused

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
    # "  -o DIR, --out DIR", and from Python 3.13 on "  -o, --out DIR".
    short = re.search("^  -o[ ,]", usage, re.MULTILINE)
    assert ("--out " in usage or "--output " in usage) == bool(short)


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
        (("run", "d", "x.wav", "y.wav"), "such as -o results/"),
        (
            ("run", "d", "x.wav", "--plot", "--level", "60", "y.wav", "z.wav"),
            "y.wav z.wav: each INPUT must stand beside the others, all before or all after",
        ),
        (("run", "d", "tests/data/*.wav", "-o", "x.npz"), "-o: several recordings need a folder"),
        (("run", "d", "x.wav", "--format", "csv"), "--format: is for results in a folder"),
        (("run", "d", "x.wav", "-o", "out", "--plot", "x.png"), "--plot: takes no name"),
        (("run", "d", "--plot", "x.wav"), "give the recording in front of --plot"),
        (("run", "d", "x.wav", "--level", "70", "--full-scale", "90"), "not allowed with argument"),
        (("run", "d", "x.wav", "--raw", "--level", "70"), "not allowed with argument --raw"),
        (("live", "d", "--level", "70"), "--level: needs FILE"),
        (("live", "d", "x.wav", "--device", "3"), "--device: chooses a microphone; leave out FILE"),
        (("live", "d", "x.wav", "--level", "70", "--full-scale", "9"), "not allowed with argument"),
        (("run", "d", "x.wav", "--jobs", "0"), "'0' is not an integer above zero"),
        (("run", "d", "x.wav", "--plot", "x.jpg"), "'x.jpg' must end in .png, .pdf, .svg (see"),
        (("run", "d", "x.wav", "--level", "loud"), "'loud' is not a number of dB"),
        (("run", "d", "x.wav", "--backend", "onxx"), "did you mean 'onnx'?"),
        (
            ("run", "d", "x.wav", "--plto", "x.png"),
            "unrecognized argument --plto; did you mean --plot? (see amt-export run --help)",
        ),
        (("run", "d", "x.wav", "--lvel=65"), "--lvel; did you mean --level?"),
        (("run", "d", "x.wav", "--zzz"), "unrecognized argument --zzz (see"),
        (("info", "a", "b"), "unrecognized arguments: b (see amt-export info --help)"),
        (("corpus", "check", "a", "b", "--jbos", "2"), "(see amt-export corpus check --help)"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments, message, capsys):
    error = misused(capsys, *arguments)
    assert message in error
    assert "--help" in error


@pytest.mark.parametrize("several", [("none*.wav",), ("empty",), ("a.wav", "empty")])
def test_no_recordings_are_said_before_where_their_results_go(
    several, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    message = "none*.wav: no file matches this" if "*" in several[0] else "empty: has no recordings"
    assert message in failed(capsys, "run", "d", *several)


def test_usage_errors_leave_the_process_with_2():
    assert "choose from torchscript" in refused(amt("build", "--format", "onxx"), 2)
