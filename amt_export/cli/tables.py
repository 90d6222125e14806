"""What the commands print: plain tables that are readable at 80 columns, and a last line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from amt_export.manifest import ParityRow, Port

BEYOND = 1e300
"""How a parity row says infinite, which JSON cannot."""


def output() -> Console:
    """Return the console of standard output; texts are shown as they are."""
    return Console(markup=False, highlight=False, emoji=False)


def errors() -> Console:
    """Return the console of standard error.

    It holds on to the stream, so that a bar goes on while a converter's chatter is redirected.
    """
    return Console(markup=False, highlight=False, emoji=False, file=sys.stderr)


def plain_table(
    title: str, columns: Sequence[str], right: Iterable[str] = (), gap: int = 2
) -> Table:
    """Return an empty table without a frame, the columns in `right` aligned to the right."""
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        padding=(0, gap, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def parity_table(name: str, rows: Iterable[ParityRow]) -> Table:
    """Return how far each artifact of a model is from eager torch, and what is allowed."""
    columns = ("format, provider", "output", "worst", "signal", "allowed", "verified by", "ok")
    table = plain_table(name, columns, right=("worst", "allowed"), gap=1)
    for row in rows:
        good = within(row)
        table.add_row(
            _place(row),
            row.output,
            difference(row.worst, row.kind),
            row.signal or "-",
            difference(row.tolerance),
            row.verified_by,
            Text("yes" if good else "NO", style="green" if good else "bold red"),
        )
    return table


def _place(row: ParityRow) -> str:
    """Return what ran and where; torch's own formats run in torch, so that is not said."""
    provider = row.provider.removesuffix("ExecutionProvider")
    words = (row.format, "" if row.form == "whole" else row.form, provider)
    return " ".join(word for word in words if word not in ("", "torch", "none"))


def within(row: ParityRow) -> bool:
    """Whether a row is no reason to refuse its artifact; a NaN is one."""
    return row.worst is None or row.worst <= row.tolerance


def difference(value: float | None, kind: str = "relative") -> str:
    """Return a difference as text: a plain number if relative, or with its unit."""
    if value is None:
        return "-"
    if value >= BEYOND:
        return "inf"
    text = "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{text} dB" if kind == "db" else text


def number(value: float) -> str:
    """Return three digits of a number, or all before the point, never an exponent of ten."""
    return f"{value:.3g}" if 1e-3 < value < 999.5 else f"{value:.0f}"


def size(amount: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{number(amount)} {unit}"
        amount /= 1000
    return f"{number(amount)} GB"


def shape(sizes: Sequence[int]) -> str:
    """Return a shape as text."""
    return f"[{', '.join(map(str, sizes))}]"


def ports_table(title: str, ports: Iterable[Port]) -> Table:
    """Return the arrays at one side of an artifact."""
    table = plain_table(title, ("name", "shape", "axes", "dtype", "unit"))
    for port in ports:
        table.add_row(port.name, shape(port.shape), ", ".join(port.axes), port.dtype, port.unit)
    return table


def count(number: int, noun: str) -> str:
    """Return e.g. ``1 model``, ``2 models``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
