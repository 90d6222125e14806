"""The pages say what is so: facts of models, references, tables, links of README."""

from __future__ import annotations

import json
import re
from importlib import import_module

import pytest

from amt_export.model_file import model_files
from support.docs import DOCS, PAGES, ROOT

DATA = json.loads((DOCS / "data" / "models.json").read_text(encoding="utf-8"))["models"]
FILES = {path.stem: path for path in model_files(ROOT / "models")}
MACRO = re.compile(r"<!-- (\w+)(?:: (.*?))? -->")
MODEL_PAGES = sorted((DOCS / "models").glob("*.md"))
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}


def named(macro: str) -> list[str]:
    """Every name that pages give to a macro."""
    pages = [text for page, text in TEXTS.items() if page.is_relative_to(DOCS)]
    found = [macro for text in pages for macro in MACRO.findall(text)]
    return [name for kind, names in found if kind == macro for name in names.split()]


def test_facts_stand_on_one_page_each():
    assert sorted(named("facts")) == sorted(set(named("facts")))
    assert set(DATA) <= set(named("facts")) <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_model_file_has_a_page(name):
    module = re.search(r'^module = "(\w+)"', FILES[name].read_text("utf-8"), re.M)[1]
    pages = "\n".join(text for page, text in TEXTS.items() if page in MODEL_PAGES)
    assert f"`{module}`" in pages


@pytest.mark.parametrize("name", DATA)
def test_facts_are_those_of_the_model_file(name):
    text = FILES[name].read_text(encoding="utf-8")
    assert f'description = "{DATA[name]["description"]}"' in text
    assert f'module = "{DATA[name]["module"]}"' in text


def test_every_reference_is_in_the_bibliography():
    text = (ROOT / "amt_export" / "report" / "references.bib").read_text("utf-8")
    keys = re.findall(r"^@\w+\{([\w:-]+),", text, re.M)
    assert len(set(keys)) == len(keys)
    assert set(named("cite")) <= set(keys)


@pytest.mark.parametrize("page", MODEL_PAGES, ids=lambda page: page.stem)
def test_a_page_about_a_model_has_all_parts(page):
    if page.stem == "index":
        return
    text = TEXTS[page]
    for part in ("What it computes", "Input and calibration", "Limits", "Published", "References"):
        assert f"\n## {part}\n" in text
    assert "$" in text  # an equation


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_place_of_one_machine(page):
    assert not re.search(r"/(work|home|root|tmp)/", TEXTS[page])


@pytest.mark.parametrize("name", ["moore2016_excitation", "moore2016_spectrum", "excitation"])
def test_tables_of_references_are_what_is_computed(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = import_module("measure_references")
    table = script.markdown(script.TABLES[name](None, []))
    assert table == script.place(name).search(TEXTS[DOCS / "references.md"])[0]


def test_scripts_on_pages_find_models_by_name():
    """A reader who installed the models has no folder `artifacts`."""
    for script in (*DOCS.glob("examples/*.py"), *DOCS.glob("gallery/*.py")):
        assert "artifacts/" not in script.read_text(encoding="utf-8"), script


def test_links_of_the_front_page_lead_somewhere():
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", TEXTS[ROOT / "README.md"]):
        assert (ROOT / target).exists(), target
