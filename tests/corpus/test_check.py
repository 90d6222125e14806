"""A folder compared with its plan: what is missing, damaged or bad."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from amt_export import corpus
from amt_export.cli.main import main
from amt_export.corpus import Shards
from support.corpus import finish


def test_check_tells_what_is_wrong(extract, planned, tmp_path):
    shards = Shards(extract, tmp_path / "out")
    files = [report["file"] for report in finish(shards, planned)]
    assert corpus.check(tmp_path / "out", planned).complete
    (tmp_path / "out" / files[0]).unlink()
    (tmp_path / "out" / files[1]).write_bytes(b"PAR1")
    os.utime(planned.shards[2][0], ns=(0, 0))
    shards.shard(planned.shards[2])
    found = corpus.check(tmp_path / "out", planned)
    assert found.missing == [0, 1]
    assert found.damaged == [files[1]]
    assert found.strange == [files[2]]
    assert found.twice == planned.shards[2]
    assert not found.complete


def test_check_finds_damage_between_header_and_footer(extract, planned, tmp_path):
    reports = finish(Shards(extract, tmp_path / "out"), planned)
    files = [tmp_path / "out" / report["file"] for report in reports]
    content = files[0].read_bytes()
    files[0].write_bytes(content[:4] + bytes(len(content) // 4) + content[4 + len(content) // 4 :])
    counts = pq.read_metadata(files[1]).metadata
    other = pa.table({"x": [1]}).replace_schema_metadata(counts)
    pq.write_table(other, tmp_path / "out" / "other.parquet")
    found = corpus.check(tmp_path / "out", planned)
    assert sorted(found.damaged) == sorted([files[0].name, "other.parquet"])
    assert found.missing == [0]


def test_check_names_a_bad_recording_once(small_stream, tmp_path, capsys):
    """Also where the error begins with its name alone, without the folder."""
    path, plan, out = tmp_path / "silent.wav", str(tmp_path / "p.parquet"), str(tmp_path / "out")
    soundfile.write(path, np.zeros(8000), 16000)
    assert main(["corpus", "plan", str(path), "-o", plan]) == 0
    assert main(["corpus", "run", str(small_stream), plan, "-o", out, "--level", "60"]) == 3
    capsys.readouterr()
    assert main(["corpus", "check", out, plan]) == 3
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "silent.wav" in line)
    assert line.startswith(f"  {path}: silence cannot be brought to 60 dB SPL; leave --level")


def test_check_says_of_a_recording_too_loud_for_numbers_what_the_command_line_can_do(
    small_stream, tmp_path, capsys
):
    path, plan, out = tmp_path / "loud.wav", str(tmp_path / "p.parquet"), str(tmp_path / "out")
    tone = np.sin(2 * np.pi * 500 / 16000 * np.arange(8000) + 0.1)
    soundfile.write(path, 3e38 * np.sign(tone), 16000, "FLOAT")
    assert main(["corpus", "plan", str(path), "-o", plan]) == 0
    assert main(["corpus", "run", str(small_stream), plan, "-o", out]) == 3
    assert main(["corpus", "check", out, plan]) == 3
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "loud.wav" in line)
    assert "--level or --full-scale says how loud it was" in line
    assert "on_nonfinite" not in line
