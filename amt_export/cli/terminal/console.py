"""What draws on the terminal: rich, or a plain stand-in, so that `check` needs numpy and a runtime only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
else:
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        from amt_export.cli.terminal.plain import Console, Table, Text

__all__ = ["Console", "Table", "Text"]
