"""What readers see: pictures that agree with theory, a page that stands alone, numbers of the manifest."""

from __future__ import annotations

import math
import platform
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

import amt_export
from amt_export.cli.main import main
from amt_export.errors import ArtifactError
from amt_export.manifest import BEYOND, ParityRow, describe_others, load_manifest
from amt_export.manifest.parity_row import Setting, Skip
from amt_export.model_file.building import build_module
from amt_export.modules import DRNLFilterbank, FastDRNLFilterbank, GammatoneFilterbank
from amt_export.report import draw, measure_response, model_card, read_published
from amt_export.report.chart import Axis, Chart, decade_axis, frequency_axis
from amt_export.report.html import HEADINGS, difference
from amt_export.report.origin import Origin, origin
from amt_export.report.page import Published, parity_page
from amt_export.verify.parity.cases import eager_runner
from amt_export.verify.parity.compare import Worst
from support.filters import noise, small_specs

DOUBLE = torch.float64


# Analytic responses: the formulas alone, against the modules


@pytest.mark.parametrize(
    "module",
    [
        GammatoneFilterbank((200.0, 4000.0), 16000, dtype=DOUBLE),
        GammatoneFilterbank((200.0, 4000.0), 16000, n=2, betamul=0.7, dtype=DOUBLE),
        GammatoneFilterbank((600.0, 4000.0), 16000, dtype=DOUBLE, implementation="poly"),
        DRNLFilterbank((300.0, 4000.0), 16000, n_channels=4),
        DRNLFilterbank((300.0, 4000.0), 16000, n_channels=4, model="jepsen2008"),
        DRNLFilterbank((300.0, 7900.0), 16000, n_channels=4, subject="HIx"),
        FastDRNLFilterbank((800.0, 4000.0), 16000, n_channels=3, dtype=DOUBLE),
    ],
    ids=lambda module: module.extra_repr()[:60],
)
def test_modules_have_the_responses_of_theory(module, published):
    """Long enough for every filter to die away, the float64 module is the formula."""
    name = type(module).__name__
    manifest = load_manifest(published("gammatone"))
    port, out = manifest.inputs[0], manifest.outputs[0]
    manifest = replace(
        manifest,
        module=name,
        precision="float64",
        inputs=(replace(port, shape=(1, 16000), dtype="float64"),),
    )
    response = measure_response(module, manifest, eager_runner(module.eval(), [out.name]))
    peak = np.abs(response.analytic).max(axis=1, keepdims=True)
    error = np.abs(response.found - response.analytic) / peak
    assert error.max() < 1e-9
    assert response.deviation.max() < 1e-6
    assert response.found.shape == (module.num_channels, 8001)


def test_a_wrong_filter_is_not_the_analytic_one(published):
    manifest = load_manifest(published("gammatone"))
    right = build_module(small_specs()["gammatone"], DOUBLE)
    low, high = small_specs()["gammatone"].parameters["fc"]
    wrong = GammatoneFilterbank((1.02 * low, high), 16000).freeze(2000)
    response = measure_response(right, manifest, eager_runner(wrong, ["subbands"]))
    assert response.deviation[0] > 1.0
    assert response.deviation[-1] < 0.1


def test_modules_that_are_no_filterbanks_have_none(published):
    manifest = replace(load_manifest(published("gammatone")), module="MultiResolutionFFT")
    assert measure_response(None, manifest, lambda _: {}) is None


# Charts


def axis() -> Axis:
    return Axis(0.0, 10.0, "x & <y>", [(5.0, "5")])


def points(svg: str, style: str) -> list[str]:
    tree = ET.fromstring(svg)
    return [
        path.attrib["d"]
        for path in tree.iter("{http://www.w3.org/2000/svg}path")
        if path.attrib.get("class") == style
    ]


def test_a_chart_is_a_picture_with_words():
    chart = Chart("a", "title <b>", "about & so", axis(), decade_axis(1e-7, 3e-4, "y"))
    chart.line([0, 5, 10], [1e-7, 1e-5, 1e-3], "c3", "onnx <1>", hint="h")
    chart.limit(1e-6, "allowed")
    tree = ET.fromstring(chart.svg())
    assert tree.attrib["role"] == "img"
    names = {e.attrib["id"]: e.text for e in tree if "id" in e.attrib}
    assert names == {"a-t": "title <b>", "a-d": "about & so"}
    assert set(tree.attrib["aria-labelledby"].split()) == set(names)
    texts = [e.text for e in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"x & <y>", "onnx <1>", "allowed", "1e-7", "1e-3"} <= set(texts)


