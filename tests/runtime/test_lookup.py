"""Names of models: own folders first, then the installed package; and what is said where there is none."""

from __future__ import annotations

import re
import shutil

import pytest

from amt_export import runtime
from amt_export.errors import ArtifactError
from amt_export.runtime.lookup import find_model, installed_models, models
from support.runtime import publish_fir, rewrite


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory in which no models are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("amt_export.runtime.lookup.MODELS_PACKAGE", "no_such_models")
    return tmp_path


@pytest.fixture
def installed(here, monkeypatch):
    """A package of models on the path, with `bank` and `other`."""
    package = here / "site" / "some_models"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in ("bank", "other"):
        publish_fir(package / name)
        rewrite(package / name, description="installed")
    monkeypatch.syspath_prepend(here / "site")
    monkeypatch.setattr("amt_export.runtime.lookup.MODELS_PACKAGE", "some_models")
    return package


def test_nothing_is_known_without_artifacts_and_package(here):
    assert models() == []
    assert installed_models() is None
    with pytest.raises(ArtifactError, match="pip install no_such_models, or build it: amt-export"):
        runtime.load("bank")


def test_an_installed_model_is_found_by_its_name(installed):
    assert models() == ["bank", "other"]
    assert find_model("bank") == installed / "bank"
    assert runtime.load("bank").manifest.description == "installed"


def test_what_was_built_here_comes_first(installed, here):
    (here / "artifacts").mkdir()
    publish_fir(here / "artifacts" / "bank")
    (here / "artifacts" / "other").mkdir()  # not published: a build that is under way elsewhere
    assert models() == ["bank", "other"]
    assert runtime.load("bank").manifest.description == "a tiny model"
    assert find_model("other") == installed / "other"


def test_a_path_is_taken_as_it_is(installed, here):
    own = publish_fir(here / "bank")
    assert find_model("bank").resolve() == own
    assert find_model(own) == own
    assert find_model("./bank").resolve() == own


def test_a_folder_of_the_same_name_that_is_not_published_does_not_hide_a_model(installed, here):
    (here / "bank").mkdir()
    assert find_model("bank") == installed / "bank"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("bnak", "bnak: no such model; did you mean 'bank'?"),
        ("BANK", "BANK: no such model; did you mean 'bank'?"),
        ("ba", "ba: no such model; did you mean 'bank'?"),
        ("xyz", "xyz: no such model, nor a published folder; amt-export list shows all"),
        ("artifacts/bank", "the model bank is found by its name alone"),
        ("site/some_models/othr", "did you mean 'site/some_models/other'?"),
        ("gone/xyz", "gone/xyz: no such folder"),
        ("./file.txt/x", "no such folder"),
        ("../../etc", "no such folder"),
        ("a\0b", "no such model"),
        ("", "'': no model; give the name of one"),
        (None, "None: no model; give the name of one"),
        (["bank"], "['bank']: no model; give the name of one"),
    ],
)
def test_what_is_not_found_is_one_line_with_a_hint(asked, message, installed):
    with pytest.raises(ArtifactError, match=re.escape(message)) as caught:
        runtime.load(asked)
    assert "\n" not in str(caught.value)


def test_a_file_is_not_a_folder(installed, here):
    (here / "bank.onnx").write_bytes(b"x")
    for path in ("bank.onnx", here / "bank.onnx"):
        with pytest.raises(ArtifactError, match="is a file; give the name of a model"):
            runtime.load(path)


def test_a_name_that_no_file_can_have():
    with pytest.raises(ArtifactError, match="no such model"):
        find_model("x" * 5000)


def test_several_models_that_begin_like_this_are_all_named(installed):
    shutil.copytree(installed / "bank", installed / "bank_hix")
    shutil.copytree(installed / "bank", installed / "bank_48k")
    with pytest.raises(ArtifactError, match=r"did you mean 'bank', 'bank_48k' or 'bank_hix'\? amt"):
        runtime.load("Ban")
