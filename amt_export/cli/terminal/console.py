"""What draws on the terminal: rich, or a plain stand-in, so that `check` needs numpy and a runtime only."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console as _Console
    from rich.table import Table
    from rich.text import Text
else:
    try:
        from rich.console import Console as _Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        from amt_export.cli.terminal.plain import Console as _Console
        from amt_export.cli.terminal.plain import Table, Text

__all__ = ["Console", "Table", "Text", "leave_closed_pipe"]


class Console(_Console):
    """What draws on the terminal."""

    def on_broken_pipe(self) -> None:
        """Finish the work in silence where the reader (head, less) has left."""
        self.quiet = True
        leave_closed_pipe(self.file)


def leave_closed_pipe(stream: IO[str]) -> None:
    """Discard what is still to be written to a stream, also what Python flushes when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
