"""Pictures of loudness: curves in sone and phon, the maximum marked, specific loudness below."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export import runtime
from amt_export.plot import cams, cochleagram, panels
from amt_export.plot.columns import columns_for
from support.loudness import FC, FS, HOP, NOW, SLOW, WEIGHTS, courses, manifest

FRAMES = 500


def burst(peak: int = 200, ears=(1.0, 1.0)) -> np.ndarray:
    """Audio (2, T) that is loudest in one frame."""
    audio = np.full((2, FRAMES * HOP), 0.5)
    audio[:, peak * HOP : (peak + 1) * HOP] = 4.0
    return audio * np.array(ears)[:, None]


def drawn(audio=None, **fields):
    audio = burst() if audio is None else audio
    return cochleagram(courses(audio), manifest(**fields), FS, "street", audio)


def test_the_picture_is_chosen_by_the_manifest():
    curves, image = panels(courses(burst()), manifest(), FS)
    assert list(curves.courses) == [NOW, SLOW]
    assert image.unit == "sone/Cam"
    (alone,) = panels(courses(burst()), manifest(specific=False), FS)
    assert alone.summary == curves.summary


def test_curves_are_the_loudness_of_both_ears_at_its_time():
    curves, *_ = panels(courses(burst(ears=(1.0, 0.25))), manifest(frame_length=0), FS)
    expected = np.full(FRAMES, 0.5 * 1.25)
    expected[200] = 4.0 * 1.25
    np.testing.assert_allclose(curves.courses[NOW], expected)
    np.testing.assert_allclose(curves.courses[SLOW], expected / 2)
    np.testing.assert_allclose(curves.seconds, np.arange(FRAMES) * HOP / FS)
    assert curves.times == pytest.approx((-HOP / 2 / FS, (FRAMES - 0.5) * HOP / FS))


def test_the_maximum_is_marked_and_named():
    axes = drawn().axes[0]
    marked = axes.lines[-1]
    assert (marked.get_xdata()[0], marked.get_ydata()[0]) == (200 * HOP / FS, 4.0)
    words = [text.get_text() for text in axes.get_legend().get_texts()][-1]
    assert words == f"maximum 4 sone ({runtime.phon(4.0):.0f} phon) at 50 ms"
    assert axes.get_title("left") == "both ears, N5 = 1, N10 = 1 sone"


def test_words_lie_above_the_panel_and_cross_no_line():
    figure = drawn()
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1
    assert not axes.texts


def test_what_nobody_hears_has_a_loudness_of_0():
    figure = drawn(np.full((2, 400), 1e-28))
    assert figure.axes[0].get_title("left") == "both ears, N5 = 0, N10 = 0 sone"


def test_the_waveform_of_two_ears_says_so():
    texts = [text.get_text() for axes in drawn().axes for text in axes.texts]
    assert any(text.startswith("peak\n") and text.endswith("\nboth ears") for text in texts)


def test_phon_on_the_right_are_those_of_the_sone_on_the_left():
    axes = drawn().axes[0]
    (levels,) = axes.child_axes
    assert levels.get_ylabel() == "loudness level (phon)"
    labels = [int(label.get_text()) for label in levels.get_yticklabels()]
    assert labels[-1] == 70
    assert labels == sorted(set(labels))
    np.testing.assert_allclose(runtime.phon(levels.get_yticks()), labels, atol=0.01)
    assert np.diff(levels.get_yticks()).min() > 0.05 * axes.get_ylim()[1]


def test_specific_loudness_lies_at_its_frequency_and_its_colours_begin_at_zero():
    (image,) = drawn().axes[1].get_images()
    low, high = image.get_extent()[2:]
    levels = np.asarray(image.get_array())
    row = levels[:, 200].argmax()
    assert low + (row + 0.5) / len(levels) * (high - low) == pytest.approx(cams(FC[1]), abs=0.1)
    assert image.get_clim() == (0.0, pytest.approx(4.0 * WEIGHTS.max()))
    bars = [axes.get_ylabel() for axes in drawn().axes]
    assert bars.count("sone/Cam") == 1


def test_ears_that_hear_the_same_share_an_image():
    assert [panel.name for panel in panels(courses(burst()), manifest(), FS)[1:]] == [
        "density loudness, the same at both ears"
    ]
    left, right = panels(courses(burst(ears=(1.0, 0.5))), manifest(), FS)[1:]
    assert (left.name, right.name) == ("density loudness, left ear", "density loudness, right ear")
    np.testing.assert_allclose(right.levels, 0.5 * left.levels)


@pytest.mark.parametrize("cuts", [[], [1, 1], [13, 250, 251]])
def test_pieces_make_the_same_panels(cuts):
    """A long recording has fewer columns than frames; a peak stays a peak, an image is a mean."""
    frames = 3 * 2400 - 100
    audio = np.random.default_rng(0).random((2, frames * HOP))
    outputs = courses(audio)
    columns = columns_for(manifest(), FS, dict.fromkeys((NOW, SLOW, "density"), frames), 0)
    timed = {name: value for name, value in outputs.items() if name != "loudest"}
    for part in zip(*(np.split(value, cuts, axis=1) for value in timed.values()), strict=True):
        columns.add(np.zeros((2, 0)), dict(zip(timed, part, strict=True)))
    curves, left, _ = columns.panels()
    now = outputs[NOW][0].sum(axis=1)
    starts = np.arange(0, frames, 3)
    np.testing.assert_allclose(curves.courses[NOW], np.maximum.reduceat(now, starts))
    sums = np.add.reduceat(outputs["density"][0, :, 0], starts, axis=0)
    counts = np.minimum(3, frames - starts)[:, None]
    np.testing.assert_allclose(left.levels, (sums / counts).T)


def test_silence_is_a_picture_too():
    figure = drawn(np.zeros((2, 400)))
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylim() == (0.0, 1.0)
