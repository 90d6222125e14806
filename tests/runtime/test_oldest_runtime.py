"""The oldest onnxruntime that is promised is tried, and can read what is published."""

from __future__ import annotations

import onnx
import pytest

from support.filters import ROOT


def test_the_oldest_runtime_is_the_one_that_is_promised():
    """`scripts/check_runtimes.py` runs it; here, that both speak of the same version."""
    import runpy
    import tomllib

    script = runpy.run_path(str(ROOT / "scripts" / "check_runtimes.py"))
    with (ROOT / "pyproject.toml").open("rb") as file:
        (promised,) = tomllib.load(file)["project"]["optional-dependencies"]["onnx"]
    assert script["OLDEST"]["onnxruntime"] == promised.removeprefix("onnxruntime>=") + ".0"
    assert set(script["newest"]()) == {"onnxruntime", "numpy"}


@pytest.mark.parametrize("name", ["gammatone", "drnl", "fast_drnl"])
def test_onnx_files_are_of_an_old_version(name, published):
    """onnxruntime 1.15 reads IR versions up to 9; what torch writes needs 1.18."""
    assert onnx.load(published(name) / f"{name}.onnx").ir_version == 8
