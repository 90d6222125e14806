"""`live` in a terminal: pictures in real time, Ctrl-C, and one line for what cannot be drawn."""

from __future__ import annotations

import re
import time

from amt_export.cli.main import main
from support.cli import SMALL, failed, noise, without
from support.streams import publish_fir, publish_frames
from support.terminal import on_a_terminal, plain


def test_live_draws_a_file_in_real_time(small_stream, wav):
    started = time.monotonic()
    path = wav(noise(16000))
    text, code = on_a_terminal("live", small_stream, path, "--seconds", "2")
    assert code == 0, text
    assert time.monotonic() - started > 1.0
    assert "\x1b[38;2;" in text  # 24-bit colours
    lines = plain(text)
    assert max(map(len, lines)) <= 80
    picture = [line for line in lines if "▀" in line]
    assert len(picture) % 18 == 0  # 24 lines, less title, axis, labels, status, last line, cursor
    assert any(line.startswith("   1k┤▀") for line in picture)
    assert any(line.startswith("  500┤▀") for line in picture)
    assert any(re.search(r"-1\.5 s +-1 s +-0\.5 s +now dB SPL", line) for line in lines)
    assert any("small, subbands: input.wav" in line and "1.0 of 1.0 s" in line for line in lines)
    assert any("block 40 ms, latency 0 ms, Ctrl-C stops" in line for line in lines)
    assert "ended after 1.0 s of input.wav" in lines[-1]
    assert "x real time" in lines[-1]


def test_live_ends_cleanly_on_ctrl_c(small_stream, wav):
    text, code = on_a_terminal("live", small_stream, wav(noise(16000 * 30)), stop_after=0.3)
    assert code == 0, text
    assert "stopped after" in plain(text)[-1]
    assert "Traceback" not in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


def test_live_without_colours_draws_with_characters(small_stream, wav):
    text, code = on_a_terminal("live", small_stream, wav(noise(8000)), colour=False)
    assert code == 0, text
    assert "38;2" not in text
    assert "▀" not in text
    assert re.search(r"┤.*[*#%@]{3}", text)


def test_live_needs_a_terminal_a_stream_and_one_signal(small_stream, tmp_path, wav, capsys):
    path = wav(noise(100))
    assert "live draws on a terminal" in failed(capsys, "live", small_stream, path)
    toml = tmp_path / "small.toml"
    toml.write_text(SMALL, encoding="utf-8")
    out = tmp_path / "whole"
    assert main(["build", str(toml), "--format", "onnx", "--out", str(out)]) == 0
    capsys.readouterr()
    for folder, message in (
        (out / "small", "has no streaming form; give its model file a [stream] block"),
        (publish_fir(tmp_path / "two", batch=2), "was built for several signals at once"),
        (publish_frames(tmp_path / "frames"), "no output over time and frequency to draw"),
    ):
        text, code = on_a_terminal("live", folder, wav(noise(100, 2)))
        assert code == 1
        assert message in text
        assert "Traceback" not in text


def test_live_without_sounddevice_is_one_line(small_stream, tmp_path):
    text, code = on_a_terminal("live", small_stream, first=[without(tmp_path, "sounddevice")])
    assert code == 1
    assert len(plain(text.strip())) == 1
    assert "Listening to a microphone needs sounddevice (no sounddevice here)" in text
    assert "pip install 'amt_export[live]'" in text
