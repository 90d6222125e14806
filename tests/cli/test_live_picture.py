"""The picture that `live` draws, by itself: every level at its frequency and time."""

from __future__ import annotations

import numpy as np

from amt_export.cli.terminal.cochlea import INK, Picture
from amt_export.cli.terminal.time_axis import LABELS, SCALE


def picture(columns=40, rows=10, colours=True) -> Picture:
    frequencies = np.array([200.0, 400.0, 800.0, 1600.0, 3200.0])
    width = columns + LABELS + SCALE
    return Picture(frequencies, width, rows + 2, 2.0, "dB SPL", colours)


def text_of(lines) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


def test_the_loudest_place_is_where_its_frequency_is():
    shown = picture(colours=False)
    levels = np.full((5, 40), 10.0)
    levels[3] = 70.0  # 1600 Hz
    shown.add(levels)
    lines = text_of(shown.lines())
    brightest = max(range(10), key=lambda row: INK.index(lines[row][20]))
    (labelled,) = [row for row, line in enumerate(lines) if line.startswith("   2k┤")]
    assert brightest - labelled in (1, 2)  # 1600 Hz is a little below
    assert lines[0].rstrip().endswith("70")
    assert lines[9].rstrip().endswith("10")


def test_time_moves_to_the_left():
    shown = picture(colours=False)
    shown.add(np.full((5, 1), 60.0))
    shown.add(np.full((5, 3), 45.0))
    row = text_of(shown.lines())[5][6:46]
    assert row[:37] == " " * 36 + "@"
    assert row[37] == row[38] == row[39] != "@"
    shown.add(np.full((5, 100), 45.0))  # more than fits
    assert text_of(shown.lines())[5][6:46] == 40 * row[39]


def test_the_scale_moves_by_whole_steps_and_not_for_silence():
    shown = picture()
    shown.add(np.full((5, 1), -np.inf))
    assert shown.scale.top is None
    shown.lines()
    shown.add(np.full((5, 1), 61.0))
    assert shown.scale.top == 70.0
    shown.add(np.full((5, 40), 45.0))
    assert shown.scale.top == 70.0
    shown.add(np.full((5, 40), 31.0))
    assert shown.scale.top == 40.0
    shown.add(np.full((5, 2), np.nan))
    assert shown.scale.top == 40.0
    assert all(len(line) <= 40 + LABELS + SCALE for line in text_of(shown.lines()))


def test_a_tone_between_two_rows_is_seen():
    """A thousand bins on ten rows: each row shows the loudest of its own."""
    shown = Picture(np.linspace(0.0, 16000.0, 1025), 56, 12, 2.0, "dB SPL/Hz", colours=False)
    levels = np.zeros((1025, 40))
    levels[700] = 60.0
    shown.add(levels)
    assert sum("@" in line[LABELS:46] for line in text_of(shown.lines())[:10]) == 1
