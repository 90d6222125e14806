"""Times of several calls that take turns, so that a busy moment of the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from amt_export.cli.terminal.progress import Report

SLOW = 5.0
"""s; what takes longer is measured once, because repeating it would keep everyone waiting."""

REST = 0.2
"""s before each turn: threads of OpenMP and ONNX Runtime wait busily for more work when theirs is done, and
would keep a processor from the next one."""

STEADY = 0.2
"""s of runs that do not count at the start of each turn: whoever calls again and again finds caches filled,
threads awake and the processor at its speed."""

LONG = 1.0
"""s; a run of that length needs no others before it."""

WARM_UP = 3
"""Runs that do not count: TorchScript profiles in its first two and compiles in the third."""


@dataclass
class Contender:
    """A call that is timed, and its run times in s.

    Parameters
    ----------
    name : str
    timed : callable
        Returns the time of one call in s, after others that take so many seconds.
    """

    name: str
    timed: Callable[[float], float]
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median run time in s."""
        return statistics.median(self.seconds)

    @property
    def slow(self) -> bool:
        """Whether its first run says that one is enough."""
        return bool(self.seconds) and self.seconds[0] > SLOW

    def run(self, before: float = 0.0) -> None:
        """Run it once, after others that take `before` s, and note the time."""
        self.seconds.append(self.timed(before))


def measure(contenders: Iterable[Contender], repeats: int, report: Report) -> None:
    """Run each call a few times to warm up, then all of them in turns, in each one until it runs steadily.

    Parameters
    ----------
    contenders : iterable of Contender
        Get their run times; a slow one only its first.
    repeats : int
        How often each is run.
    report : callable
        Called with what is running.
    """
    quick: list[tuple[Contender, float]] = []
    for contender in contenders:
        report(f"first run of {contender.name}", 0.0)
        contender.run()
        if contender.slow:
            continue
        for _ in range(WARM_UP - 1):
            contender.run()
        # A run longer than that is in its stride before it is over.
        quick.append((contender, STEADY if contender.seconds[-1] < LONG else 0.0))
        contender.seconds.clear()
    for repeat in range(repeats):
        for contender, steady in quick:
            report(contender.name, repeat / repeats)
            time.sleep(REST)
            contender.run(steady)
