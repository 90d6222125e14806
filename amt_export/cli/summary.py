"""The table beside the results of many recordings: a row for each, also for those that were skipped."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from amt_export.audio.file_names import as_text
from amt_export.cli.convert import Outcome
from amt_export.cli.terminal.files import replacing
from amt_export.runtime.loudness import LoudnessSummary
from amt_export.runtime.phon import is_beyond, phon, phon_words

SUMMARY = "summary.csv"
"""In the output folder: a row for each recording."""

LOUDNESS_COLUMNS = ("loudness_sone", "loudness_phon", "maximum_at_s", "n5_sone", "n10_sone")
"""Of `SUMMARY`, where the model gives loudness."""


def write_summary(path: Path, outcomes: Sequence[Outcome], out: Path) -> None:
    """Write the table.

    Parameters
    ----------
    path : Path
        The file.
    outcomes : sequence of Outcome
        In the order of its rows.
    out : Path
        Folder of the results; their names are relative to it.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        loud = any(outcome.loudness is not None for outcome in outcomes)
        columns = LOUDNESS_COLUMNS if loud else ()
        first = ("recording", "result", "seconds", "level_db_spl")
        writer.writerow([*first, *columns, "remarks", "error"])
        for outcome in outcomes:
            result = outcome.files[0].relative_to(out) if outcome.files else ""
            heard = f"{outcome.seconds:.3f}" if not outcome.error else ""
            level = "" if outcome.level is None else f"{outcome.level:.2f}"
            loudness = _loudness_cells(outcome.loudness)[: len(columns)]
            remarks = "; ".join([*_averaged(outcome), *_beyond(outcome.loudness), *outcome.remarks])
            row = (outcome.source, result, heard, level, *loudness, remarks, outcome.error)
            writer.writerow([as_text(str(cell)) for cell in row])


def _loudness_cells(loud: LoudnessSummary | None) -> tuple[str, ...]:
    """Return the cells of `LOUDNESS_COLUMNS`."""
    if loud is None:
        return ("",) * len(LOUDNESS_COLUMNS)
    # A column of numbers: what has no loudness level has no number here, and a remark.
    level = "" if is_beyond(loud.maximum) else f"{phon(loud.maximum):.2f}"
    maximum = f"{loud.maximum:.6g}", level, f"{loud.seconds:.3f}"
    return (*maximum, f"{loud.n5:.6g}", f"{loud.n10:.6g}")


def _beyond(loud: LoudnessSummary | None) -> list[str]:
    """Say why a loudness has no loudness level."""
    return [phon_words(loud.maximum)] if loud is not None and is_beyond(loud.maximum) else []


def _averaged(outcome: Outcome) -> list[str]:
    """Say that channels were averaged, which is no fault and no warning."""
    return [f"{outcome.averaged} channels averaged"] if outcome.averaged else []
