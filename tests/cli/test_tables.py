"""`run` to tables: a row for each frame, the same numbers as in arrays, and how they were made."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet
import pytest

from amt_export import runtime
from amt_export.audio import reader
from amt_export.cli.main import main
from amt_export.cli.sinks import tables
from amt_export.cli.sinks.tables import layouts
from amt_export.errors import InputError
from amt_export.manifest import MANIFEST_NAME, ParityRow, Port, load_manifest
from support.cli import amt, failed, noise, refused, run, without
from support.loudness import FS, HOP, NOW, SLOW, courses, publish_loudness
from support.streams import publish_frames, publish_levels


@pytest.fixture(scope="module")
def cochleagram(tmp_path_factory):
    return publish_levels(tmp_path_factory.mktemp("levels") / "tiny")


@pytest.fixture(scope="module")
def loudness(tmp_path_factory):
    return publish_loudness(tmp_path_factory.mktemp("loudness") / "tiny")


def rows_of(path) -> tuple[list[str], np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, np.float64)


def test_a_cochleagram_as_csv_is_the_one_as_npz(cochleagram, wav, tmp_path):
    path = wav(noise(16000))
    for name in ("x.npz", "x.csv"):
        assert run(cochleagram, path, "-o", tmp_path / name) == 0
    header, rows = rows_of(tmp_path / "x.csv")
    assert header == ["time", "500.00", "1000.00", "4000.00"]
    with np.load(tmp_path / "x.npz") as data:
        np.testing.assert_allclose(rows[:, 1:], data["levels"][0].T, rtol=1e-6)
        np.testing.assert_allclose(rows[:, 0], data["time"], atol=1e-9)
    np.testing.assert_allclose(rows[:, 0], np.arange(4000) * 4 / 16000, atol=1e-9)


def test_parquet_holds_the_same_in_any_number_of_row_groups(
    cochleagram, wav, tmp_path, monkeypatch
):
    monkeypatch.setattr(reader, "PIECE", 9000)
    path = wav(noise(40000))
    assert run(cochleagram, path, "-o", tmp_path / "x.npz") == 0
    with np.load(tmp_path / "x.npz") as data:
        expected = data["levels"][0].T
    for group, least in ((tables.GROUP, 1), (1000, 3)):
        monkeypatch.setattr(tables, "GROUP", group)
        assert run(cochleagram, path, "-o", tmp_path / "x.parquet") == 0
        assert pyarrow.parquet.ParquetFile(tmp_path / "x.parquet").num_row_groups >= least
        table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
        assert table.column_names == ["time", "500.00", "1000.00", "4000.00"]
        found = np.stack([column.to_numpy() for column in table.columns[1:]], axis=1)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(table["time"].to_numpy(), np.arange(10000) / 4000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["input.wav", "x.npz", "x.parquet"]


def made(path) -> dict:
    """How a result was made."""
    if path.suffix == ".npz":
        with np.load(path) as data:
            fields = {key: data[key][()] for key in data.files}
            return {**fields, "manifest": json.loads(str(fields["manifest"]))}
    if path.suffix == ".parquet":
        return json.loads(pyarrow.parquet.read_metadata(path).metadata[b"amt_export"])
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.csv", "x.parquet"])
def test_every_format_says_how_it_was_made(name, loudness, wav, tmp_path, capsys):
    path = wav(noise(8000, 2))
    assert run(loudness, path, "-o", tmp_path / name, "--level", 70) == 0
    about = made(tmp_path / name)
    assert about["source"] == str(path)
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert about["fs"] == FS
    assert about["hop"] == HOP
    assert about["level"] == pytest.approx(70.0)
    np.testing.assert_array_equal(about["centre_frequencies"], [250.0, 1000.0, 4000.0])
    assert about["manifest"]["name"] == "tiny"
    rms = np.sqrt(np.mean(noise(8000, 2).astype(np.float32) ** 2))
    assert about["pascals_per_full_scale"] == pytest.approx(2e-5 * 10**3.5 / rms, rel=1e-4)
    expected = courses(noise(8000, 2).T * about["pascals_per_full_scale"])
    now = expected[NOW][0].sum(axis=1)
    assert about["N5"] == pytest.approx(np.percentile(now, 95), rel=1e-5)
    assert about["N10"] == pytest.approx(np.percentile(now, 90), rel=1e-5)
    if name in ("x.csv", "x.parquet"):
        np.testing.assert_allclose(about["loudest"], expected["loudest"], rtol=1e-5)
    best = expected[SLOW][0].sum(axis=1)
    words = f"at {best.argmax() * HOP / FS:.2f} s"
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "maximum" in line]
    assert line.endswith(words)
    sone = float(line.split("maximum ")[1].split()[0])
    assert sone == pytest.approx(best.max(), rel=5e-3)
    assert f"({runtime.phon(best.max()):.0f} phon)" in line


def test_several_outputs_share_a_table_unless_they_have_channels(loudness, wav, tmp_path):
    path = wav(noise(4000, 2))
    out = tmp_path / "out"
    out.mkdir()
    assert run(loudness, path, "-o", out / "x.csv") == 0
    assert sorted(p.name for p in out.iterdir()) == ["x.csv", "x.density.csv", "x.json"]
    header, rows = rows_of(out / "x.csv")
    ears = ("left", "right")
    assert header == ["time", *(f"{name}_{ear}" for name in (SLOW, NOW) for ear in ears)]
    pascals = json.loads((out / "x.json").read_text())["pascals_per_full_scale"]
    expected = courses(noise(4000, 2).T * pascals)
    np.testing.assert_allclose(rows[:, 3:], expected[NOW][0], rtol=1e-5)
    header, rows = rows_of(out / "x.density.csv")
    assert header[:3] == ["time", "left_250.00", "left_1000.00"]
    assert header[-1] == "right_4000.00"
    np.testing.assert_allclose(rows[:, 1:], expected["density"][0].reshape(1000, 6), rtol=1e-5)


def test_ears_side_by_side_in_front_of_the_frames(tmp_path, wav):
    folder = publish_frames(tmp_path / "frames")
    assert run(folder, wav(noise(1001, 2)), "-o", tmp_path / "x.csv") == 0
    assert run(folder, wav(noise(1001, 2)), "-o", tmp_path / "x.npy") == 0
    header, rows = rows_of(tmp_path / "x.csv")
    assert header == ["time", "sums_left", "sums_right"]
    np.testing.assert_allclose(rows[:, 1:], np.load(tmp_path / "x.npy")[0].T, rtol=1e-6)


def test_channels_of_equal_frequencies_are_numbered(loudness, wav, tmp_path):
    folder = shutil.copytree(loudness, tmp_path / "tiny")
    text = (folder / MANIFEST_NAME).read_text().replace("4000.0", "1000.0")
    (folder / MANIFEST_NAME).write_text(text)
    assert load_manifest(folder).centre_frequencies[1:] == (1000.0, 1000.0)
    assert run(folder, wav(noise(400, 2)), "-o", tmp_path / "x.csv") == 0
    assert rows_of(tmp_path / "x.density.csv")[0][1:4] == ["left_0", "left_1", "left_2"]


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_samples_are_no_table(name, small_stream, wav, tmp_path, capsys):
    error = failed(capsys, "run", small_stream, wav(noise(100)), "-o", tmp_path / name)
    assert f"{name}: {name[1:]} holds frames, and subbands is samples in small" in error
    assert "give .npz or .npy, or take a model with [levels]" in error


def test_a_recording_that_goes_wrong_leaves_no_table(cochleagram, wav, tmp_path, capsys):
    samples = noise(80000)
    samples[70000] = np.nan
    path = wav(samples)
    for name in ("x.csv", "x.parquet"):
        (tmp_path / name).write_bytes(b"earlier")
        failed(capsys, "run", cochleagram, path, "-o", tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["input.wav", "x.csv", "x.parquet"]


def test_parquet_needs_pyarrow(cochleagram, wav, tmp_path):
    blocked = without(tmp_path, "pyarrow")
    arguments = ("run", cochleagram, wav(noise(1000)), "-o", tmp_path / "x.parquet")
    error = refused(amt(*arguments, first=[blocked]))
    assert error.endswith("pip install 'amt_export[corpus]'")
    assert "Writing Parquet needs pyarrow" in error


def test_process_file_gives_the_same_numbers(small_stream, wav, tmp_path):
    path = wav(noise(44100), fs=44100)
    assert run(small_stream, path, "-o", tmp_path / "x.npz", "--level", 60) == 0
    found = runtime.load(small_stream).process_file(path, level=60.0)["subbands"]
    with np.load(tmp_path / "x.npz") as data:
        assert np.abs(found - data["subbands"]).max() < 1e-6 * np.abs(found).max()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_representation_is_no_table(tmp_path, suffix):
    axes = ("batch", "channel", "modulation", "frame")
    model = replace(
        load_manifest(publish_levels(tmp_path / "tiny")),
        mfc=(0.0, 10.0),
        outputs=(Port("representation", axes, "model units", shape=(1, 3, 2, 8)),),
    )
    with pytest.raises(InputError, match=r"representation has a number for each .*; give \.npz or"):
        layouts(tmp_path / f"x.{suffix}", model)


def test_a_table_shows_every_kind_of_difference(capsys):
    from amt_export.cli.terminal.tables import output, parity_table

    rows = [
        ParityRow(
            "onnx", "whole", "CUDAExecutionProvider", "levels", kind, worst, "click", 1e-3, by
        )
        for kind, worst, by in [
            ("db", 2.5e-4, "execution"),
            ("relative", float("nan"), "execution"),
            ("frequency", 0.0, "interpreter"),
            ("relative", 1e300, "execution"),
            ("db", None, "interface"),
        ]
    ]
    output().print(parity_table("model", rows))
    cells = [line.split()[2:] for line in capsys.readouterr().out.splitlines()[2:]]
    assert cells[0] == ["levels", "2.5e-4", "dB", "click", "1.0e-3", "execution", "yes"]
    assert [(row[1], row[-1]) for row in cells[1:]] == [
        ("nan", "NO"),
        ("0", "yes"),
        ("inf", "NO"),
        ("-", "-"),
    ]


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_side_files_of_an_earlier_result_do_not_stay(
    suffix, loudness, cochleagram, wav, tmp_path, capsys
):
    def run(model, name):
        path = wav(noise(8000, 2 if model == loudness else 1), name="x.wav")
        assert main([*map(str, ("run", model, path, "-o", tmp_path / f"out/{name}"))]) == 0

    def there():
        return sorted(path.name for path in (tmp_path / "out").iterdir())

    (tmp_path / "out").mkdir()
    mine = (f"x.mine.{suffix}", f"y.density.{suffix}", "x.density.txt")
    for name in mine:
        (tmp_path / "out" / name).write_text("mine", encoding="utf-8")
    run(loudness, f"x.{suffix}")
    listed = json.loads((tmp_path / "out/x.json").read_text("utf-8"))["files"]
    assert sorted([*listed, "x.json", *mine]) == there()
    assert f"x.density.{suffix}" in listed
    run(cochleagram, f"x.{suffix}")
    assert there() == sorted([f"x.{suffix}", "x.json", *mine])
    # That of another recording, which is called like a side file of this one.
    run(loudness, f"x.{suffix}")
    run(cochleagram, f"x.density.{suffix}")
    run(cochleagram, f"x.{suffix}")
    assert {f"x.density.{suffix}", "x.density.json"} <= set(there())


HOSTILE = ("../y.x.csv", "/etc/x.csv", "x.y/../../y.csv", "x.link.csv", "x.folder.csv", "x.\0.csv")


@pytest.mark.parametrize("listed", [[*HOSTILE, 3, None, "x.json", "x.wav"], "x.y.csv", 7])
def test_a_list_by_a_stranger_removes_nothing_else(listed, cochleagram, wav, tmp_path):
    out = tmp_path / "out"
    (out / "x.folder.csv").mkdir(parents=True)
    (out / "x.y.csv").touch()
    (tmp_path / "y.x.csv").touch()
    (tmp_path / "y.csv").touch()
    (out / "x.link.csv").symlink_to(tmp_path / "y.csv")
    (out / "x.json").write_text(json.dumps({"files": listed}), encoding="utf-8")
    recording = wav(noise(8000), name="out/x.wav")
    before = set(tmp_path.rglob("*"))
    assert main([*map(str, ("run", cochleagram, recording, "-o", out / "x.csv"))]) == 0
    assert set(tmp_path.rglob("*")) == before | {out / "x.csv"}
