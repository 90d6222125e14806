"""What the commands print: plain tables that are readable at 80 columns, and a last line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from amt_export.cli.terminal import plain
from amt_export.cli.terminal.console import Console, Table, Text
from amt_export.manifest import BEYOND, ParityRow, Port
from amt_export.manifest.json_records import encode
from amt_export.manifest.phrases import count as count
from amt_export.manifest.phrases import magnitude
from amt_export.manifest.phrases import number as number
from amt_export.manifest.phrases import size as size


def output() -> Console:
    """Return the console of standard output; texts are shown as they are."""
    return Console(markup=False, highlight=False, emoji=False)


def errors() -> Console:
    """Return the console of standard error.

    It holds on to the stream, so that a bar keeps moving while a converter's chatter is redirected.
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


def plain_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as lines, however long, with aligned columns: what other programs read from a pipe."""
    table = plain.Table()
    for name in header:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    return str(table)


def json_text(value: object) -> str:
    """Return records, and tuples and dicts of them, as JSON."""
    return json.dumps(encode(value), indent=2, ensure_ascii=False)


def parity_table(name: str, rows: Iterable[ParityRow]) -> Table:
    """Return how far each artifact of a model is from the same model in torch, and what is allowed."""
    columns = ("format, provider", "output", "worst", "signal", "allowed", "verified by", "ok")
    table = plain_table(name, columns, right=("worst", "allowed"), gap=1)
    for row in rows:
        good = within(row)
        table.add_row(
            _place(row),
            # Where to look, if there is something to look for.
            row.output if good or row.channel is None else f"{row.output}[{row.channel}]",
            difference(row.worst, row.kind),
            row.signal or "-",
            difference(row.tolerance),
            row.verified_by,
            _verdict(row),
        )
    return table


def _place(row: ParityRow) -> str:
    return place(row.format, row.form, row.provider)


def _verdict(row: ParityRow) -> Text:
    """Return yes, NO, or, where nothing was executed, nothing."""
    if row.worst is None:
        return Text("-")
    return Text("yes", style="green") if within(row) else Text("NO", style="bold red")


def remarks(rows: Iterable[ParityRow]) -> list[str]:
    """Return what belongs to the numbers of a table, one line each."""
    rows = list(rows)
    return [line for line in (_left_out(rows), _settings(rows), _no_files(rows)) if line]


def _no_files(rows: Iterable[ParityRow]) -> str:
    """Return what the rows are that stand for no file; empty if there are none."""
    compared = any(row.format == "float64" for row in rows)
    return (
        "float64: no files; torch in single precision against double precision" if compared else ""
    )


def _settings(rows: Iterable[ParityRow]) -> str:
    """Return in how many settings providers were measured; empty if only with their defaults."""
    counts = {_place(row): len(row.settings) for row in rows if len(row.settings) > 1}
    return "; ".join(
        f"{where}: worst of {number} settings of optimization and threads"
        for where, number in counts.items()
    )


def _left_out(rows: Iterable[ParityRow]) -> str:
    """Return how many frames were not compared; empty if all were."""
    most = max(rows, key=lambda row: row.left_out, default=None)
    if most is None or not most.left_out:
        return ""
    return (
        f"{most.left_out} of {most.frames} frames left out: a component lies within 0.01 dB of the "
        "relevance threshold"
    )


def skipped(rows: Iterable[ParityRow]) -> list[str]:
    """Return the providers that a model was not run on, one line a reason."""
    return not_run_lines(
        (place(row.format, row.form, skip.provider), skip.reason)
        for row in rows
        for skip in row.skipped
    )


def not_run_lines(items: Iterable[tuple[str, str]]) -> list[str]:
    """Return what was not run, one line a reason.

    Parameters
    ----------
    items : iterable of (str, str)
        What, e.g. ``"onnx CUDA"``, and why not.
    """
    by_reason: dict[str, list[str]] = {}
    for what, reason in items:
        by_reason.setdefault(reason, []).append(what)
    return [f"not run: {', '.join(dict.fromkeys(what))}: {why}" for why, what in by_reason.items()]


def place(format: str, form: str, provider: str) -> str:
    """Return what ran and where; torch's own formats run in torch, so that is not said."""
    words = (format, "" if form == "whole" else form, provider.removesuffix("ExecutionProvider"))
    return " ".join(word for word in words if word not in ("", "torch", "none"))


def within(row: ParityRow) -> bool:
    """Whether a row is no reason to refuse its artifact; a NaN is one."""
    return row.within


def difference(value: float | None, kind: str = "relative") -> str:
    """Return a difference as text: a plain number if relative, or with its unit."""
    if value is None:
        return "-"
    if value >= BEYOND:
        return "inf"
    return magnitude(value, kind)


def decibels(level: float) -> str:
    """Return a level with a tenth of a dB, which is less than one step of the colours of a picture."""
    return f"{level:.1f}".removesuffix(".0")


def duration(seconds: float) -> str:
    """Return a time as people say it: ``6.7 s``, ``12 min 5 s``, ``3 h 20 min``."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def shape(sizes: Sequence[int | None]) -> str:
    """Return a shape as text; a free size is the batch."""
    return f"[{', '.join('batch' if size is None else str(size) for size in sizes)}]"


def ports_table(title: str, ports: Iterable[Port]) -> Table:
    """Return the arrays at one side of an artifact."""
    table = plain_table(title, ("name", "shape", "axes", "dtype", "unit"))
    for port in ports:
        table.add_row(port.name, shape(port.shape), ", ".join(port.axes), port.dtype, port.unit)
    return table
