"""What the tests of damaged Core ML packages share: a small package, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amt_export.coreml_interpreter import Interpreter
from amt_export.errors import ArtifactError
from support.coreml import mb, save_program
from support.filters import noise

X = noise(3, 4).float().numpy()
TABLE = noise(4, 4, seed=1).float().numpy()


def small_package(folder: Path) -> Path:
    """A small program with weights in a file: (x @ table)[:, 1:3]."""

    def build(x):
        product = mb.matmul(x=x, y=TABLE)
        return [mb.slice_by_index(x=product, begin=[0, 1], end=[3, 3], end_mask=[True, False])]

    saved = save_program(folder / "small.mlpackage", build, x=X)
    np.testing.assert_allclose(
        Interpreter(saved).run({"x": X})["y0"], (X @ TABLE)[:, 1:3], rtol=1e-5, atol=1e-6
    )
    return saved


def refused(package: Path) -> str:
    """The one line with which a package is refused, when it is opened or when it is run."""
    with pytest.raises(ArtifactError) as caught:
        Interpreter(package).run({"x": X})
    message = str(caught.value)
    assert "\n" not in message
    assert str(package) in message
    return message
