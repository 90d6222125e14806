"""ONNX files with a free batch of every kind of module: rows of a batch are those of eager torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from amt_export.export import capture
from amt_export.export.onnx import export_onnx
from amt_export.modules import (
    CASPFrontEnd,
    DRNLFilterbank,
    Glasberg2002FrontEnd,
    Moore2016ExcitationPattern,
    Moore2016Loudness,
)
from amt_export.modules.forms import StreamForm

FC = torch.tensor([500.0, 1000.0, 4000.0])


def whole(module, *shapes):
    """A form, its shapes for one row, and the names of its inputs and outputs."""
    names = tuple(port.name for port in module.input_ports)
    outputs = tuple(port.name for port in module.output_ports)
    return module.freeze(shapes[0][-1]), shapes, names, outputs


def stream(module, block, *shape):
    form = StreamForm(module, block, (*shape, block))
    shapes = tuple(tuple(value.shape) for value in form.silence())
    return form, shapes, form.input_names, form.output_names


FORMS = {
    "drnl": lambda: whole(DRNLFilterbank(FC, 16000, dtype=torch.float32), (1, 800)),
    "drnl stream": lambda: stream(DRNLFilterbank(FC, 16000, dtype=torch.float32), 160, 1),
    "casp": lambda: whole(CASPFrontEnd(FC, 44100), (1, 800)),
    "casp stream": lambda: stream(CASPFrontEnd(FC, 44100), 160, 1),
    "glasberg": lambda: whole(Glasberg2002FrontEnd(), (1, 3072)),
    "excitation": lambda: whole(Moore2016ExcitationPattern(), (1, 3, 40), (1, 3, 40)),
    "loudness stream": lambda: stream(Moore2016Loudness(), 32, 1, 2),
}


def values(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Random values in the range of an input, of three rows that differ."""
    shape = (3, *shape[1:])
    if name == "freqs":
        return np.sort(random.uniform(50.0, 15000.0, shape), axis=-1)
    if name == "levels":
        return random.uniform(20.0, 60.0, shape)
    return random.standard_normal(shape) * (0.02 if name == "audio" else 0.0)


@pytest.mark.parametrize("name", FORMS)
def test_rows_of_a_batch_are_those_of_eager_torch(name, tmp_path):
    form, shapes, names, outputs = FORMS[name]()
    random, path = np.random.default_rng(0), tmp_path / "a.onnx"
    inputs = [
        values(key, shape, random).astype(np.float32)
        for key, shape in zip(names, shapes, strict=True)
    ]
    single = tuple(torch.from_numpy(value[:1]) for value in inputs)
    export_onnx(capture(form, single, names, outputs, free_batch=True), path, {})
    session = onnxruntime.InferenceSession(path)
    together = session.run(None, dict(zip(names, inputs, strict=True)))
    for row in range(3):
        with torch.no_grad():
            expected = form(*(torch.from_numpy(value[row : row + 1]) for value in inputs))
        expected = (expected,) if isinstance(expected, torch.Tensor) else expected
        for key, found, wanted in zip(outputs, together, expected, strict=True):
            assert np.isfinite(found).all()
            if found.shape[0] == 3:
                exact = wanted.numpy()
                allowed = 1e-4 * max(np.abs(exact).max(), 1e-30)
                np.testing.assert_allclose(found[row : row + 1], exact, 0, allowed, err_msg=key)
