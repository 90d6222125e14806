"""The page about all models: it stands alone, and says what the manifests say and nothing else."""

from __future__ import annotations

import platform
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import amt_export
from amt_export.cli.main import main
from amt_export.errors import ArtifactError
from amt_export.manifest import describe_others, load_manifest
from amt_export.manifest.parity_row import Setting, Skip
from amt_export.report import model_card, read_published
from amt_export.report.html import HEADINGS, difference
from amt_export.report.origin import origin
from amt_export.report.page import Published, parity_page
from support.cli import failed
from support.report import WRITTEN, Page, rows_of


def test_the_page_stands_alone_and_is_well_formed(published):
    models = [read_published(published(name)) for name in ("gammatone", "drnl")]
    text = parity_page(models, WRITTEN)
    page = Page(text)
    assert not page.open
    assert len(page.ids) == len(set(page.ids)), "ids are unique"
    images = [r for r in page.references if r.startswith("data:image/svg+xml;base64,")]
    assert len(images) == page.tags.count("img") == 4
    assert {r[1:] for r in page.references if r not in images} <= set(page.ids)
    assert not {"script", "link", "iframe", "svg"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert not re.findall(r"https?://", text)
    assert text.count("<h1") == 1
    for word in ("gammatone", "drnl", "velocity", "subbands", "execution", "all", "within"):
        assert word in page.words


def test_the_page_says_what_failed_and_what_was_not_run(published):
    manifest = load_manifest(published("gammatone"))
    manifest = replace(manifest, parity=tuple(rows_of(manifest)), description="a <b> & c")
    text = parity_page([Published(manifest, {})], WRITTEN)
    Page(text)
    words = re.sub(r"<[^>]+>", " ", text)
    assert "2 beyond their tolerance" in words
    assert text.count("too much") == 3  # both rows, and the overview
    assert words.count("Not run") == 2, "the section, and the link to it"
    assert "not run" not in words
    assert "interface only" in words
    assert "infinite" in words
    assert "no &lt;CUDA&gt; &amp; so" in text
    assert "a &lt;b&gt; &amp; c" in text
    assert "3 of 70" in words


def test_the_page_says_when_and_where_it_was_written(published):
    words = parity_page([read_published(published("gammatone"))], WRITTEN)
    assert "Written 2026-01-02 03:04 UTC by amt_export 1.2.3, commit &lt;abc&gt;" in words
    assert "on Linux &amp; 2 cores." in words
    here = origin()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", here.date)
    assert here.version.startswith(amt_export.__version__)
    assert platform.machine() in here.machine
    assert platform.node() not in here.machine.split()


def test_a_bar_is_as_long_as_the_share_of_the_tolerance(published):
    row = load_manifest(published("gammatone")).parity[0]
    for worst, width, words in (
        (0.0, 0, "0 %"),
        (1e-9, 1, "&lt; 1 %"),
        (2.5e-6, 25, "25 %"),
        (1e-5, 100, "100 %"),
        (4e-5, 100, "400 %"),
    ):
        text = difference(replace(row, worst=worst, tolerance=1e-5))
        assert f"width:{width}%" in text
        assert words in text
        assert ("too much" in text) == (worst > 1e-5)


def test_contents_and_filters_name_every_model_and_format(published):
    models = [read_published(published(name)) for name in ("gammatone", "drnl")]
    text = parity_page(models, WRITTEN)
    contents = text[text.index("<nav") : text.index("</nav>")]
    for place, name in enumerate(("gammatone", "drnl")):
        assert f'href="#{name}"' in contents
        assert f"<option value=m{place}>{name}" in text
        assert f'class="model m{place}"' in contents
        assert f'<section id="{name}" class="model m{place}"' in text
        assert f"option[value=m{place}]:checked) .model:not(.m{place}){{display:none}}" in text
    for name in HEADINGS:
        assert f"<option value={name}>" in text
        assert f'data-format="{name}"' in text
        assert f"[data-format]:not([data-format={name}]){{display:none}}" in text


def test_float64_is_explained(published):
    page = Page(parity_page([read_published(published("gammatone"))], WRITTEN))
    words = " ".join(page.words)
    assert "float64 No file. The module in its own precision" in words
    assert "linear scale" in words


def test_nothing_in_a_folder_becomes_part_of_the_page(published, tmp_path):
    folder = Path(shutil.copytree(published("gammatone"), tmp_path / "gammatone"))
    attack = "<script>alert(1)</script>"
    manifest = load_manifest(folder)
    row = replace(manifest.parity[0], signal=attack, skipped=(Skip(attack, attack),))
    row = replace(row, settings=(Setting(attack, (attack,), 0.0, attack),), verified_by=attack)
    manifest = replace(
        manifest,
        description=f"{attack}\x1b[31m|\u202e",
        parameters={attack: attack},
        versions={attack: attack},
        parity=(row, *manifest.parity),
    )
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><desc>&lt;script>{attack}</desc>{attack}</svg>'
    (folder / "response.svg").write_text(svg)
    (folder / "error.svg").write_bytes(b"\xff\xfe no picture")
    # Whoever makes such a folder says in its manifest what is in it.
    others = describe_others(folder, manifest.files)
    manifest = replace(manifest, other_files=others)
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    read = read_published(folder)
    text = parity_page([read], WRITTEN)
    assert "script" not in Page(text).tags
    assert "<script" not in text
    assert not {"\x1b", "\u202e"} & set(text)
    markdown = model_card(read.manifest)
    assert not re.search(r"(?<!\\)<", markdown)
    assert not {"\x1b", "\u202e"} & set(markdown)


@pytest.mark.parametrize("make", ["link", "large"])
def test_a_picture_is_a_small_regular_file(make, published, tmp_path):
    folder = Path(shutil.copytree(published("gammatone"), tmp_path / "gammatone"))
    (folder / "response.svg").unlink()
    if make == "link":
        (folder / "response.svg").symlink_to("/etc/hostname")
    else:
        (folder / "response.svg").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(ArtifactError, match=r"response\.svg: "):
        read_published(folder)


def test_report_writes_a_page(published, tmp_path, capsys):
    for name in ("gammatone", "fast_drnl"):
        shutil.copytree(published(name), tmp_path / name)
    assert main(["report", str(tmp_path)]) == 0
    text = (tmp_path / "parity.html").read_text(encoding="utf-8")
    Page(text)
    assert "2 models" in capsys.readouterr().out
    path = next(tmp_path.glob("gammatone/*.onnx"))
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "other.html")]) == 1
    captured = capsys.readouterr()
    assert "gammatone.onnx" in captured.err
    assert "1 model, 1 left out" in captured.out
    assert "subbands" not in (tmp_path / "other.html").read_text(encoding="utf-8")


def test_report_without_models_or_place(published, tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "holds no published models" in capsys.readouterr().err
    gone = tmp_path / "gone" / "x.html"
    shutil.copytree(published("gammatone"), tmp_path / "gammatone")
    failed(capsys, "report", tmp_path, "-o", gone)
