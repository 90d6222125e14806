"""What `live` shows: title, loudness meter where there is loudness, a picture that scrolls, status."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from amt_export import runtime
from amt_export.cli.live_columns import Columns, columns_of
from amt_export.cli.sources import FRAME, File, Microphone
from amt_export.cli.terminal.cochlea import Picture
from amt_export.cli.terminal.history import History
from amt_export.cli.terminal.loudness import loudness_bars, maximum
from amt_export.cli.terminal.tables import number
from amt_export.runtime.loudness import RunningLoudness, loudness_outputs

MARGIN = 4
"""Lines besides the picture: title, status, the last line, and the one the cursor is on."""

METER = 4
"""Lines of the loudness meter: three above the picture, and one more at the end."""

TALLEST = 34
"""Lines of the picture at most: on a tall terminal more would only be slower."""


class View:
    """The picture of a stream, with a title above it and what there is to say below it.

    Parameters
    ----------
    console : Console
    stream : Stream
    source : File or Microphone
    seconds : float
        What is to be seen at once.
    """

    def __init__(
        self, console: Console, stream: runtime.Stream, source: File | Microphone, seconds: float
    ) -> None:
        manifest = stream.manifest
        self._fs = float(manifest.sampling_rate or 1)
        self._columns = columns_of(manifest)
        loudness = loudness_outputs(manifest)
        self._loudness = (
            None if loudness is None else RunningLoudness(manifest, loudness, percentiles=False)
        )
        self._picture = _picture(console, self._columns, seconds, self._loudness is not None)
        # Several frames share a column, or one has several: what is seen lasts about as long as asked.
        frames = seconds * self._fs / manifest.hop
        width = max(1, round(frames / self._picture.columns))
        self._repeat = max(1, round(self._picture.columns / frames))
        self._picture.seconds *= width * self._picture.columns / (self._repeat * frames)
        self._columns.widen(width)
        self._console, self._stream, self._source = console, stream, source
        self._busy = 0.0
        self._drawn = 0.0
        self._heard = 0  # samples

    @contextmanager
    def shown(self) -> Iterator[Any]:
        """Give a function that takes the next piece of audio, and draws."""
        with Live(self, console=self._console, auto_refresh=False, transient=False) as live:

            def show(piece: NDArray[Any]) -> None:
                started = time.perf_counter()
                outputs = self._stream.push(piece)
                now = time.perf_counter()
                self._busy += now - started
                self._heard += piece.shape[-1]
                self._add(outputs)
                # A microphone's pieces may be smaller than what an eye sees.
                if now - self._drawn >= 0.8 * FRAME:
                    self._drawn = now
                    live.refresh()

            yield show
            self._add(self._stream.flush())  # what was late by the latency
            live.refresh()

    def _add(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        if self._loudness is not None:
            self._loudness.add(outputs)
        self._picture.add(self._columns.add(outputs).repeat(self._repeat, axis=1))

    def summary(self, interrupted: bool) -> str:
        """Return the last line, and for loudness one more."""
        heard = self._heard / self._fs
        end = "stopped" if interrupted else "ended"
        words = (
            f"{end} after {heard:.1f} s of {self._source.name}, {self._speed()}{self._trouble()}"
        )
        if self._loudness is not None:
            words += f"\n{maximum(self._loudness.maximum, self._loudness.seconds)}"
        return words

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        manifest, info = self._stream.manifest, self._stream.manifest.stream
        heard = self._heard / self._fs
        whole = f" of {self._source.seconds:.1f}" if self._source.seconds else ""
        clock = f"{heard:.1f}{whole} s"
        title = f"{manifest.name}, {self._columns.name}: {self._source.name}"
        room = max(0, options.max_width - len(clock) - 1)
        yield Text(f"{title[:room]:<{room}} {clock}", style="bold", no_wrap=True, overflow="crop")
        if self._loudness is not None:
            for words in loudness_bars(self._loudness, options.max_width - 1):
                yield Text(words, no_wrap=True, overflow="crop")
        for line in self._picture.lines():
            yield from line
            yield Segment.line()
        block = 1000 * self._stream.block / self._fs
        latency = 1000 * (info.latency if info else 0) / self._fs
        status = f"{self._speed()}, block {block:.3g} ms, latency {latency:.3g} ms"
        status += f"{self._trouble()}, Ctrl-C stops"
        yield Text(status, style="dim", no_wrap=True, overflow="ellipsis")

    def _speed(self) -> str:
        factor = self._heard / self._fs / self._busy if self._busy else 0.0
        return f"{number(factor)} x real time"

    def _trouble(self) -> str:
        words = ""
        if self._stream.resets:
            words += f", {self._stream.resets} resets (NaN)"
        if self._source.lost:
            words += f", {self._source.lost} overflows"
        return words


def _picture(
    console: Console, columns: Columns, seconds: float, has_meter: bool
) -> Picture | History:
    height = min(TALLEST, console.height - MARGIN - METER * has_meter)
    if columns.scale is None:
        return History(console.width, height, seconds)
    colours = console.color_system is not None and not console.no_color
    frequencies: NDArray[np.float64] = columns.frequencies
    return Picture(
        frequencies, console.width, height, seconds, columns.unit, colours, columns.scale
    )
