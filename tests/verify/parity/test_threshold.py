"""Components at a threshold: within 0.01 dB they are counted and bounded, further away they are wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from amt_export.manifest import ParityRow
from amt_export.modules import GammatoneFilterbank, Moore2016Spectrum
from amt_export.verify.parity.cases import module_cases
from amt_export.verify.parity.compare import Version, compare, failing, parity_error
from amt_export.verify.parity.threshold import MARGIN_DB, judge
from support.filters import noise
from support.thresholds import lists, undecided

PORTS = Moore2016Spectrum.output_ports
FREQS, LEVELS = PORTS[:2]
TOLERANCE = {"frequency": 0.0, "db": 1e-3}


def judged(outputs, case, port):
    return judge(outputs, case.outputs, case.bounds, port, PORTS)


def worst(outputs, case, port):
    return float(judged(outputs, case, port).errors.max())


def with_list(case, row, freqs, levels):
    """The outputs with another list of components in one frame of the left ear."""
    outputs = {name: value.copy() for name, value in case.outputs.items()}
    outputs["freqs_left"][0, row] = 0.0
    outputs["levels_left"][0, row] = 0.0
    order = np.argsort(freqs)
    outputs["freqs_left"][0, row, : len(freqs)] = np.asarray(freqs)[order]
    outputs["levels_left"][0, row, : len(freqs)] = np.asarray(levels)[order]
    return outputs


def flipped(case, row, f):
    """The outputs with one component decided otherwise."""
    freqs, levels = lists(case, case.outputs, row)
    if f in freqs:
        return with_list(case, row, freqs[freqs != f], levels[freqs != f])
    known, level = lists(case, case.bounds.lenient, row)
    return with_list(case, row, np.append(freqs, f), np.append(levels, level[known == f]))


def test_bounds_lie_on_both_sides(case):
    """What the strict module keeps the module keeps, and what the module keeps the lenient one keeps."""
    found = list(undecided(case))
    assert len(found) > 20
    assert {kept for _, _, kept in found} == {True, False}
    for row in range(case.outputs["freqs_left"].shape[1]):
        strict, kept, lenient = (
            set(lists(case, o, row)[0])
            for o in (case.bounds.strict, case.outputs, case.bounds.lenient)
        )
        assert strict <= kept <= lenient
    assert MARGIN_DB == 0.01
    # and both within the margin of the threshold, 60 dB below the frame's maximum
    for row, f, _ in found:
        known, levels = lists(case, case.bounds.lenient, row)
        assert abs(levels.max() - 60.0 - levels[known == f][0]) <= MARGIN_DB + 1e-9


def test_equal_is_zero_and_says_what_there_was_to_decide(case):
    for port in PORTS:
        judgement = judged(case.outputs, case, port)
        assert judgement.errors.shape == (958,)
        assert not judgement.errors.any()
        assert judgement.flips == 0
    assert judged(case.outputs, case, FREQS).undecided == len(list(undecided(case)))


@pytest.mark.parametrize("kept", [True, False])
def test_a_flip_within_the_margin_is_counted_and_passes(case, kept):
    row, f, _ = next(found for found in undecided(case) if found[2] is kept)
    outputs = flipped(case, row, f)
    assert not np.array_equal(outputs["freqs_left"], case.outputs["freqs_left"])
    for port in (FREQS, LEVELS):
        judgement = judged(outputs, case, port)
        assert judgement.flips == 1
        assert judgement.errors.max() < 1e-9
    assert judged(outputs, case, PORTS[2]).flips == 0, "the other ear"
    (freqs, levels, *_) = compare(
        lambda _: outputs, [case], PORTS, Version("onnx", "whole", "p"), TOLERANCE
    )
    assert (freqs.flips, freqs.within, levels.within) == (1, True, True)


@pytest.mark.parametrize("kept", [True, False])
def test_a_flip_hides_no_other_difference(case, kept):
    """After a flip all components behind it stand in other slots; each is compared with itself."""
    row, f, _ = next(found for found in undecided(case) if found[2] is kept)
    outputs = flipped(case, row, f)
    slot = np.count_nonzero(outputs["freqs_left"][0, row]) - 1
    outputs["levels_left"][0, row, slot] += 0.25
    judgement = judged(outputs, case, LEVELS)
    assert judgement.errors[slot] == pytest.approx(0.25)
    assert np.count_nonzero(judgement.errors > 1e-9) == 1
    outputs["freqs_left"][0, row, slot] += 1.0
    assert worst(outputs, case, FREQS) == math.inf


def test_a_component_dropped_far_from_the_threshold_is_wrong(case):
    freqs, levels = lists(case, case.outputs, 5)
    for gone in (int(levels.argmax()), int(np.abs(levels - levels.max() + 59.0).argmin())):
        keep = np.arange(len(freqs)) != gone
        outputs = with_list(case, 5, freqs[keep], levels[keep])
        assert worst(outputs, case, FREQS) == math.inf
        assert worst(outputs, case, LEVELS) == math.inf


def test_a_component_added_far_from_the_threshold_is_wrong(case):
    freqs, levels = lists(case, case.outputs, 5)
    lenient, _ = lists(case, case.bounds.lenient, 5)
    grid = np.arange(2, 960) * 15.625
    f = np.setdiff1d(grid, lenient)[0]
    for level in (levels.max() - 59.5, levels.max() - 60.0, levels.max() - 70.0):
        outputs = with_list(case, 5, np.append(freqs, f), np.append(levels, level))
        assert worst(outputs, case, FREQS) == math.inf


def test_a_flipped_component_must_have_its_own_level(case):
    row, f, _ = next(found for found in undecided(case) if not found[2])
    outputs = flipped(case, row, f)
    slot = int(np.flatnonzero(outputs["freqs_left"][0, row] == f)[0])
    outputs["levels_left"][0, row, slot] -= 0.5
    assert worst(outputs, case, LEVELS) == pytest.approx(0.5)


@pytest.mark.parametrize("spoil", ["order", "gap", "behind", "nan"])
def test_a_list_must_be_packed(case, spoil):
    row, f, _ = next(found for found in undecided(case) if found[2])
    outputs = flipped(case, row, f)
    freqs, levels = outputs["freqs_left"][0, row], outputs["levels_left"][0, row]
    count = np.count_nonzero(freqs)
    if spoil == "order":
        freqs[[3, 4]], levels[[3, 4]] = freqs[[4, 3]], levels[[4, 3]]
    elif spoil == "gap":
        freqs[[count - 1, count]], levels[[count - 1, count]] = (
            freqs[[count, count - 1]],
            levels[[count, count - 1]],
        )
    elif spoil == "behind":
        levels[count] = 3.0
    else:
        levels[2] = math.nan
    assert worst(outputs, case, LEVELS) == math.inf


def test_too_many_flips_are_refused(case):
    """Each of them may be, but a threshold that is 0.005 dB off takes half of them otherwise."""
    chosen = [found for found in undecided(case) if not found[2]]
    outputs = case.outputs
    for row, f, _ in chosen:
        outputs = flipped(replace(case, outputs=outputs), row, f)
    rows = compare(lambda _: outputs, [case], PORTS, Version("onnx", "whole", "p"), TOLERANCE)
    assert rows[0].flips == len(chosen)
    assert rows[0].worst == 0.0
    assert [row.output for row in failing(rows)] == ["freqs_left", "levels_left"]
    message = str(parity_error("m", rows))
    assert f"decides {len(chosen)} of {rows[0].undecided} otherwise" in message
    assert "\n" not in message


@pytest.mark.parametrize(("undecided", "most"), [(0, 2), (9, 2), (40, 6), (1000, 102)])
def test_how_many_flips_there_may_be(undecided, most):
    row = ParityRow("onnx", "whole", "p", "f", "frequency", 0.0, "hiss", 0.0, "execution")
    for flips in (0, most, most + 1):
        here = replace(row, flips=flips, undecided=undecided)
        assert here.within is (flips <= most)


def test_shapes_and_missing_bounds(case):
    outputs = {name: value[:, :, :-1] for name, value in case.outputs.items()}
    assert worst(outputs, case, FREQS) == math.inf
    row, f, _ = next(undecided(case))
    plain = replace(case, bounds=None)
    assert worst(flipped(case, row, f), plain, FREQS) == math.inf, "equal means equal"


def test_modules_without_a_threshold_have_no_bounds():
    module = GammatoneFilterbank((700.0, 1300.0), 16000).frozen(100)
    assert module.at_thresholds((0.01,), noise(1, 100)) is None
    (case,) = module_cases({"a": {"audio": noise(1, 100).numpy()}}, module, "float32")
    assert case.bounds is None
