"""Shards: the rows of their recordings, named after all that numbers depend on."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from amt_export import corpus
from amt_export.corpus import Extractor, Shards
from amt_export.corpus.shards import SETTINGS_NAME
from amt_export.errors import PublishError
from support.corpus import contents, finish


def test_shards_hold_the_rows(extract, planned, tmp_path):
    reports = finish(Shards(extract, tmp_path / "out"), planned)
    assert sum(report["rows"] for report in reports) == 9
    table = pq.read_table(tmp_path / "out")
    assert sorted(table["path"].to_pylist()) == sorted(
        path for shard in planned.shards for path in shard
    )
    for row in table.to_pylist():
        (expected,) = extract({"path": [row["path"]]})["levels"]
        assert row["start"] == 0
        np.testing.assert_array_equal(np.array(row["levels"], np.float16), expected)
    file = tmp_path / "out" / reports[0]["file"]
    metadata = pq.read_metadata(file).metadata
    settings = json.loads(metadata[b"amt_export.corpus"])
    assert settings["hop"] == 0.01
    assert settings["columns"] == ["500.0 Hz", "1000.0 Hz", "4000.0 Hz"]
    assert json.loads(metadata[b"amt_export.manifest"])["name"] == "small"


def test_a_long_recording_has_rows_of_bounded_size(extract, planned, tmp_path, monkeypatch):
    monkeypatch.setattr("amt_export.corpus.shards.MOST_NUMBERS", 3 * 25)
    monkeypatch.setattr("amt_export.corpus.spool.IN_MEMORY", 100)
    (report,) = Shards(extract, tmp_path / "out")({"shard": planned.shards[:1]})["file"]
    file = pq.ParquetFile(tmp_path / "out" / report)
    assert all(
        file.metadata.row_group(k).num_rows in (1, 2) for k in range(file.metadata.num_row_groups)
    )
    rows = file.read().to_pylist()
    for path in planned.shards[0]:
        (expected,) = extract({"path": [path]})["levels"]
        parts = [row for row in rows if row["path"] == path]
        assert len(parts) == -(-len(expected) // 25) > 1
        assert [row["start"] for row in parts] == list(range(0, len(expected), 25))
        assert all(row["frames"] == len(row["levels"]) <= 25 for row in parts)
        levels = [frame for row in parts for frame in row["levels"]]
        np.testing.assert_array_equal(np.array(levels, np.float16), expected)
    assert corpus.check(tmp_path / "out", corpus.Plan(planned.shards[:1], [0.0])).complete


def test_two_workers_write_the_same_bytes(extract, planned, tmp_path):
    finish(Shards(extract, tmp_path / "one"), planned)
    finish(Shards(extract, tmp_path / "two"), planned, jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_is_there_is_skipped(extract, planned, tmp_path, monkeypatch):
    shards = Shards(extract, tmp_path / "out")
    first = finish(shards, planned)
    monkeypatch.setattr(Extractor, "row", None)
    again = finish(Shards(extract, tmp_path / "out"), planned)
    assert all(report["skipped"] for report in again)
    for key in ("file", "rows", "bad", "seconds"):
        assert [report[key] for report in again] == [report[key] for report in first]


def test_a_damaged_shard_is_made_again(extract, planned, tmp_path):
    shards = Shards(extract, tmp_path / "out")
    file = tmp_path / "out" / finish(shards, planned)[0]["file"]
    before = file.read_bytes()
    file.write_bytes(before[: len(before) // 2])
    assert [report["skipped"] for report in finish(shards, planned)].count(False) == 1
    assert file.read_bytes() == before


def test_names_change_with_all_that_numbers_depend_on(small_stream, planned, tmp_path):
    variants = [
        {},
        {"hop": 0.02},
        {"level": 60.0},
        {"level": 61.0},
        {"full_scale": 100.0},
        {"diotic": True},
        {"remove_dc": True},
    ]
    names = [
        Shards(Extractor(small_stream, **options), tmp_path / str(k)).shard(planned.shards[0])[
            "file"
        ]
        for k, options in enumerate(variants)
    ]
    other = shutil.copytree(small_stream, tmp_path / "model")
    manifest = other / "manifest.json"
    sha256 = Extractor(other).settings["artifacts"]["stream"]
    manifest.write_text(manifest.read_text().replace(sha256, "0" * 64))
    monkey = Shards(Extractor(other), tmp_path / "x")
    names.append(corpus.names.shard_name(monkey.settings, planned.shards[0], None))
    assert len(set(names)) == len(variants) + 1


def test_settings_are_not_mixed_in_a_folder(small_stream, planned, tmp_path):
    out = tmp_path / "out"
    Shards(Extractor(small_stream), out).shard(planned.shards[0])
    before = contents(out)
    with pytest.raises(PublishError, match=r"other settings \(hop 0.01, not 0.02\)"):
        Shards(Extractor(small_stream, hop=0.02), out).shard(planned.shards[0])
    assert contents(out) == before


def test_settings_of_another_model_are_said_by_its_name(small_stream, planned, tmp_path):
    """The hashes of its files tell nobody anything."""
    out = tmp_path / "out"
    Shards(Extractor(small_stream), out).shard(planned.shards[0])
    for name, changed in {
        "other": {"model": "other", "artifacts": {"whole": "0" * 64}, "hop": 0.5},
        "another build of small": {"artifacts": {"whole": "0" * 64}},
    }.items():
        settings = {**Shards(Extractor(small_stream), out).settings, **changed}
        (out / SETTINGS_NAME).write_text(json.dumps(settings))
        message = rf"out: holds shards of {name}; give another folder$"
        with pytest.raises(PublishError, match=message):
            Shards(Extractor(small_stream), out).shard(planned.shards[0])


def test_a_changed_recording_gets_another_name(extract, planned, tmp_path):
    path = planned.shards[0][0]
    by_time = Shards(extract, tmp_path / "time")
    by_content = Shards(extract, tmp_path / "content", hash=True)
    first = [s.shard(planned.shards[0])["file"] for s in (by_time, by_content)]
    os.utime(path, ns=(0, 0))
    second = [s.shard(planned.shards[0])["file"] for s in (by_time, by_content)]
    assert first[0] != second[0]
    assert first[1] == second[1]
    shutil.copy(planned.shards[1][0], path)
    assert by_content.shard(planned.shards[0])["file"] != first[1]
