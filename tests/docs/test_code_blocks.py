"""Every code block of README and of the documentation runs, or the page says why it does not."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
import warnings
from pathlib import Path

import pytest
from filelock import FileLock

from amt_export.cli.main import main
from amt_export.model_file import load_spec
from amt_export.runtime.lookup import MODELS_PACKAGE
from support.docs import PAGES, ROOT, Block, blocks, write_recordings
from support.filters import SHORT

SHOWN = {"text"}
"""Languages of what is read and not run."""

ELSEWHERE = {"js", "ts", "cpp", "swift", "kotlin"}
"""Languages of which a page shows a file of this repository, which has tests of its own."""


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


WITH_CODE = [page for page in PAGES if any(b.reason is None for b in blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_finds_models_by_name_as_pip_installs_them(page):
    for block in blocks(page):
        if block.language == "python":
            assert "artifacts/" not in block.code, block.place


def test_examples_find_models_by_name_too():
    for path in sorted((ROOT / "docs").rglob("*.py")):
        assert "artifacts/" not in path.read_text(encoding="utf-8"), path


@pytest.fixture(scope="session")
def installed(shared, published_onnx) -> Path:
    """A folder to import from with the package of models in it, as pip puts it."""
    folder = shared / "installed"
    with FileLock(shared / "installed.lock"):
        if not folder.exists():
            for name in SHORT:
                shutil.copytree(published_onnx(name), folder / MODELS_PACKAGE / name)
            (folder / MODELS_PACKAGE / "__init__.py").touch()  # comes before one of this machine
    return folder


@pytest.fixture(scope="session")
def workplace(shared) -> Path:
    """A folder with recordings and no models, as a reader has it who installed both packages."""
    folder = shared / "docs"
    with FileLock(shared / "docs.lock"):
        if not folder.exists():
            folder.mkdir()
            write_recordings(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_block_is_run_or_the_page_says_why_not(page):
    for block in blocks(page):
        known = {"python", "bash", "toml", "json"} | ELSEWHERE | SHOWN
        assert block.language in known, f"{block.place}: nothing runs {block.language}"
        if block.language in ELSEWHERE and block.reason is None:
            assert included(block).is_file(), block.place
        if block.language == "bash" and block.reason is None:
            for line in commands(block):
                assert line.startswith("amt-export "), f"{block.place}: nothing runs {line!r}"


@pytest.mark.parametrize("page", WITH_CODE, ids=page_name)
def test_blocks_run_where_the_models_are_installed(page, workplace, installed, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.reason is not None:
            continue
        if block.language == "python":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # remarks about the short recording
                exec(compile(block.code, block.place, "exec"), names)
        elif block.language == "bash":
            for line in commands(block):
                assert main(arguments(line)) == 0, f"{block.place}: {line}"
        elif block.language == "toml":
            run_toml(block)
        elif block.language == "json":
            json.loads(block.code)


def included(block: Block) -> Path:
    """The file that a block shows."""
    (line,) = block.code.splitlines()
    return ROOT / line.removeprefix('--8<-- "').removesuffix('"')


def commands(block: Block) -> list[str]:
    """Lines of a block, comments left out, continued lines joined."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line and not line.startswith("#")]


def arguments(line: str) -> list[str]:
    """Words of a command line, patterns of files expanded as a shell does."""
    words = shlex.split(line)[1:]
    return [
        name
        for word in words
        for name in (sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word])
    ]


def run_toml(block: Block) -> None:
    """A whole model file is read and checked; a part of one is TOML."""
    document = tomllib.loads(block.code)
    if "model" in document:
        path = Path(f"{document['model']['name']}.toml")
        path.write_text(block.code, encoding="utf-8")
        load_spec(path)
