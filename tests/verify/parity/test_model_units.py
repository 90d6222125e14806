"""Outputs in model units: relative to the whole output, and absolute where nothing begins."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.manifest.ports import Port
from amt_export.modules import AdaptationLoops, CASPHairCell, Decimation, ModulationFilterbank
from amt_export.verify.parity.cases import suite_inputs
from amt_export.verify.parity.compare import Case, Variant, compare
from amt_export.verify.parity.signals import onsets, suite

PORT = Port(
    "representation",
    ("batch", "channel", "modulation", "frame"),
    "model units",
    quiet=1.0,
    steady=120.0,
)
TOLERANCE = {"relative": 1e-3, "absolute": 0.05}


def rows(found: np.ndarray, expected: np.ndarray):
    case = Case("step", {}, {"representation": expected})
    run = {"representation": found}
    version = Variant("onnx", "whole", "CPUExecutionProvider")
    return compare(lambda _inputs: run, [case], [PORT], version, TOLERANCE)


def test_an_onset_counts_relatively_and_what_is_steady_absolutely_too():
    expected = np.full((1, 2, 3, 100), 50.0)
    expected[:, 1, 2, 10] = 1000.0
    found = expected.copy()
    found[:, 1, 2, 10] += 0.5
    relative, absolute = rows(found, expected)
    assert (relative.output, relative.kind, relative.worst) == ("representation", "relative", 5e-4)
    assert relative.channel == 1
    assert (absolute.output, absolute.kind) == ("representation, steady", "absolute")
    assert absolute.worst == 0.0
    found[0, 0, 1, 50] += 0.1
    relative, absolute = rows(found, expected)
    assert relative.within
    assert absolute.worst == pytest.approx(0.1)
    assert not absolute.within
    assert absolute.channel == 0


def test_silence_is_measured_against_steady_sounds():
    silence = np.zeros((1, 1, 1, 10))
    relative, absolute = rows(silence + 0.012, silence)
    assert relative.worst == pytest.approx(1e-4)
    assert absolute.worst == pytest.approx(0.012)


def test_the_suite_of_adapting_models_has_onsets():
    found = onsets(1000, 16000.0)
    assert not found["step_60dB"][:200].any()
    assert np.sqrt(np.mean(found["step_60dB"][200:] ** 2)) > 0.018
    assert found["click_100dB"].max() == pytest.approx(2.0, rel=1e-6)
    assert not found.keys() & suite(1000, 16000.0).keys()


@pytest.mark.parametrize(
    ("module", "largest"),
    [
        (CASPHairCell(16000), 1.0),
        (AdaptationLoops(16000), 200.0),
        (Decimation(), 1500.0),
        (ModulationFilterbank([500.0, 2000.0], 16000), 1500.0),
    ],
)
def test_stages_hear_what_the_stages_before_them_make_of_the_suite(module, largest):
    inputs = suite_inputs(module, {"signal": (1, 2, 400)})
    assert {"step_60dB", "noise_94dB", "silence"} <= inputs.keys()
    peaks = {name: np.abs(arrays["signal"]).max() for name, arrays in inputs.items()}
    assert all(arrays["signal"].shape == (1, 2, 400) for arrays in inputs.values())
    assert 0.0 < peaks["noise_94dB"] < largest
    assert peaks["silence"] < 1e-3 * peaks["noise_94dB"]
