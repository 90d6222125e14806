"""The example programs can be installed from any registry."""

import pytest

from support.apps import EXAMPLES


@pytest.mark.parametrize("name", ["web", "node", "cpp"])
def test_lock_files_name_no_registry(name):
    lock = (EXAMPLES / name / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
