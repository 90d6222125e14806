"""`diff` of streaming forms: a block with its states, and the node of it that is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.cli.main import main
from amt_export.verify.divergence import diverge, subject_of
from support.divergence import NUMBERS, SIGNAL, perturb


@pytest.fixture
def published(published_short):
    """Folders of models whose graphs are short, in the two formats that can be looked into."""
    return published_short


@pytest.mark.parametrize("format", ["onnx", "coreml"])
def test_the_stream_of_a_good_folder(format, published):
    """A block with states that are not silent, and what it hands on, compared as well."""
    with subject_of(str(published("streaming")), format, form="stream") as subject:
        inputs = subject.inputs[SIGNAL]
        found = diverge(subject, SIGNAL)
    assert set(inputs) == {"audio", "state_gammatone"}
    assert inputs["audio"].shape == (1, 32)
    assert np.abs(inputs["state_gammatone"]).max() > 1e-3
    assert found.first is None
    assert {"subbands", "next_state_gammatone"} <= {step.name for step in found.steps}


def test_a_wrong_weight_of_a_stream_is_named(writable, capsys):
    folder = writable("streaming")
    perturb(folder / "streaming.stream.onnx", f"module.{NUMBERS}")
    assert main(["diff", str(folder), "--format", "onnx", "--form", "stream"]) == 1
    text = capsys.readouterr().out
    assert "streaming.stream.onnx on noise_94dB" in text
    assert f"weight module.{NUMBERS} is not the module's" in text
    assert main(["diff", str(folder), "--format", "onnx"]) == 0  # the whole form is as it was


def test_no_stream_to_look_into(published, capsys):
    assert main(["diff", str(published("gammatone")), "--format", "onnx", "--form", "stream"]) == 1
    assert "no onnx (stream) in this folder" in capsys.readouterr().err
    arguments = ["erb_integration_32k", "--format", "onnx", "--form", "stream"]
    assert main(["diff", *arguments]) == 1
    assert "has no streaming form" in capsys.readouterr().err
