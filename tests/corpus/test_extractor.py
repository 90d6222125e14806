"""What a recording becomes: the numbers of `process`, a row for every file, in any process."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from amt_export import runtime
from amt_export.audio.reader import AudioReader
from amt_export.corpus import Extractor
from amt_export.corpus.schema import arrow_table
from amt_export.errors import AmtExportError, ArtifactError, AudioError, InputError
from amt_export.manifest import load_manifest
from amt_export.runtime import frame_levels
from corpus.conftest import sound
from support.streams import publish_levels


def by_process(folder, path, hop=160, **options):
    """What the extractor shall give, by the calls of an app."""
    model = runtime.load(folder)
    audio = AudioReader(path, model.manifest, **options).read()[0].astype(np.float32)
    return frame_levels(model.process(audio)["subbands"], hop).T


@pytest.mark.parametrize("name", ["0.wav", "7.flac", "8.wav"])
def test_levels_are_those_of_process(extract, small_stream, recordings, name):
    batch = extract({"path": [str(recordings / name)]})
    expected = by_process(small_stream, recordings / name)
    (levels,) = batch["levels"]
    assert levels.dtype == np.float16
    assert levels.shape == expected.shape == (batch["frames"][0], 3)
    np.testing.assert_array_equal(levels, expected.astype(np.float16))
    assert np.max(np.abs(levels - expected)) <= 0.04  # what float16 leaves


def test_rows_say_what_was_read(extract, recordings):
    path = recordings / "7.flac"
    batch = extract({"path": [str(path)], "speaker": ["anna"]})
    assert batch["speaker"] == ["anna"]
    assert batch["seconds"] == pytest.approx([0.4])
    assert batch["expected_seconds"] == pytest.approx([0.4])
    assert batch["error"] == [None]
    assert len(batch["sha256"][0]) == 64


def test_a_recording_at_a_level_has_it(small_stream, tmp_path):
    tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000))
    soundfile.write(tmp_path / "tone.wav", 1e-3 * tone, 16000)
    at_60 = Extractor(small_stream, level=60)({"path": [tmp_path / "tone.wav"]})
    assert at_60["levels"][0][50, 1] == pytest.approx(60, abs=0.1)
    calibrated = Extractor(small_stream, full_scale=120)({"path": [tmp_path / "tone.wav"]})
    assert calibrated["levels"][0][50, 1] == pytest.approx(60, abs=0.1)


def test_a_dc_offset_can_be_removed(small_stream, tmp_path):
    tone = 0.01 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    for name, offset in (("plain", 0.0), ("moved", 0.1)):
        soundfile.write(tmp_path / f"{name}.wav", tone + offset, 16000, subtype="DOUBLE")
    paths = {"path": [tmp_path / "plain.wav", tmp_path / "moved.wav"]}
    plain, moved = Extractor(small_stream)(paths)["levels"]
    assert np.abs(moved - plain).max() > 10.0
    plain, moved = Extractor(small_stream, remove_dc=True)(paths)["levels"]
    np.testing.assert_allclose(moved, plain, atol=0.1)


def test_another_hop(small_stream, recordings):
    batch = Extractor(small_stream, hop=0.02)({"path": [recordings / "0.wav"]})
    expected = by_process(small_stream, recordings / "0.wav", 320)
    np.testing.assert_array_equal(batch["levels"][0], expected.astype(np.float16))


def bad_files(folder):
    """One file of each kind of bad, by name: what its error says."""
    good = sound(0.5, 1)
    kinds = {}

    def add(name, words):
        kinds[name] = words
        return folder / name

    add("empty.wav", "").touch()
    add("text.wav", "").write_text("not a recording")
    with_nan = good.copy()
    with_nan[4000] = np.nan
    soundfile.write(add("nan.wav", "NaN or infinite at 0.250 s"), with_nan, 16000, "FLOAT")
    soundfile.write(add("nothing.wav", "no samples"), np.zeros(0), 16000)
    soundfile.write(add("short.wav", "shorter than a frame"), good[:100], 16000)
    add("gone.wav", "no such file")
    add("folder.wav", "is a folder").mkdir()
    for suffix in ("wav", "ogg", "flac"):
        whole = folder / f"whole.{suffix}"
        soundfile.write(whole, good, 16000)
        content = whole.read_bytes()
        whole.unlink()
        add(f"truncated.{suffix}", "").write_bytes(content[: len(content) * 2 // 3])
    os.mkfifo(add("fifo.wav", "no such file"))
    add("samples.raw", "states no sampling rate").write_bytes(bytes(1000))
    add(f"{'long' * 70}.wav", "name too long")
    add("loop.wav", "").symlink_to("loop.wav")
    return kinds


def test_a_bad_file_is_a_row_and_harms_no_other(extract, recordings):
    kinds = bad_files(recordings)
    paths = [str(recordings / name) for name in ["0.wav", *kinds, "1.wav"]]
    batch = extract({"path": paths})
    assert batch["path"] == paths
    assert batch["error"][0] is None
    assert batch["error"][-1] is None
    for (name, words), error, levels in zip(
        kinds.items(), batch["error"][1:-1], batch["levels"][1:-1], strict=True
    ):
        assert words in error, name
        assert error.startswith(f"{recordings / name}: ")
        assert error.count(name) == 1
        assert "\n" not in error
        assert levels is None
    alone = extract({"path": [paths[-1]]})
    np.testing.assert_array_equal(batch["levels"][-1], alone["levels"][0])
    table = arrow_table(
        [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)], 3
    )
    assert table.schema == extract.schema_arrow
    assert table["levels"].null_count == len(kinds)


def test_a_recording_too_short_for_a_model_with_frames_is_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(1 / 16000, 0), 16000)
    (error,) = Extractor(publish_levels(tmp_path / "tiny"))({"path": [tmp_path / "a.wav"]})["error"]
    assert error.startswith(f"{tmp_path / 'a.wav'}: 1 samples; this model needs at least ")


@pytest.mark.parametrize(
    "options", [{"hop": "0.01"}, {"threads": "2"}, {"level": "65"}, {"full_scale": True}]
)
def test_options_are_numbers(options, small_stream):
    (name,) = options
    with pytest.raises(AmtExportError, match=rf"^{name.replace('_', ' ')} is .*give a "):
        Extractor(small_stream, **options)


def test_a_truncated_wav_states_how_long_it_was(extract, tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(1.0, 0), 16000)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: 44 + 16000])
    batch = extract({"path": [tmp_path / "a.wav"]})
    assert batch["expected_seconds"] == pytest.approx([1.0])
    assert batch["seconds"] == [0.0]


def test_an_unreadable_file_is_a_row(extract, recordings, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("amt_export.corpus.extractor.sha256_of", refuse)
    assert "Permission denied" in extract({"path": [recordings / "0.wav"]})["error"][0]


def test_what_is_no_fault_of_the_file_ends_the_batch(extract, recordings, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("amt_export.corpus.extractor.sha256_of", fail)
    with pytest.raises(OSError, match="Input/output"):
        extract({"path": [recordings / "0.wav"]})


def _extracted(pickled, path):
    return pickle.loads(pickled)({"path": [path]})["levels"][0]


@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_other_processes_give_the_same(extract, recordings, start):
    path = str(recordings / "0.wav")
    here = _extracted(pickle.dumps(extract), path)  # a session is open before the fork
    with multiprocessing.get_context(start).Pool(1) as pool:
        there = pool.apply(_extracted, (pickle.dumps(extract), path))
    np.testing.assert_array_equal(here, there)


def test_nothing_is_opened_before_the_first_call(small_stream, monkeypatch):
    monkeypatch.setattr("amt_export.corpus.extractor.PieceRunner", None)
    copy.copy(Extractor(small_stream))


def test_pandas_frames(extract, recordings):
    class Frame(dict):  # as much of pandas as is needed here
        def __init__(self, rows, columns):
            super().__init__({name: [row[name] for row in rows] for name in columns})

    frame = Frame([{"path": str(recordings / "0.wav")}, {"path": "gone.wav"}], ["path"])
    (answer,) = extract.pandas(iter([frame]))
    levels = extract({"path": [recordings / "0.wav"]})["levels"][0]
    np.testing.assert_array_equal(answer["levels"][0], levels.astype(np.float32))
    assert answer["levels"][1] is None
    assert set(answer) == {column.split()[0] for column in extract.schema_spark.split(", ")}


def test_impossible_settings_are_refused_at_once(small_stream, tmp_path):
    for options, words in [
        ({"hop": 0.01001}, "whole samples"),
        ({"hop": 0}, "above zero"),
        ({"hop": float("nan")}, "above zero"),
        ({"hop": float("inf")}, "above zero"),
        ({"quantity": "loudness"}, "gives level, not loudness"),
        ({"quantity": "loud"}, "'level' or 'loudness'"),
        ({"threads": 0}, "1 or more"),
    ]:
        with pytest.raises(InputError, match=words):
            Extractor(small_stream, **options)
    for options in [{"level": 300}, {"full_scale": -300}, {"level": 60, "full_scale": 90}]:
        with pytest.raises(AudioError):
            Extractor(small_stream, **options)
    with pytest.raises(ArtifactError):
        Extractor(tmp_path / "gone")


def test_a_model_of_velocity_takes_no_corpus(small_stream, monkeypatch):
    manifest = load_manifest(small_stream)
    velocity = replace(manifest.inputs[0], unit="m/s")
    manifest = replace(manifest, inputs=(velocity,))
    monkeypatch.setattr("amt_export.corpus.extractor.load_manifest", lambda _: manifest)
    with pytest.raises(AudioError, match=r"small takes m/s.*: take casp_44k") as error:
        Extractor(small_stream)
    assert "raw" not in str(error.value)


def test_a_rebuilt_folder_is_noticed(small_stream, tmp_path, recordings):
    folder = shutil.copytree(small_stream, tmp_path / "model")
    extract = Extractor(folder)
    file = folder / "manifest.json"
    file.write_text(file.read_text().replace(extract.settings["artifacts"]["whole"], "0" * 64))
    with pytest.raises(ArtifactError, match="built anew"):
        extract({"path": [recordings / "0.wav"]})
