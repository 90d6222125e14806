"""How far a run over a corpus has come."""

from __future__ import annotations

import time
from typing import Any

from amt_export.cli.terminal.progress import Report
from amt_export.cli.terminal.tables import count, duration, errors, number

LOG_EVERY = 60.0
"""s between lines of progress where there is no terminal: in the log of a batch job."""


class Done:
    """What is done of a run, and how long the rest will take."""

    def __init__(self, seconds: float, shards: int) -> None:
        self._seconds, self._shards = seconds, shards
        self._started = time.perf_counter()
        self._made = self._skipped = self._rows = 0
        self._heard = self._cpu = self._passed = self._logged = 0.0
        self.bad = 0

    def add(self, line: dict[str, Any]) -> None:
        """Count a shard's line of the report."""
        self._rows += line["rows"]
        self.bad += line["bad"]
        if line["skipped"]:
            self._skipped += 1
            self._passed += line["seconds"]
        else:
            self._made += 1
            self._heard += line["seconds"]
            self._cpu += line["cpu_seconds"]

    def show(self, report: Report) -> None:
        """Move the bar, or write a line to the log from time to time."""
        elapsed = time.perf_counter() - self._started
        text = f"{self._made + self._skipped} of {self._shards} shards"
        speed = ""
        if self._heard:
            left = max(0.0, self._seconds - self._passed - self._heard) * elapsed / self._heard
            text += f", {duration(left)} left"
            speed = f", {number(self._heard / elapsed)} times real time"
        # Short: it shares a line of 80 columns with the bar and the time.
        report(text, min(1.0, (self._heard + self._passed) / (self._seconds or 1.0)))
        console = errors()
        if not console.is_terminal and elapsed - self._logged >= LOG_EVERY:
            self._logged = elapsed
            console.print(text + speed, soft_wrap=True)

    def summary(self) -> str:
        """Return what was done."""
        text = f"{count(self._rows, 'recording')}, {duration(self._heard + self._passed)}: "
        text += f"{count(self._made, 'shard')} made, {self._skipped} there already"
        if self._cpu > 0 and self._heard:
            text += f"; {number(self._heard / self._cpu)} hours of audio per core-hour"
        return text
