"""Audio of any length through a whole-signal artifact equals one run of the float64 module."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from amt_export import runtime
from amt_export.model_file import load_spec
from amt_export.model_file.building import build_module
from amt_export.publish import publish
from amt_export.verify.parity.signals import suite

SAMPLES = 20000  # several windows of 9000, the last one not full


@pytest.fixture(
    scope="module", params=["gammatone_speech_16k", "drnl_casp_44k", "fast_drnl_casp_44k"]
)
def published(request, tmp_path_factory):
    spec = load_spec(request.param)
    few = {"fc": (1000.0, 8000.0)}
    if "n_channels" in spec.parameters:
        few["n_channels"] = 4
    spec = replace(spec, parameters=spec.parameters | few, given=frozenset()).resized(9000, 1)
    out = tmp_path_factory.mktemp("published")
    publish(spec, out, formats=["onnx"])
    return spec, runtime.load(out / spec.name)


@pytest.mark.parametrize("signal", ["noise_60dB", "sweep", "click"])
def test_windows_leave_no_seams(published, signal):
    spec, model = published
    audio = suite(SAMPLES, model.manifest.sampling_rate)[signal]
    module = build_module(spec, torch.float64)
    with torch.no_grad():
        expected = module(torch.from_numpy(audio)).numpy()
    (found,) = model.process(audio.astype(np.float32)).values()
    assert found.shape == expected.shape
    peak = np.abs(expected).max(-1, keepdims=True)
    floor = 0.01 * peak.max()
    error = np.abs(found - expected) / np.maximum(peak, floor)
    assert error.max() < 5e-6
    # A seam would show where one window hands over to the next.
    hop = 9000 - model.manifest.warm_up
    for seam in range(9000, SAMPLES, hop):
        assert error[:, seam - 2 : seam + 2].max() < 5e-6


def test_a_warm_up_too_short_would_be_seen(published):
    _, model = published
    audio = suite(SAMPLES, model.manifest.sampling_rate)["noise_60dB"].astype(np.float32)
    (right,) = model.process(audio).values()
    manifest = model.manifest
    model._manifest = replace(manifest, warm_up=manifest.warm_up // 20)
    try:
        (wrong,) = model.process(audio).values()
    finally:
        model._manifest = manifest
    assert np.abs(wrong - right).max() > 1e-5 * np.abs(right).max()
