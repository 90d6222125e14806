"""Recordings shared out to shards: each once, none replaced."""

from __future__ import annotations

import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amt_export import corpus
from amt_export.cli.main import main
from amt_export.errors import AudioError


def test_a_plan_shares_out_all_recordings(planned, recordings):
    paths = [path for shard in planned.shards for path in shard]
    assert paths == sorted(map(str, recordings.iterdir()))
    assert len(planned.shards) == len(planned.seconds) == 4
    assert all(0 < seconds <= 1.2 for seconds in planned.seconds)
    assert sum(planned.seconds) == pytest.approx(3.15 + 0.8)


def test_a_plan_of_lists_and_files_has_each_once(recordings, tmp_path):
    (tmp_path / "list.txt").write_text("# two\nrecordings/0.wav\n\nrecordings/1.wav\n")
    planned = corpus.plan([tmp_path / "list.txt", recordings / "1.wav", recordings / "gone"[:0]])
    assert sum(map(len, planned.shards)) == 9
    planned = corpus.plan([tmp_path / "list.txt", recordings / "1.wav"])
    assert planned.shards == [[str(recordings / "0.wav"), str(recordings / "1.wav")]]


def test_one_source_is_a_plan(recordings):
    assert corpus.plan(str(recordings)) == corpus.plan(recordings) == corpus.plan([recordings])


def test_a_plan_is_read_as_it_was_written(planned, plan_file):
    again = corpus.read_plan(plan_file)
    assert again.shards == planned.shards
    assert again.seconds == planned.seconds
    plan_file.write_bytes(b"no plan")
    with pytest.raises(AudioError, match="is no plan"):
        corpus.read_plan(plan_file)
    for shard in (1, {"a": 1}, [["a.wav"]]):
        pq.write_table(pa.table({"shard": [shard], "seconds": [1.0]}), plan_file)
        with pytest.raises(AudioError, match="is no plan"):
            corpus.read_plan(plan_file)
    with pytest.raises(AudioError, match="no such file"):
        corpus.read_plan(plan_file.with_name("gone.parquet"))


def test_a_plan_replaces_no_recording(recordings, capsys):
    before = (recordings / "0.wav").read_bytes()
    with pytest.raises(SystemExit):
        main(["corpus", "plan", str(recordings), "-o", str(recordings / "0.wav")])
    assert r"must end in .parquet" in capsys.readouterr().err
    assert (recordings / "0.wav").read_bytes() == before


def test_samples_without_a_header_are_in_a_plan(tmp_path):
    (tmp_path / "samples.raw").write_bytes(bytes(1000))
    assert corpus.plan([tmp_path / "samples.raw"]).unknown == 1


def test_no_recordings_is_an_error(tmp_path):
    for source, words in [(tmp_path, "no recordings"), (tmp_path / "gone", "no such file")]:
        with pytest.raises(AudioError, match=words):
            corpus.plan([source])


def test_a_name_that_is_no_text_is_left_out(recordings):
    strange = os.fsdecode(os.fsencode(recordings) + b"/\xff.wav")
    shutil.copy(recordings / "0.wav", strange)
    planned = corpus.plan([recordings])
    assert planned.nameless == (strange,)
    assert sum(map(len, planned.shards)) == 9


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), "30", None])
def test_minutes_are_a_number_above_zero(minutes, recordings):
    with pytest.raises(AudioError, match="give a number of minutes above zero"):
        corpus.plan(recordings, minutes)
