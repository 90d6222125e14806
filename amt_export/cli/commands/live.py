"""``amt-export live``: a cochleagram that scrolls, of a file in real time or of the microphone."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from amt_export import runtime
from amt_export.audio.calibration import check_audio_model
from amt_export.cli.arguments import Commands, decibel, one_of
from amt_export.cli.sources import FRAME, File, Microphone
from amt_export.cli.terminal.cochlea import Picture
from amt_export.cli.terminal.tables import number, output
from amt_export.errors import (
    AmtExportError,
    InputError,
)
from amt_export.manifest import Manifest, Port, load_manifest
from amt_export.plot.level_columns import DENSITIES, DRAWN, WAVES, Meter
from amt_export.runtime.backends import OPENERS

DESCRIPTION = """\
Draw what an ear model hears, as it hears it, in this terminal.

FILE is played in real time (drawn, not sounded); without it the default
microphone is used, which needs the sounddevice package. Ctrl-C ends it.
"""

EPILOG = """\
examples:
  amt-export live artifacts/gammatone_speech_16k speech.wav
  amt-export live artifacts/gammatone_music_44k
  amt-export live artifacts/gammatone_music_44k --device 3 --seconds 8

frequency is spaced as along the cochlea (ERB-number scale); the colours span
60 dB below the loudest that is to be seen. `x real time` is how many such
streams one processor could carry.
"""

FLOOR = 1e-30
"""Energy that stands for none."""

P0 = 2e-5
"""Pa; the reference of dB SPL."""

ENERGIES = (WAVES, DENSITIES)
"""Axes of outputs whose means are pressures squared, not levels."""

MARGIN = 4
"""Lines besides the picture: title, status, the last line, and the one the cursor is on."""

TALLEST = 34
"""Lines of the picture at most: on a tall terminal more would only be slower."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "live",
        help="a scrolling cochleagram of a file or the microphone",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a published folder with a streaming form"
    )
    parser.add_argument(
        "input",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="a WAV, FLAC, AIFF or OGG file (default: the microphone)",
    )
    parser.add_argument(
        "--backend",
        type=one_of(OPENERS, "backend"),
        default="onnx",
        metavar="B",
        help=f"{', '.join(OPENERS)} (default: onnx)",
    )
    parser.add_argument("--level", type=decibel, metavar="DB", help="RMS level of FILE in dB SPL")
    parser.add_argument(
        "--diotic",
        action="store_true",
        help="play a FILE of one channel to both ears of a model that has two",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="feed the samples as they are, in whatever unit the model takes",
    )
    parser.add_argument(
        "--truncated", action="store_true", help="take what there is of a FILE that ends early"
    )
    parser.add_argument(
        "--seconds",
        type=_duration,
        default=4.0,
        metavar="S",
        help="what is to be seen at once, 0.5 to 600 s (default: 4)",
    )
    parser.add_argument("--device", metavar="NAME", help="microphone: number or part of its name")
    parser.set_defaults(command=run)


