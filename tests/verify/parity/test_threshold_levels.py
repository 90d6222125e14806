"""Levels made of components at a threshold: anywhere between the bounds they are right."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from amt_export.modules import Moore2016FrontEnd
from amt_export.verify.parity.cases import module_cases
from amt_export.verify.parity.threshold import Bounds, judge
from support.thresholds import audible_hiss, undecided


def level_case():
    expected = np.full((1, 4, 5), 60.0)
    strict, lenient = expected.copy(), expected.copy()
    strict[0, 1, 2] = 40.0  # a component that is there
    lenient[0, 2, 3] = 61.0  # one that is not
    lenient[0, 3, 3] = 60.0005  # one that nobody sees
    return {"e": expected}, Bounds({"e": strict}, {"e": lenient})


def test_levels_may_be_anywhere_between_the_bounds():
    (port,) = Moore2016FrontEnd.output_ports[:1]
    port = replace(port, name="e")
    expected, bounds = level_case()

    def of(frame, channel, value):
        found = expected["e"].copy()
        found[0, frame, channel] = value
        return judge({"e": found}, expected, bounds, port, [port])

    assert (of(0, 0, 60.0).flips, of(0, 0, 60.0).undecided) == (0, 2)
    for frame, channel, value, error, flips in (
        (1, 2, 40.0, 0.0, 1),
        (1, 2, 50.0, 0.0, 1),
        (1, 2, 39.0, 1.0, 1),
        (1, 2, 60.25, 0.25, 1),
        (1, 3, 59.75, 0.25, 0),
        (2, 3, 61.0, 0.0, 1),
        (2, 3, 61.5, 0.5, 1),
        (0, 0, 60.25, 0.25, 0),
        (3, 3, 60.0004, 0.0, 0),
    ):
        judgement = of(frame, channel, value)
        assert judgement.errors.max() == pytest.approx(error, abs=1e-9), (frame, channel, value)
        assert judgement.flips == flips, (frame, channel, value)
    assert of(1, 2, math.nan).errors.max() == math.inf
    assert of(1, 2, math.inf).errors.max() == math.inf


def test_every_choice_of_components_lies_between_the_bounds_of_the_front_end(case):
    """Excitation grows with every component: also when some are in and some are out."""
    audio = torch.from_numpy(audible_hiss())
    module = Moore2016FrontEnd(dtype=torch.float64).frozen(4000)
    (front,) = module_cases({"hiss": {"audio": audio.numpy()}}, module, "float64")
    found = list(undecided(case))
    assert found
    for name in ("excitation_left", "excitation_right"):
        rounding = 1e-9  # dB
        assert (front.bounds.strict[name] <= front.outputs[name] + rounding).all()
        assert (front.outputs[name] <= front.bounds.lenient[name] + rounding).all()
    own, one, far = module.at_thresholds((0.0, 0.004, 0.1), audio)
    for output, known in zip(own, module(audio), strict=True):
        torch.testing.assert_close(output, known, rtol=0.0, atol=1e-9)
    outputs = {"excitation_left": one[0].numpy(), "excitation_right": one[1].numpy()}
    for port in module.output_ports:
        judgement = judge(outputs, front.outputs, front.bounds, port, module.output_ports)
        assert judgement.errors.max() < 1e-9
    judgement = judge(
        {"excitation_left": far[0].numpy(), "excitation_right": far[1].numpy()},
        front.outputs,
        front.bounds,
        module.output_ports[0],
        module.output_ports,
    )
    assert judgement.errors.max() > 1e-3
