"""Pieces of the page: numbers with a bar, tables that scroll by themselves, words for sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from amt_export.manifest import ParityRow
from amt_export.report.markdown import amount

HEADINGS = {
    "float64": "float64",
    "torchscript": "TorchScript",
    "exported_program": "Exported&shy;Program",
    "onnx": "ONNX",
    "coreml": "Core ML",
}
"""What is compared, in the order of the page; the first is no file."""


def share(row: ParityRow) -> float:
    """How much of what is allowed is used up: 1 is all of it."""
    if row.worst is None or row.worst == 0:
        return 0.0
    return row.worst / row.tolerance if row.tolerance else math.inf


def difference(row: ParityRow) -> str:
    """The number, its share of the tolerance, a verdict in words for those who see no colours, and a bar."""
    if row.worst is None:
        return "<span class=none>interface only</span>"
    used = share(row)
    verdict = "" if row.within else " <strong class=bad>too much</strong>"
    width = max(1, min(100, round(100 * used))) if used else 0
    return (
        f"<span class=num>{escape(amount(row.worst, row.kind))}</span>{verdict}"
        f" <span class=share>{_percent(used)}</span>"
        f'<span class="bar {"good" if row.within else "wrong"}" aria-hidden=true>'
        f"<i style=width:{width}%></i></span>"
    )


def _percent(used: float) -> str:
    if used == 0:
        return "0 %"
    if used < 0.01:
        return "&lt; 1 %"
    return f"{100 * used:.0f} %" if used <= 10 else "&gt; 1000 %"


def breakable(name: str) -> str:
    """A name with line breaks allowed after underscores and dots."""
    return escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>")


def rows_of(cells: Sequence[str], format: str = "", scope: bool = True) -> str:
    """One row of a table; a format makes it one that the filter hides."""
    first, *others = cells
    mark = f' data-format="{escape(format)}"' if format else ""
    head = f"<th scope=row>{first}" if scope else f"<td>{first}"
    return f"<tr{mark}>{head}" + "".join(f"<td>{cell}" for cell in others)


def scrolling(label: str, headings: Sequence[str], rows: str) -> str:
    """A table that scrolls by itself on a narrow screen, with keys too."""
    head = "".join(f"<th scope=col>{heading}" for heading in headings)
    return (
        f'<div class=scroll role=region tabindex=0 aria-label="{escape(label)}"><table>'
        f"<caption class=hidden>{escape(label)}</caption><thead><tr>{head}</thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
