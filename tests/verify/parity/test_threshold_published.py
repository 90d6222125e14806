"""Decisions at a threshold in published folders: they are counted, and a shifted threshold is rejected."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest

from amt_export.errors import ParityError
from amt_export.manifest import load_manifest
from amt_export.model_file import load_spec
from amt_export.publish import publish
from amt_export.verify.parity import check_folder
from amt_export.verify.parity.check import load_vectors
from support.filters import ROOT
from support.folders import sign

SPECTRUM, FRONT_END = "moore2016_spectrum_32k", "moore2016_frontend_32k"


@pytest.fixture(scope="module", params=[SPECTRUM, FRONT_END])
def folder(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("threshold")
    spec = load_spec(ROOT / "models" / f"{request.param}.toml").resized(samples=2400)
    spec = replace(spec, stream_block=None)
    publish(spec, out, formats=["onnx"])
    return out / request.param


def test_flips_are_published(folder):
    manifest = load_manifest(folder)
    assert len(manifest.parity) == 2 * len(manifest.outputs)
    for row in manifest.parity:
        assert row.undecided > 0, "the suite has something to decide"
        assert row.flips <= row.most_flips
        assert row.kind == "frequency" or row.worst < 5e-4
    assert "undecided" in (folder / "manifest.json").read_text()
    text = (folder / "parity.md").read_text()
    first = manifest.parity[0]
    assert f"{first.flips} of {first.undecided}" in text
    assert "0.01 dB" in text
    check_folder(folder)


def test_vectors_keep_the_bounds(folder):
    manifest = load_manifest(folder)
    cases = load_vectors(folder, manifest)
    differing = 0
    for case in cases:
        assert case.bounds is not None
        for name, value in case.outputs.items():
            for side in (case.bounds.strict, case.bounds.lenient):
                assert side[name].shape == value.shape
                differing += np.count_nonzero(side[name] != value)
    assert differing > 0


@pytest.mark.parametrize(("shift", "message"), [(0.005, "decides"), (0.1, "infinity|differs")])
def test_a_shifted_threshold_is_rejected(folder, shift, message, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    path = copy / f"{folder.name}.onnx"
    model = onnx.load(path)
    changed = 0
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.size == 1 and array.dtype == np.float32 and abs(array.item() / 1e-6 - 1) < 1e-3:
            value = (array * np.float32(10 ** (shift / 10))).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
            changed += 1
    assert changed == 1
    onnx.save(model, path)
    sign(copy)
    with pytest.raises(ParityError, match=message):
        check_folder(copy)
