"""Model cards: every module has its words, papers and licence, and old folders still load."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import amt_export
from amt_export import modules
from amt_export.cli.main import main
from amt_export.manifest import Checkpoint, load_manifest
from amt_export.manifest.ports import FRAME_LEVELS, Port
from amt_export.report.about import ABOUT, about
from amt_export.report.card import dois, model_card
from amt_export.report.papers import REFERENCES, papers
from support.report import rows_of

SECTIONS = [
    "What it computes",
    "Input",
    "Calibration",
    "Limits",
    "Cite",
    "Licence",
    "Interface",
    "Error",
    "Files",
]


@pytest.mark.parametrize("name", sorted(set(modules.__all__) - {"FrameLevels"}))
def test_every_module_has_words_papers_and_a_licence(name):
    """A new module needs an entry in amt_export/report/about.py."""
    entry = ABOUT[name]
    assert entry.computes.endswith(".")
    assert all(limit.endswith(".") for limit in entry.limits)
    assert entry.papers
    assert set(entry.papers) <= set(papers())
    assert entry.license


def test_papers_are_complete():
    text = REFERENCES.read_text(encoding="utf-8")
    assert len(papers()) == text.count("\n@") + 1
    for paper in papers().values():
        assert paper.authors
        assert paper.title
        assert paper.venue
        assert re.fullmatch(r"\d{4}", paper.year)
        assert not set("{}\\") & set(paper.citation)
        assert not paper.doi or re.fullmatch(r"10\.\d{4,9}/\S+", paper.doi)


def test_dois_of_docstrings_are_in_the_list():
    known = {paper.doi for paper in papers().values()}
    for file in Path(amt_export.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert {doi.rstrip(".") for doi in re.findall(r"doi:(10\.\S+)", text)} <= known, file


def test_a_published_folder_has_a_card(published):
    folder = published("drnl")
    manifest = load_manifest(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "m/s" in text
    assert "casp_44k" in text, "a recording has to go through the ears first"
    assert "Enrique A. Lopez-Poveda and Ray Meddis" in text
    assert "https://doi.org/10.1121/1.1416197" in text
    assert manifest.license == "MIT"
    assert manifest.references == dois("DRNLFilterbank")
    assert "README.md" in {entry.path for entry in manifest.other_files}
    assert not (folder / "parity.md").exists()


def test_a_link_survives_brackets_in_a_doi(published):
    text = model_card(load_manifest(published("gammatone")))
    assert "](https://doi.org/10.1016/0378-5955%2890%2990170-T)" in text


def test_loudness_carries_the_licence_of_its_impulse_responses(published):
    manifest = load_manifest(published("gammatone"))
    loudness = replace(
        manifest, module="Moore2016Loudness", license=about("Moore2016Loudness").license
    )
    assert "Copyright (c) 2024, Malcolm Slaney" in model_card(loudness)
    assert "Slaney" not in model_card(manifest)


def test_nothing_is_claimed_for_trained_values_or_unknown_modules(published):
    manifest = load_manifest(published("gammatone"))
    trained = replace(manifest, checkpoint=Checkpoint("a" * 64, ""), license="")
    assert "a" * 64 in model_card(trained)
    assert "licence is not known" in model_card(trained)
    own = model_card(replace(manifest, module="MyModule", license="", references=()))
    assert "Nothing was said about a licence." in own
    assert "## Cite" not in own


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("Pa", "a full-scale sine is taken to have 93.98 dB SPL"),
        ("full scale", "a sine of amplitude 1 has 90.5 dB SPL"),
        ("m/s", "velocity of the stapes"),
    ],
)
def test_calibration_follows_the_unit_of_the_input(unit, words, published):
    manifest = load_manifest(published("gammatone"))
    inputs = (replace(manifest.inputs[0], unit=unit),)
    text = model_card(replace(manifest, inputs=inputs, parameters={"db_max": 90.5}))
    assert words in " ".join(text.split())


def test_stages_and_levels(published):
    manifest = load_manifest(published("gammatone"))
    levels = Port("levels", ("batch", "frame", "channel"), "dB SPL", shape=(1, 4, 2))
    stage = model_card(replace(manifest, inputs=(levels,)))
    assert "nothing to calibrate" in stage
    assert "model(levels=levels)" in stage
    framed = Port(FRAME_LEVELS, ("batch", "channel", "frame"), "dB SPL", shape=(1, 2, 4))
    assert "level per frame" in model_card(replace(manifest, outputs=(framed,)))
    assert "level per frame" not in model_card(manifest)


def test_a_folder_of_before_loads_and_checks(published, tmp_path, capsys):
    """It has parity.md and no card, and its manifest says nothing of licence and references."""
    folder = Path(shutil.copytree(published("gammatone"), tmp_path / "gammatone"))
    (folder / "README.md").rename(folder / "parity.md")
    manifest = load_manifest(folder)
    others = tuple(
        replace(entry, path="parity.md") if entry.path == "README.md" else entry
        for entry in manifest.other_files
    )
    old = replace(manifest, other_files=others)
    (folder / "manifest.json").write_text(old.to_json(), encoding="utf-8")
    assert main(["check", str(folder), "--vectors-only"]) == 0
    assert main(["report", str(tmp_path)]) == 0
    assert "1 model" in capsys.readouterr().out


def test_markdown_says_what_the_manifest_says(published):
    manifest = load_manifest(published("gammatone"))
    manifest = replace(manifest, parity=tuple(rows_of(manifest)))
    text = model_card(manifest, {"error.svg": "about"})
    centre, signal = manifest.centre_frequencies[1], manifest.parity[0].signal
    assert f"| subbands | 3.0e-3 | {signal} | channel 1, {centre:.0f} Hz |" in text
    assert "| onnx (CUDA) | subbands |" in text
    assert "| not run | - | - |" in text
    assert "| onnx, stream (CUDA) | subbands | infinite |" in text
    assert r"- onnx on cuda: no \<CUDA\> \& so" in text
    assert "| basic optimization, 1 thread | 2 | 1.0e-8 | a |" in text
    assert "3 of 70 frames of the suite are left out" in text
    assert "![about](error.svg)" in text
    assert all(entry.sha256 in text for entry in manifest.files)
