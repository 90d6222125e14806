"""Ctrl-C, SIGTERM or SIGHUP in the middle of a build: one line, and what was published before stays."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time

import pytest

import amt_export.publish
from amt_export.cli.interruption import interruptible, stop_if_interrupted
from amt_export.cli.main import main
from support.cli import INTERRUPTIBLE, SMALL, environment, state


@pytest.fixture
def ctrl_c():
    """Ctrl-C is heard, also where a shell started the tests in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "delay"),
    [(signal.SIGINT, 0.0), (signal.SIGINT, 1.0), (signal.SIGTERM, 0.5), (signal.SIGHUP, 0.5)],
)
def test_a_signal_leaves_what_was_there(number, delay, copied, tmp_path):
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
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    # Python itself ends by the signal where an import was interrupted; for a shell both are 130.
    assert process.returncode in (128 + number, -signal.SIGINT)
    assert error == "amt-export: error: interrupted; what was published before is as it was\n"
    assert state(out) == before


def test_an_ignored_signal_stays_ignored():
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
            stop_if_interrupted()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_that_a_library_swallows_is_heard_at_the_next_step(
    ctrl_c, copied, tmp_path, monkeypatch, capsys
):
    """torch's exporter and others catch everything in places."""
    before = state(copied.parent)
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    original = amt_export.publish._inspect

    def swallowing(*arguments):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(amt_export.publish, "_inspect", swallowing)
    assert main(["build", str(path), "--format", "onnx", "--out", str(copied.parent)]) == 130
    expected = "amt-export: error: interrupted; what was published before is as it was\n"
    assert capsys.readouterr().err == expected
    assert state(copied.parent) == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "put back"
    monkeypatch.undo()
    assert main(["build", str(path), "--format", "onnx", "--out", str(copied.parent)]) == 0
