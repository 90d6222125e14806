"""`live` with a model of loudness: a meter, and specific loudness or the loudness level below it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from amt_export import runtime
from amt_export.cli.live_columns import columns_of
from amt_export.cli.live_view import View
from amt_export.cli.terminal.history import History
from amt_export.cli.terminal.loudness import loudness_bars
from amt_export.cli.terminal.scale import LinearScale
from amt_export.cli.terminal.time_axis import LABELS, SCALE
from support.loudness import FS, HOP, WEIGHTS, courses, manifest, publish_loudness

WIDTH = 80


class Shown:
    """A view of a stream on a terminal of 80 x 24 that is a text."""

    def __init__(self, folder, colour=None):
        self.stream = runtime.load_stream(folder)
        source = SimpleNamespace(name="street.wav", seconds=2.0, lost=0)
        self.console = Console(
            file=io.StringIO(), force_terminal=True, width=WIDTH, height=24, color_system=colour
        )
        self.view = View(self.console, self.stream, source, 1.0)
        self._shown = self.view.shown()
        self._push = self._shown.__enter__()

    def push(self, audio):
        self._push(np.asarray(audio, np.float32)[None])

    def lines(self) -> list[str]:
        self._shown.__exit__(None, None, None)
        with self.console.capture() as captured:
            self.console.print(self.view)
        return captured.get().splitlines()


def sound(seconds: float, pascals: float) -> np.ndarray:
    return np.full((2, round(seconds * FS)), pascals)


@pytest.fixture
def shown(tmp_path):
    def open_(**options):
        return Shown(publish_loudness(tmp_path / "tiny", **options))

    return open_


def test_the_meter_reads_what_the_model_gives(shown):
    screen = shown()
    screen.push(sound(0.5, 1.0))
    screen.push(sound(0.25, 4.0))
    screen.push(sound(0.25, 2.0))
    lines = screen.lines()
    assert max(map(len, lines)) <= WIDTH
    quick, slow, most = lines[1:4]
    assert quick.split()[:5] == ["short-term", "4", "sone", "60", "phon"]  # 2 ears
    assert slow.split()[:5] == ["long-term", "2", "sone", "49", "phon"]
    assert most.split() == ["maximum", "4", "sone", "60", "phon", "at", "0.50", "s"]
    assert quick.count("█") > slow.count("█") > 0
    assert "tiny, density loudness: street.wav" in lines[0]
    assert screen.view.summary(False).endswith("maximum 4 sone (60 phon) at 0.50 s")


def test_the_end_of_a_file_is_heard_however_late_it_is_known(shown):
    screen = shown()
    screen.push(sound(0.5, 1.0))
    screen.push(np.full((2, 10), 9.0))  # less than a block
    screen.lines()
    assert screen.view.summary(False).startswith("ended after 0.5 s of street.wav")
    assert screen.view.summary(False).endswith("maximum 9 sone (72 phon) at 0.50 s")


def test_a_bar_spans_120_phon():
    running = SimpleNamespace(short_term=400.0, long_term=0.0, maximum=0.0, seconds=0.0)
    full, empty, most = loudness_bars(running, WIDTH)
    assert len(full) == WIDTH
    assert "█" not in empty
    assert most.rstrip().endswith("phon")


def test_specific_loudness_is_drawn_from_zero(tmp_path):
    audio = np.random.default_rng(0).random((2, 100 * HOP))
    outputs = courses(audio)
    columns = columns_of(manifest())
    assert columns.unit == "sone/Cam"
    columns.widen(10)
    found = np.concatenate(
        [columns.add({"density": part}) for part in np.split(outputs["density"], [33, 34], axis=1)],
        axis=1,
    )
    now = outputs["quick"][0].mean(axis=1).reshape(10, 10).mean(axis=1)
    np.testing.assert_allclose(found, WEIGHTS[:, None] * now, rtol=1e-6)


def test_without_it_the_loudness_level_is_drawn(shown):
    screen = shown(specific=False)
    screen.push(sound(0.5, 0.5))
    screen.push(sound(0.5, 8.0))
    lines = screen.lines()
    assert "tiny, quick loudness level: street.wav" in lines[0]
    rows = [line for line in lines if line[LABELS - 1 : LABELS] in ("┤", "│")]
    columns = WIDTH - LABELS - SCALE
    heights = [
        sum(row[LABELS + column] == "█" for row in rows) for column in (columns // 4, columns - 5)
    ]
    for height, sone in zip(heights, (1.0, 16.0), strict=True):
        assert height == pytest.approx(runtime.phon(sone) / 120 * len(rows), abs=1)
    assert any("phon" in line for line in lines[-3:])


def test_a_level_has_its_label_beside_it():
    history = History(40 + LABELS + SCALE, 14, 2.0)
    history.add(np.full((1, 100), 60.0))
    texts = ["".join(segment.text for segment in line) for line in history.lines()]
    top = next(row for row, text in enumerate(texts) if "█" in text)
    (label,) = [row for row, text in enumerate(texts) if text.startswith("   60┤")]
    assert label in (top, top - 1)
    history.add(np.full((1, 3), np.nan))
    assert "".join(s.text for s in history.lines()[11])[LABELS:].endswith("█   ")


def test_a_linear_scale_ends_at_round_numbers_and_holds_still():
    scale = LinearScale()
    assert scale.labels() == []
    scale.follow(0.0)
    assert scale.top is None
    tops = []
    for largest in (0.13, 0.19, 0.21, 1.6, 1.1, 0.7, 0.5, 0.04):
        scale.follow(largest)
        tops.append(scale.top)
    assert tops == pytest.approx([0.2, 0.2, 0.5, 2.0, 2.0, 2.0, 0.5, 0.05])
    assert scale.labels() == [(1.0, "0.05"), (0.5, "0.025"), (0.0, "0")]
    np.testing.assert_allclose(scale.share(np.array([-1.0, 0.025, 1.0])), [0.0, 0.5, 1.0])
