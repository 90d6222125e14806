"""What the terminal says about loudness: sentences for `run`, a meter for `live`."""

from __future__ import annotations

from amt_export.cli.terminal.tables import number
from amt_export.runtime.loudness import LoudnessSummary, RunningLoudness, time_of
from amt_export.runtime.phon import LAST, is_beyond, phon, phon_words

LOUDEST = float(LAST)
"""Phon at the right end of a bar, where the table of `runtime.phon` ends."""

EIGHTHS = " ▏▎▍▌▋▊▉"
"""Parts of a character, from the left."""


def sone_and_phon(sone: float) -> str:
    """Return a loudness as ``12.3 sone (77 phon)``."""
    return f"{number(sone)} sone ({phon_words(sone)})"


def loudness_level(sone: float) -> str:
    """Return a loudness level in phon for a column: ``77``, ``>120``."""
    return f">{LAST}" if is_beyond(sone) else f"{phon(sone):.0f}"


def loudness_lines(summary: LoudnessSummary) -> list[str]:
    """Return maximum and percentiles, one line each."""
    return [
        f"long-term loudness: {maximum(summary.maximum, summary.seconds)}",
        f"short-term loudness: N5 = {sone_and_phon(summary.n5)}, N10 = {sone_and_phon(summary.n10)}",
    ]


def maximum(sone: float, seconds: float) -> str:
    """Return a maximum as ``maximum 12.3 sone (77 phon) at 3.21 s``."""
    return f"maximum {sone_and_phon(sone)} at {time_of(seconds)}"


def loudness_bars(running: RunningLoudness, width: int) -> list[str]:
    """Return the loudness now with bars of its level in phon, and the maximum so far, a line each.

    Parameters
    ----------
    running : RunningLoudness
    width : int
        Characters of a line.
    """
    lines = []
    for name, sone in (("short-term", running.short_term), ("long-term", running.long_term)):
        words = _reading(name, sone)
        lines.append(f"{words}  {_bar(phon(sone) / LOUDEST, width - len(words) - 2)}")
    when = f"  at {time_of(running.seconds)}" if running.maximum else ""
    return [*lines, _reading("maximum", running.maximum) + when]


def _reading(name: str, sone: float) -> str:
    return f"{name:<10} {number(sone):>7} sone {loudness_level(sone):>4} phon"


def _bar(share: float, width: int) -> str:
    eighths = round(8 * width * min(1.0, max(0.0, share)))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