def _duration(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 <= value <= 600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0.5 to 600")
    return value


def run(arguments: Namespace) -> int:
    """Draw until the file ends or Ctrl-C comes.

    Raises
    ------
    AmtExportError
        If standard output is no terminal, or anything that is needed is missing.
    """
    console = output()
    manifest = load_manifest(arguments.folder)
    check_audio_model(manifest)
    if not console.is_terminal:
        raise AmtExportError("live draws on a terminal; `amt-export run` writes files")
    with runtime.load_stream(arguments.folder, arguments.backend, on_nonfinite="reset") as stream:
        if stream.manifest.streaming().inputs[0].shape[0] != 1:
            raise InputError(f"{manifest.name}: was built for several signals at once")
        source: File | Microphone
        if arguments.input:
            source = File(
                arguments.input,
                manifest,
                arguments.level,
                diotic=arguments.diotic,
                raw=arguments.raw,
                truncated=arguments.truncated,
            )
        else:
            source = Microphone(arguments.device, manifest, raw=arguments.raw)
        for line in (f"calibration: {source.calibration}", *source.remarks):
            console.print(line, soft_wrap=True)
        view = View(console, stream, source, arguments.seconds)
        interrupted = False
        try:
            with source.opened() as pieces, view.shown() as show:
                for piece in pieces:
                    show(piece)
        except KeyboardInterrupt:
            interrupted = True
        console.print(view.summary(interrupted), soft_wrap=True)
    return 0


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
        self._port = _drawn(manifest)
        height = min(TALLEST, console.height - MARGIN)
        colours = console.color_system is not None and not console.no_color
        frequencies = np.asarray(manifest.centre_frequencies, np.float64)
        unit = _unit(self._port)
        self._picture = Picture(frequencies, console.width, height, seconds, unit, colours)
        self._fs = float(manifest.sampling_rate or 1)
        # Several frames share a column, or one has several: what is seen lasts about as long as asked.
        frames = seconds * self._fs / manifest.hop
        width = max(1, round(frames / self._picture.columns))
        self._repeat = max(1, round(self._picture.columns / frames))
        self._picture.seconds *= width * self._picture.columns / (self._repeat * frames)
        self._meter = Meter(self._port, width)
        self._console, self._stream, self._source = console, stream, source
        self._busy = 0.0
        self._drawn = 0.0

    @contextmanager
    def shown(self) -> Iterator[Any]:
        """Give a function that takes the next piece of audio, and draws."""
        with Live(self, console=self._console, auto_refresh=False, transient=False) as live:

            def show(piece: NDArray[Any]) -> None:
                started = time.perf_counter()
                outputs = self._stream.push(piece)
                now = time.perf_counter()
                self._busy += now - started
                self._picture.add(self._levels(outputs[self._port.name]))
                # A microphone's pieces may be smaller than what an eye sees.
                if now - self._drawn >= 0.8 * FRAME:
                    self._drawn = now
                    live.refresh()

            yield show
            live.refresh()

    def summary(self, interrupted: bool) -> str:
        """Return the last line."""
        heard = self._stream.samples / self._fs
        end = "stopped" if interrupted else "ended"
        return f"{end} after {heard:.1f} s of {self._source.name}, {self._speed()}{self._trouble()}"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        manifest, info = self._stream.manifest, self._stream.manifest.stream
        heard = self._stream.samples / self._fs
        whole = f" of {self._source.seconds:.1f}" if self._source.seconds else ""
        clock = f"{heard:.1f}{whole} s"
        title = f"{manifest.name}, {self._port.name.replace('_', ' ')}: {self._source.name}"
        room = max(0, options.max_width - len(clock) - 1)
        yield Text(f"{title[:room]:<{room}} {clock}", style="bold", no_wrap=True, overflow="crop")
        for line in self._picture.lines():
            yield from line
            yield Segment.line()
        block = 1000 * self._stream.block / self._fs
        latency = 1000 * (info.latency if info else 0) / self._fs
        status = f"{self._speed()}, block {block:.3g} ms, latency {latency:.3g} ms"
        status += f"{self._trouble()}, Ctrl-C stops"
        yield Text(status, style="dim", no_wrap=True, overflow="ellipsis")

    def _levels(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the columns that are complete, in dB."""
        means = self._meter.add(outputs).repeat(self._repeat, axis=1)
        if self._port.axes not in ENERGIES:
            return means
        reference = P0**2 if self._port.unit.startswith("Pa") else 1.0
        with np.errstate(invalid="ignore"):  # NaN is nothing that can be drawn
            levels: NDArray[np.float64] = 10 * np.log10(np.maximum(means, FLOOR) / reference)
        return levels

    def _speed(self) -> str:
        factor = self._stream.samples / self._fs / self._busy if self._busy else 0.0
        return f"{number(factor)} x real time"

    def _trouble(self) -> str:
        words = ""
        if self._stream.resets:
            words += f", {self._stream.resets} resets (NaN)"
        if self._source.lost:
            words += f", {self._source.lost} overflows"
        return words


def _drawn(manifest: Manifest) -> Port:
    """Return the first output that can be drawn.

    Raises
    ------
    InputError
        If there is none.
    """
    for port in manifest.outputs:
        if port.axes in (*DRAWN, DENSITIES):
            return port
    raise InputError(f"{manifest.name}: no output over time and frequency to draw")


def _unit(port: Port) -> str:
    if port.axes not in ENERGIES:
        return port.unit
    if port.axes == DENSITIES:
        return "dB SPL/Hz"
    return "dB SPL" if port.unit == "Pa" else f"dB re {port.unit}"
