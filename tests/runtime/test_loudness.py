"""Loudness of a recording: maximum, its time, percentiles, found by what the manifest says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amt_export import runtime
from amt_export.errors import InputError
from amt_export.runtime.loudness import RunningLoudness, loudness_outputs
from support.loudness import FS, HOP, NOW, SLOW, courses, manifest
from support.plot import SUBBANDS


def test_a_percentile_is_what_is_exceeded_for_that_share_of_the_time():
    loudness = np.random.default_rng(0).permutation(np.arange(1000.0))
    for percent in (0.0, 5.0, 10.0, 50.0, 100.0):
        found = runtime.percentile_loudness(loudness, percent)
        assert np.mean(loudness > found) == pytest.approx(percent / 100, abs=0.002)
    assert runtime.percentile_loudness(loudness) == runtime.percentile_loudness(loudness, 5.0)


def test_a_percentile_of_two_ears_is_that_of_their_sum():
    ears = np.random.default_rng(0).random((500, 2)).astype(np.float32)
    expected = runtime.percentile_loudness(ears.astype(float).sum(axis=1))
    assert runtime.percentile_loudness(ears) == expected
    assert runtime.percentile_loudness(ears[None]) == expected  # as process_file gives it


def test_percentiles_of_nothing_and_of_what_is_no_loudness():
    assert np.isnan(runtime.percentile_loudness([]))
    for shape in ((), (3, 5), (3, 4, 2), (1, 4, 3)):
        with pytest.raises(InputError, match=r"short_term: needs shape \(S,\) or \(S, 2\)"):
            runtime.percentile_loudness(np.zeros(shape))
    for percent in (-1.0, 101.0, np.nan):
        with pytest.raises(InputError, match="from 0 to 100"):
            runtime.percentile_loudness([1.0], percent)


def test_outputs_are_recognised_by_unit_and_reduction():
    found = loudness_outputs(manifest())
    assert (found.short_term.name, found.long_term.name) == (NOW, SLOW)
    assert loudness_outputs(SUBBANDS) is None
    alone = replace(manifest(), outputs=(found.short_term,))
    assert loudness_outputs(alone) == (found.short_term, found.short_term)


@pytest.mark.parametrize("cuts", [[], [1], [0, 0, 77, 300]])
def test_the_summary_of_pieces_is_that_of_the_whole(cuts):
    audio = np.random.default_rng(1).random((2, 400 * HOP))
    audio[:, 123 * HOP : 124 * HOP] = 3.0
    outputs = courses(audio)
    running = RunningLoudness(manifest(), loudness_outputs(manifest()))
    timed = {name: value for name, value in outputs.items() if name != "loudest"}
    for part in zip(*(np.split(value, cuts, axis=1) for value in timed.values()), strict=True):
        running.add(dict(zip(timed, part, strict=True)))
    summary = running.summary()
    assert summary.maximum == pytest.approx(3.0)  # 2 ears, half the quick one
    assert summary.seconds == pytest.approx(123 * HOP / FS)
    now = outputs[NOW][0].sum(axis=1)
    assert summary.n5 == pytest.approx(np.percentile(now, 95), rel=1e-6)
    assert summary.n10 == pytest.approx(np.percentile(now, 90), rel=1e-6)
    assert running.short_term == pytest.approx(now[-1])
    assert running.long_term == pytest.approx(0.5 * now[-1])


def test_silence_has_no_maximum():
    running = RunningLoudness(manifest(), loudness_outputs(manifest()))
    assert running.summary().maximum == 0.0
    running.add(courses(np.zeros((2, 40))))
    assert running.summary() == type(running.summary())(0.0, 0.0, 0.0, 0.0)
