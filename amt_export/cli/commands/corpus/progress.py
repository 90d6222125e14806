"""How far a run over a corpus has come."""

from __future__ import annotations

import time
from typing import Any

from amt_export.cli.terminal.progress import Report
from amt_export.cli.terminal.tables import count, duration, errors, number


class Done:
    """What is done of a run, and how long the rest will take."""

    def __init__(self, seconds: float, shards: int) -> None:
        self._seconds, self._shards = seconds, shards
        self._started = time.perf_counter()
        self._made = self._skipped = self._rows = 0
        self._heard = self._cpu = self._passed = 0.0
        self.bad = 0

    def add(self, line: dict[str, Any]) -> None:
        """Count a shard's line of the report, and write a line to the log of a batch job if it was made."""
        self._rows += line["rows"]
        self.bad += line["bad"]
        if line["skipped"]:
            self._skipped += 1
            self._passed += line["seconds"]
        else:
            self._made += 1
            self._heard += line["seconds"]
            self._cpu += line["cpu_seconds"]
            if not (console := errors()).is_terminal:
                bad = f", {line['bad']} bad" if line["bad"] else ""
                console.print(
                    f"{line['file']}: {count(line['rows'], 'recording')}{bad}, {duration(line['seconds'])} "
                    f"({self._made + self._skipped} of {count(self._shards, 'shard')})",
                    soft_wrap=True,
                )

    def show(self, report: Report) -> None:
        """Move the bar."""
        elapsed = time.perf_counter() - self._started
        text = f"{self._made + self._skipped} of {self._shards} shards"
        if self._heard:
            left = max(0.0, self._seconds - self._passed - self._heard) * elapsed / self._heard
            text += f", {duration(left)} left"
        # Short: it shares a line of 80 columns with the bar and the time.
        report(text, min(1.0, (self._heard + self._passed) / (self._seconds or 1.0)))

    def summary(self) -> str:
        """Return what was done."""
        text = f"{count(self._rows, 'recording')}, {duration(self._heard + self._passed)}: "
        text += f"{count(self._made, 'shard')} made, {self._skipped} there already"
        if self._cpu > 0 and self._heard:
            text += f"; {number(self._heard / self._cpu)} hours of audio per core-hour"
        return text
