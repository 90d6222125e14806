"""The metric of parity by hand, and what is made of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from amt_export.manifest.ports import Port
from amt_export.verify.parity.compare import Case, Variant, compare, failing, parity_error
from amt_export.verify.parity.metric import difference
from support.filters import noise

LINEAR = Port("y", ("batch", "channel", "time"), "Pa")
LEVEL = Port("e", ("batch", "frame", "channel"), "dB SPL", "db", floor=-100.0)
FREQUENCY = Port("f", ("bin",), "Hz", "frequency")
ANY = {"relative": 1.0, "db": 1.0, "frequency": 0.0}


def test_equal_is_zero_and_so_is_silence():
    y = noise(2, 3, 50).numpy()
    assert difference(y, y, LINEAR) == 0.0
    assert difference(np.zeros((1, 2, 5)), np.zeros((1, 2, 5)), LINEAR) == 0.0
    assert difference(np.full((1, 2, 5), 1e-30), np.zeros((1, 2, 5)), LINEAR) == math.inf


def test_relative_to_the_peak_of_the_channel():
    expected = np.zeros((1, 2, 4))
    expected[0, 0], expected[0, 1] = [0, 2, -4, 1], [0.5, 0, 0, 0]
    found = expected.copy()
    found[0, 1, 3] += 0.001
    assert difference(found, expected, LINEAR) == pytest.approx(0.001 / 0.5)
    found[0, 0, 0] -= 0.1
    assert difference(found, expected, LINEAR) == pytest.approx(0.1 / 4.0)
    assert difference(-expected, expected, LINEAR) == pytest.approx(2.0)


def test_a_channel_below_one_percent_is_measured_against_one_percent():
    expected = np.zeros((1, 2, 4))
    expected[0, 0, 1], expected[0, 1, 2] = 1.0, 1e-4
    found = expected.copy()
    found[0, 1, 2] += 1e-5
    assert difference(found, expected, LINEAR) == pytest.approx(1e-5 / 0.01)
    expected[0, 1, 2] = found[0, 1, 2] = 0.02
    found[0, 1, 2] += 1e-5
    assert difference(found, expected, LINEAR) == pytest.approx(1e-5 / 0.02)


def test_frame_levels_count_within_80_db_of_their_frame_and_60_of_the_signal():
    port = Port("levels", ("batch", "channel", "frame"), "dB SPL", "db", floor=-60.0)
    expected = np.array([[[90.0, 20.0, 100.0], [11.0, 30.0, 41.0], [9.0, -45.0, 39.0]]])

    def off(channel: int, frame: int) -> float:
        found = expected.copy()
        found[0, channel, frame] += 0.5
        return difference(found, expected, port)

    assert off(1, 2) == 0.5
    assert off(0, 0) == 0.5
    assert off(2, 2) == 0.0, "61 dB below the signal's loudest cell"
    assert off(1, 1) == 0.0, "the loudest of its frame, 70 dB below the signal's loudest cell"
    other = Port("e", ("batch", "channel", "frame"), "dB SPL", "db", floor=-60.0)
    found = expected.copy()
    found[0, 1, 1] += 0.5
    assert difference(found, expected, other) == 0.5, "not of frame levels"
    found[0, 2, 0] += 0.5
    assert difference(found, expected, other) == 0.5
    found = expected.copy()
    found[0, 2, 0] += 0.5
    assert difference(found, expected, other) == 0.0, "81 dB below its frame's maximum"
    found = expected.copy()
    found[0, 2, 1] += 0.5
    assert difference(found, expected, other) == 0.5, "75 dB below, and above the floor"


def test_a_loud_row_excuses_no_other_row():
    expected = np.zeros((2, 1, 4))
    expected[0], expected[1] = 1000.0, 1e-3
    found = expected.copy()
    found[1, 0, 0] += 1e-4
    assert difference(found, expected, LINEAR) == pytest.approx(0.1)


@pytest.mark.parametrize("port", [LINEAR, LEVEL])
@pytest.mark.parametrize(
    ("found", "expected", "outcome"),
    [
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.inf, 1.0, math.inf),
        (1.0, -math.inf, math.inf),
        (math.nan, math.nan, 0.0),
        (math.inf, math.inf, 0.0),
    ],
)
def test_what_is_not_finite_must_not_be_finite_in_both(port, found, expected, outcome):
    one, two = np.ones((1, 2, 3)), np.ones((1, 2, 3))
    one[0, 1, 2], two[0, 1, 2] = found, expected
    assert difference(one, two, port) == outcome


def test_shapes_must_agree():
    assert difference(np.ones((1, 2, 3)), np.ones((1, 3, 2)), LINEAR) == math.inf
    assert difference(np.ones((2, 3)), np.ones((1, 2, 3)), LINEAR) == math.inf


def test_levels_are_compared_in_db_within_80_db_above_the_floor():
    expected = np.array([[[60.0, -19.0, -21.0], [-90.0, -99.0, -100.0]]])
    found = expected.copy()
    assert difference(found, expected, LEVEL) == 0.0
    found[0, 0, 2] += 5.0  # 81 dB below the loudest cell of its frame
    found[0, 1, 2] += 5.0  # at the floor
    assert difference(found, expected, LEVEL) == 0.0
    found[0, 0, 1] -= 0.25
    assert difference(found, expected, LEVEL) == 0.25
    found[0, 1, 1] += 0.5
    assert difference(found, expected, LEVEL) == 0.5


def test_frequencies_must_be_equal():
    f = np.array([0.0, 15.625, 1e4 / 3.0])
    assert difference(f.astype(np.float32), f, FREQUENCY) == 0.0
    assert difference(f * (1 + 1e-6), f, FREQUENCY) == math.inf


# Comparing a version


def fixed(outputs):
    return lambda _inputs: outputs


def audio(value: float, samples: int = 4):
    return {"audio": np.full((1, samples), value)}


def test_the_worst_signal_of_every_output_is_kept():
    y = np.ones((1, 1, 4))
    cases = [
        Case("a", {"x": y}, {"y": y, "e": y}),
        Case("b", {"x": y}, {"y": y + 1.0, "e": y + 0.125}),
    ]
    rows = compare(fixed({"y": y, "e": y}), cases, (LINEAR, LEVEL), Variant("f", "whole", "p"), ANY)
    assert [(r.output, r.signal, r.worst, r.kind) for r in rows] == [
        ("y", "b", 0.5, "relative"),
        ("e", "b", 0.125, "db"),
    ]
    assert rows[0].tolerance == 1.0
    assert not failing(rows)


def test_infinite_differences_fail_and_can_be_written():
    y = np.ones((1, 1, 4))
    rows = compare(
        fixed({"y": y * math.nan}), [Case("a", {}, {"y": y})], [LINEAR], Variant("f", "w", "p"), ANY
    )
    assert failing(rows) == rows
    assert math.isfinite(rows[0].worst)
    json.dumps(rows[0].worst, allow_nan=False)
    error = parity_error("m", rows)
    assert error.rows == rows
    assert "m: f w differs" in str(error)
    assert "on a" in str(error)


@pytest.mark.parametrize(
    ("format", "form", "hint"),
    [
        ("onnx", "whole", "; amt-export diff --format onnx says where"),
        ("coreml", "stream", "; amt-export diff --format coreml --form stream says where"),
        ("float64", "whole", "; where float32 can do no better, [parity] float64 allows more"),
        ("torchscript", "whole", "are allowed"),
    ],
)
def test_a_difference_says_what_to_do_next(format, form, hint):
    y = np.ones((1, 1, 4))
    tolerance = {**ANY, "relative": 0.1}
    version = Variant(format, form, "CPU")
    rows = compare(fixed({"y": 2 * y}), [Case("a", {}, {"y": y})], [LINEAR], version, tolerance)
    assert str(parity_error("m", rows)).endswith(hint)
