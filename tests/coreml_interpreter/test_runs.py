"""A Core ML package is run: which inputs it takes, and which values are seen and kept."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from amt_export.coreml_interpreter import Interpreter
from amt_export.errors import InputError
from support.coreml import mb, save_program
from support.coreml_damage import X


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes x, not"),
        ({"y": X}, "takes x, not y"),
        ({"x": X, "y": X}, "takes x, not x, y"),
        ({"x": X[:2]}, "x is float32"),
        ({"x": X.astype(np.float64)}, "not float64"),
    ],
)
def test_wrong_inputs(inputs, message, package):
    with pytest.raises(InputError, match=message):
        Interpreter(package).run(inputs)


def test_every_value_can_be_looked_at(package):
    seen = []
    Interpreter(package).run({"x": X}, lambda name, kind, value: seen.append((kind, value.shape)))
    assert seen == [("matmul", (3, 4)), ("slice_by_index", (3, 2)), ("identity", (3, 2))]


def test_values_go_after_their_last_use(tmp_path):
    """Twenty steps of a megabyte each do not need twenty."""

    def build(x):
        for _ in range(20):
            x = mb.add(x=x, y=1.0)
        return [x]

    x = np.zeros((256, 1024), np.float32)
    interpreter = Interpreter(save_program(tmp_path / "a.mlpackage", build, x=x))
    tracemalloc.start()
    found = interpreter.run({"x": x})["y0"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.max() == found.min() == 20.0
    assert peak < 4 * x.nbytes
