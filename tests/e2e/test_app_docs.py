"""docs/apps.md shows the example programs as they are, so that what is read is what is tested."""

import pytest

from support.apps import EXAMPLES, ROOT

DOCS = (ROOT / "docs" / "apps.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["cpp/stream.cpp", "swift/Stream.swift", "kotlin/Stream.kt"])
def test_the_docs_show_the_programs(path):
    code = (EXAMPLES / path).read_text(encoding="utf-8")
    assert f"\n{code}```\n" in DOCS


@pytest.mark.parametrize("name", ["web", "node", "cpp"])
def test_lock_files_name_no_registry(name):
    lock = (EXAMPLES / name / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
