"""Times of streaming artifacts: how many streams a processor could carry, and what a push adds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export import runtime
from amt_export.cli.own_process import timed
from amt_export.cli.terminal.console import Table
from amt_export.cli.terminal.tables import number, plain_table, size
from amt_export.cli.timing import Contender
from amt_export.manifest import FileEntry, Manifest
from amt_export.runtime.backends import Backend

SECONDS = 0.25
"""Of audio in one run: some blocks, so that one late wake-up of the machine does not count as theirs."""


@dataclass
class _Timed:
    """A backend that knows how long it has run, in s."""

    inner: Backend
    seconds: float = 0.0

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        started = time.perf_counter()
        answer = self.inner.run(inputs)
        self.seconds += time.perf_counter() - started
        return answer


@dataclass
class StreamTimes:
    """A stream that is timed block by block.

    Parameters
    ----------
    folder : Path
        A published folder.
    manifest : Manifest
    entry : FileEntry
        Its streaming artifact.
    audio : ndarray [shape=(..., T)]
        What it hears, over and over.
    """

    folder: Path
    manifest: Manifest
    entry: FileEntry
    audio: NDArray[Any]
    overheads: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        backend = runtime.open_form(self.folder, self.manifest, self.entry.format, "stream")
        self._timed = _Timed(backend)
        self._stream = runtime.Stream(self.manifest, self._timed)
        self.block, self.latency = self._stream.block, self._stream.latency
        rate = self.manifest.sampling_rate or 1.0
        self.blocks = max(1, round(SECONDS * rate / self.block))
        times = -(-self.block // self.audio.shape[-1])
        self._block = np.tile(self.audio, times)[..., : self.block].copy()
        self.seconds = self.blocks * self.block / rate  # of audio
        self.contender = Contender(f"{self.entry.format} stream", partial(timed, self._push))

    def _push(self) -> None:
        self._timed.seconds = 0.0
        started = time.perf_counter()
        for _ in range(self.blocks):
            self._stream.push(self._block)
        all_in_all = time.perf_counter() - started
        self.overheads.append((all_in_all - self._timed.seconds) / self.blocks)

    @property
    def times_real_time(self) -> float:
        """How many times faster than real time."""
        return self.seconds / self.contender.median

    @property
    def overhead(self) -> float:
        """What a push adds to the artifact's own run, in s, median."""
        return statistics.median(self.overheads)


def streams_table(manifest: Manifest, streams: list[StreamTimes]) -> Table:
    """Return block, latency and times of the streams of one folder."""
    columns = ("stream", "size", "block", "latency", "x real", "added per push")
    table = plain_table("", columns, right=columns[1:])
    rate = manifest.sampling_rate or 1.0
    for stream in streams:
        table.add_row(
            stream.entry.format,
            size(stream.entry.bytes),
            milliseconds(stream.block, rate),
            milliseconds(stream.latency, rate),
            number(stream.times_real_time),
            f"{1000 * stream.overhead:.3f} ms",
        )
    return table


def milliseconds(samples: int, rate: float) -> str:
    """Return a number of samples as ``512 (11.6 ms)``."""
    return f"{samples} ({1000 * samples / rate:.3g} ms)"
