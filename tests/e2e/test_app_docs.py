"""What is checked of the example apps without building them."""

import pytest

from support.apps import EXAMPLES, ROOT


@pytest.mark.parametrize(
    "folder", [EXAMPLES / "web", EXAMPLES / "node", EXAMPLES / "cpp", ROOT / "packages" / "js"]
)
def test_lock_files_name_no_registry(folder):
    lock = (folder / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved": "http' not in lock


@pytest.mark.parametrize("name", ["web", "node", "cpp", "kotlin", "swift"])
def test_the_table_says_what_was_run(name):
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert f"| [{name}]({name}) |" in table
    assert (EXAMPLES / name / "README.md").exists()
