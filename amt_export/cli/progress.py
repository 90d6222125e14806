"""Progress on standard error, on a terminal only: logs and pipes stay clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from amt_export.cli.tables import errors

Report = Callable[[str, float], None]
"""Called with what is being done, and how much of the whole is done, from 0 to 1."""


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Show a bar while the block runs, and nothing afterwards.

    Parameters
    ----------
    title : str
        Stays in front, e.g. the name of the model.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[title]}", markup=False),
        BarColumn(bar_width=16),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, style="dim"),
    )
    console = errors()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None, title=title)

        def report(what: str, fraction: float) -> None:
            progress.update(task, description=what, total=1.0, completed=fraction)

        yield report
