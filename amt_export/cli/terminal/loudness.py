"""What the terminal says about loudness."""

from __future__ import annotations

from amt_export.cli.terminal.tables import number
from amt_export.runtime.loudness import LoudnessSummary
from amt_export.runtime.phon import phon


def sone_and_phon(sone: float) -> str:
    """Return a loudness as ``12.3 sone (77 phon)``."""
    return f"{number(sone)} sone ({phon(sone):.0f} phon)"


def loudness_lines(summary: LoudnessSummary) -> list[str]:
    """Return maximum and percentiles, one line each."""
    return [
        f"long-term loudness: maximum {sone_and_phon(summary.maximum)} at {summary.seconds:.2f} s",
        f"short-term loudness: N5 = {sone_and_phon(summary.n5)}, N10 = {sone_and_phon(summary.n10)}",
    ]
