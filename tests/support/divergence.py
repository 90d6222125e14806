"""What the tests of `diff` share: models with short graphs, and a weight that is made wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from amt_export.model_file import ModelSpec, load_spec
from support.filters import model_file, small_specs

SIGNAL = "noise_94dB"
NUMBERS = "filter.values"
"""What the tables of a gammatone are looked up in."""


def short_specs() -> dict[str, ModelSpec]:
    """Models whose graphs are short."""
    gammatone, fast_drnl = (small_specs()[name] for name in ("gammatone", "fast_drnl"))
    # Far from the lowest frequencies, where one float32 number is enough.
    parameters = {**gammatone.parameters, "fc": (4000.0, 5000.0)}
    raw = {**gammatone.raw_parameters, "fc_range": [4000.0, 5000.0]}
    specs = (
        replace(  # and so far from the tones, which its own default allows for
            gammatone.resized(samples=256),
            parameters=parameters,
            raw_parameters=raw,
            given=frozenset(),
        ),
        replace(fast_drnl.resized(samples=600), given=frozenset()),
        replace(load_spec(model_file("excitation_pattern_32k")), name="levels"),
        replace(gammatone.resized(samples=256), name="streaming", stream_block=32),
    )
    return {spec.name: spec for spec in specs}


def perturb(path: Path, name: str, factor: float = 1.001) -> onnx.ModelProto:
    """Change the largest number of one initializer."""
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == name)
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[np.abs(array).argmax()] *= np.float32(factor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, name))
    onnx.save(model, path)
    return model
