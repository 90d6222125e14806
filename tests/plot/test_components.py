"""Lists of components in pictures: dots at their places, of many in one place the loudest."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.manifest import Manifest, Port
from amt_export.plot import DYNAMIC_RANGE, cams, cochleagram, panels
from amt_export.plot.component_points import MAX_COLUMNS, ComponentPoints
from support.plot import FC, FS


def components(*dots, frames=50, size=6):
    """Packed frequencies and levels (1, S, N) of (frame, Hz, dB)."""
    freqs, levels = np.zeros((1, frames, size)), np.zeros((1, frames, size))
    for frame, hz, level in sorted(dots):
        slot = np.count_nonzero(freqs[0, frame])
        freqs[0, frame, slot], levels[0, frame, slot] = hz, level
    return freqs, levels


LISTS = Manifest(
    name="sparse",
    module="Sparse",
    description="components of two ears",
    parameters={},
    sampling_rate=FS,
    centre_frequencies=FC,
    warm_up=0,
    look_ahead=2047,
    hop=32,
    frame_length=2080,
    inputs=(Port("audio", ("batch", "ear", "time"), "full scale", shape=(1, 2, FS)),),
    outputs=tuple(
        Port(
            f"{what}_{ear}",
            ("batch", "frame", "component"),
            unit,
            components=ear,
            shape=(1, 50, 6),
        )
        for ear in ("left", "right")
        for what, unit in (("freqs", "Hz"), ("levels", "dB SPL"))
    ),
    versions={},
)


def listed(left, right=(), **sizes):
    names = ("freqs_left", "levels_left", "freqs_right", "levels_right")
    arrays = (*components(*left, **sizes), *components(*right, **sizes))
    return dict(zip(names, arrays, strict=True))


def test_components_are_dots_at_their_place():
    outputs = listed([(10, 500.0, 60.0), (20, 2000.0, 30.0)], [(30, 1000.0, 45.0)])
    left, right = panels(outputs, LISTS, FS)
    assert (left.name, right.name) == ("components left", "components right")
    assert left.levels.tolist() == [30.0, 60.0], "the softest is drawn first"
    assert left.hertz.tolist() == [2000.0, 500.0]
    middle = 1023.5
    np.testing.assert_allclose(left.seconds, [(20 * 32 + middle) / FS, (10 * 32 + middle) / FS])
    assert right.seconds == pytest.approx([(30 * 32 + middle) / FS])
    figure = cochleagram(outputs, LISTS, FS, "two ears", np.ones((2, 4000)))
    upper, lower = figure.axes[:2]
    assert upper.get_title("left") == "components left"
    (dots,) = upper.collections
    np.testing.assert_allclose(dots.get_offsets()[:, 1], cams([2000.0, 500.0]))
    assert dots.get_array().tolist() == [30.0, 60.0]
    (others,) = lower.collections
    assert dots.get_clim() == others.get_clim() == (60.0 - DYNAMIC_RANGE, 60.0)
    assert upper.get_ylim() == pytest.approx((cams(FC[0]) - 0.5, cams(FC[-1]) + 0.5), abs=0.5)


def test_of_many_components_in_a_cell_the_loudest_is_drawn():
    crowd = [(2, 4000.0 + i, 20.0 + i) for i in range(6)]
    (left, _) = panels(listed(crowd), LISTS, FS)
    assert left.hertz.tolist() == [4005.0]
    assert left.levels.tolist() == [25.0]


def test_a_long_recording_has_as_many_columns_as_a_short_one():
    frames = 5000
    steady = [(frame, 1000.0, 50.0 + frame % 7) for frame in range(frames)]
    left, right = panels(listed(steady, frames=frames, size=2), LISTS, FS)
    assert 300 < len(left.levels) <= MAX_COLUMNS
    assert set(left.levels) == {56.0}, "each column its loudest"
    assert not len(right.levels)
    np.testing.assert_allclose(np.diff(np.sort(left.seconds)), 12 * 32 / FS)


def test_dots_come_piece_by_piece():
    rng = np.random.default_rng(0)
    dots = [
        (int(f), hz, hz / 100)
        for f, hz in zip(rng.integers(0, 50, 90), rng.uniform(100, 7000, 90), strict=True)
    ]
    freqs, levels = components(*dots, size=30)
    whole, pieces = ComponentPoints("left", "dB SPL", 50), ComponentPoints("left", "dB SPL", 50)
    whole.add(freqs, levels)
    for first, last in ((0, 1), (1, 20), (20, 20), (20, 50)):
        pieces.add(freqs[:, first:last], levels[:, first:last])
    assert pieces.count == whole.count == 50
    for a, b in zip(whole.points(), pieces.points(), strict=True):
        np.testing.assert_array_equal(np.sort(a), np.sort(b))


def test_silence_and_what_is_not_finite_have_no_dots():
    figure = cochleagram(listed([]), LISTS, FS, "nothing", np.zeros((2, 999)))
    assert np.isfinite(figure.axes[0].collections[0].get_clim()).all()
    outputs = listed([(3, 1000.0, 40.0)])
    outputs["levels_left"][0, 3, 0] = np.nan
    assert not len(panels(outputs, LISTS, FS)[0].levels)