def test_values_are_where_they_belong():
    chart = Chart("a", "t", "d", axis(), decade_axis(1e-4, 1.0, "y"))
    chart.line([0, 5, 10], [1e-4, 1e-2, 1.0], "c3")
    (line,) = points(chart.svg(), "c3")
    (x0, y0), (x1, y1), (x2, y2) = (
        tuple(map(float, p.split(","))) for p in line.removeprefix("M").split()
    )
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    assert y0 > y1 > y2, "up is down in a picture"


def test_gaps_and_nothing_at_all():
    chart = Chart("a", "t", "d", axis(), axis())
    chart.line([0, 1, 2, 3, 4], [1, 2, math.nan, 4, 5], "c1")
    chart.line([], [], "c2", "equal")
    chart.line([1], [math.nan], "c4")
    chart.dots([1, 2], [math.nan, 2], "c1", ["a", "b"])
    svg = chart.svg()
    assert "nan" not in svg
    assert points(svg, "c1")[0].count("M") == 2
    assert points(svg, "c2") == ["M0,-4 h22"], "its place in the legend only"
    assert not points(svg, "c4")
    assert svg.count("<circle") == 1


def test_frequency_axis():
    ticks = dict(frequency_axis(100.0, 8000.0).ticks)
    assert ticks == {
        100.0: "100",
        200.0: "200",
        500.0: "500",
        1000.0: "1k",
        2000.0: "2k",
        5000.0: "5k",
    }


def test_pictures_of_a_folder(published):
    for name in ("gammatone", "drnl", "fast_drnl"):
        folder = published(name)
        assert {p.name for p in folder.glob("*.svg")} == {"error.svg", "response.svg"}
        text = (folder / "README.md").read_text()
        for picture in folder.glob("*.svg"):
            svg = picture.read_text()
            ET.fromstring(svg)
            assert f"]({picture.name})" in text
            assert not re.search(r'="[^"]*(nan|inf)[^"]*"', svg)
        assert "dB off" in text
    off = float(re.search(r"more than (\S+) dB off", text).group(1))
    assert off < 1.0


def worst(value: float, channels: np.ndarray) -> Worst:
    return Worst(value, "click", int(channels.argmax()), channels)


@pytest.mark.parametrize("size", [1, 3, 150, 1025])
@pytest.mark.parametrize("level", [0.0, 1e-7, 1.0])
def test_error_pictures_of_all_sizes(size, level, published):
    """Also of infinite and of no differences, of bins from 0 Hz, and of slots without frequency."""
    manifest = load_manifest(published("gammatone"))
    errors = level * np.abs(noise(size).numpy())
    errors[0] = math.inf if level == 1.0 else errors[0]
    found = {"float64": {"y": worst(level, errors)}, "onnx": {"y": worst(0.0, np.zeros(size))}}
    (out,) = manifest.outputs
    for axes, components in (
        (("batch", "frame", "bin"), None),
        (("batch", "frame", "component"), "left"),
    ):
        port = replace(out, name="y", shape=(1, 4, size), axes=axes, components=components)
        rows = tuple(replace(row, output="y") for row in manifest.parity)
        pictures = draw(replace(manifest, outputs=(port,), parity=rows), found, None)
        (svg,) = pictures.files.values()
        ET.fromstring(svg)
        assert not re.search(r'="[^"]*(nan|inf)[^"]*"', svg)
        assert ("frequency (Hz)" in svg) == (components is None and size > 1)
        assert "onnx: no difference" in svg


# Words


def rows_of(manifest) -> list[ParityRow]:
    row = manifest.parity[0]
    cuda = replace(row, format="onnx", provider="CUDAExecutionProvider", worst=3e-3, channel=1)
    return [
        replace(cuda, tolerance=1e-6),
        replace(
            cuda, worst=None, signal=None, channel=None, provider="none", verified_by="interface"
        ),
        replace(cuda, worst=BEYOND, form="stream"),
        replace(cuda, worst=0.0, skipped=(Skip("cuda", "no <CUDA> & so"),)),
        replace(
            cuda,
            worst=1e-8,
            settings=(Setting("basic optimization, 1 thread", ("a", "b"), 1e-8, "a"),),
        ),
        replace(cuda, worst=1e-4, kind="db", tolerance=1e-3, left_out=3, frames=70),
    ]


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


class Page(HTMLParser):
    """Tags, links and texts, with a check that tags close."""

    VOID = ("meta", "link", "img", "br", "wbr")
    OPTIONAL = ("th", "td", "tr", "li", "dt", "dd", "tbody", "thead", "option")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for key, value in attributes:
            if key in ("src", "href", "srcset", "data", "action"):
                self.references.append(value)
            if key == "id":
                self.ids.append(value)
        if tag not in self.VOID + self.OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data.split()


WRITTEN = Origin("2026-01-02 03:04 UTC", "1.2.3, commit <abc>", "Linux & 2 cores")


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


# The command


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
    assert main(["report", str(tmp_path), "-o", str(gone)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
