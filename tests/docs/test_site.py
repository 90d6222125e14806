"""What scripts/docs_hooks.py makes of the pages."""

from __future__ import annotations

import json
import re
from importlib import import_module

import pytest

from amt_export.cli.main import main
from support.docs import DOCS, ROOT

DATA = json.loads((DOCS / "data" / "models.json").read_text(encoding="utf-8"))["models"]


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")


@pytest.mark.parametrize(
    "text", ["--full-scale", "-o", "amt-export", "-200 dB", "4.4e-4 dB", "1e-7", "44100 Hz", "10 %"]
)
def test_what_belongs_together_is_on_one_line(text):
    page = f"<html><body><p>a {text}, b</p></body></html>"
    kept = import_module("docs_lines").keep_together(page)
    assert kept == page.replace(text, f'<span class="one-line">{text}</span>')


@pytest.mark.parametrize(
    "text",
    [
        "<pre><code>run <b>x</b> --level 65 dB</code></pre>",
        '<a title="--level 65 dB" href="a--b.html">a</a>',
        "<math><mn>65 dB</mn></math>",
        "a--b, bamt-export, dB1e-7",
    ],
)
def test_code_attributes_and_formulas_stay_as_they_are(text):
    page = f"<html><head><title>--level</title></head><body>{text}</body></html>"
    assert import_module("docs_lines").keep_together(page) == page


def test_every_command_has_its_help_on_the_page(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")  # the hook sets both, and they are restored after the test
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    ([a-z]+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    assert {"run", "corpus"} < set(commands)
    headings = re.findall(r"^## (.+)$", import_module("docs_commands").help_of_commands([]), re.M)
    assert set(headings) == {*commands, "corpus plan", "corpus run", "corpus check"}


@pytest.mark.parametrize("name", DATA)
def test_a_time_is_of_a_second_or_of_a_call(name):
    said = import_module("docs_facts").time(DATA[name])
    assert said.endswith(
        " for a second of audio" if DATA[name]["speed"]["seconds"] else " per call"
    )


def test_precision_and_model_pages_have_the_same_errors():
    facts = import_module("docs_facts")
    text = (DOCS / "numerics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.e-]+)(?: dB)? \| ([\d.e-]+)", text, re.MULTILINE)
    assert len(rows) >= 6
    for name, *shown in rows:
        worst = [max(e["worst"] for e in DATA[name][kind].values()) for kind in ("float64", "onnx")]
        assert shown == [facts.short(value) for value in worst], name
