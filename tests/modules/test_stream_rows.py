"""What `bench` and `list` say of streams."""

from __future__ import annotations

from amt_export.cli.main import main
from support.cli import BLOCK, SMALL


def test_bench_measures_streams(small_stream, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["bench", str(small_stream), "--repeats", "2", "--no-peer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    (header,) = [line for line in lines if line.startswith("stream")]
    assert header.split() == [
        *("stream", "size", "block", "latency", "x", "real", "added", "per", "push"),
    ]
    row = lines[lines.index(header) + 1].split()
    assert row[0] == "onnx"
    assert "640 (40 ms)" in " ".join(row)
    assert "0 (0 ms)" in " ".join(row)
    assert float(row[-3]) > 1
    assert 0 < float(row[-2]) < 10


def test_list_sees_another_block(small_stream, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "small.toml"
    for block, word in ((BLOCK, "yes"), (BLOCK // 2, "old")):
        path.write_text(f"{SMALL}\n[stream]\nblock = {block}\n", encoding="utf-8")
        assert main(["list", "--out", str(small_stream.parent)]) == 0
        text = capsys.readouterr().out
        (row,) = [line for line in text.splitlines() if line.startswith("small")]
        assert word in row.split()
