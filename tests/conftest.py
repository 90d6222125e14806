"""What all tests share: one thread, golden cases, and small published models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filter_checks import Golden, load_golden, small_specs

from amt_export.publish import publish

# Two test processes with all cores each would only wait for each other; and sums keep their order.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """Loader of tests/golden/<name>.npz."""
    return load_golden


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Callable[[str], Path]:
    """Folder of a small model in all formats, built when first asked for: see `small_specs`."""
    out = tmp_path_factory.mktemp("published")
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            publish(small_specs()[name], out)
            built[name] = out / name
        return built[name]

    return folder


@pytest.fixture
def writable(published, tmp_path) -> Callable[[str], Path]:
    """A copy of a published folder that a test may spoil."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(published(name), tmp_path / "copies" / name))

    return copy
