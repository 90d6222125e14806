"""Progress on standard error, on a terminal only: logs and pipes stay clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amt_export.cli.interruption import stop_if_interrupted
from amt_export.cli.terminal.quiet import is_quiet
from amt_export.cli.terminal.tables import errors

Report = Callable[[str, float], None]
"""Called with what is being done, and how much of the whole is done, from 0 to 1; the place where a Ctrl-C that
a library has swallowed is heard after all."""


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Show a bar while the block runs, and nothing afterwards (nor before, without rich).

    Parameters
    ----------
    title : str
        What it is about, e.g. the name of the model; stays in front of what is being done. May be empty.
    """
    console = errors()
    if is_quiet() or not console.is_terminal:
        yield lambda _what, _fraction: stop_if_interrupted()
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=16),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def report(what: str, fraction: float) -> None:
            stop_if_interrupted()
            text = what if what.startswith(title) else f"{title}: {what}"
            progress.update(task, description=text, total=1.0, completed=fraction)

        yield report
