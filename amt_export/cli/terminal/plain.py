"""Plain tables and lines for machines without rich, as beside an app: the few calls that commands make."""

from __future__ import annotations

import sys
from itertools import zip_longest
from typing import Any, TextIO


class Text(str):
    """A text; its style is for terminals that rich knows."""

    __slots__ = ()

    def __new__(cls, text: str, **_style: str) -> Text:
        """Keep the text only."""
        return super().__new__(cls, text)

    @classmethod
    def assemble(cls, *parts: str | tuple[str, str]) -> Text:
        """Join texts and (text, style)."""
        return cls("".join(part if isinstance(part, str) else part[0] for part in parts))


class Table:
    """Columns as wide as their widest cell, without lines between them."""

    def __init__(self, title: str | None = None, **_style: Any) -> None:
        self.title = title
        self.show_header = True
        self._columns: list[tuple[str, bool]] = []
        self._rows: list[tuple[str, ...]] = []

    def add_column(self, header: str, justify: str = "left", **_style: Any) -> None:
        """Add a column, aligned "left" or "right"."""
        self._columns.append((header, justify == "right"))

    def add_row(self, *cells: str) -> None:
        """Add a row; a cell may have several lines."""
        self._rows.append(cells)

    def __str__(self) -> str:
        """Return all lines."""
        header = tuple(name for name, _ in self._columns)
        rows = [header, *self._rows] if self.show_header else self._rows
        broken = [line for row in rows for line in zip_longest(*map(_lines, row), fillvalue="")]
        widths = [max(map(len, column)) for column in zip(*broken, strict=True)]
        aligned = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, (_, right) in zip(line, widths, self._columns, strict=True)
            ).rstrip()
            for line in broken
        ]
        return "\n".join([self.title, *aligned] if self.title else aligned)


class Console:
    """Prints one object after the other, each on lines of its own."""

    is_terminal = False

    def __init__(self, file: TextIO | None = None, **_style: Any) -> None:
        self._file = file

    def print(self, *objects: object, **_style: Any) -> None:
        """Print objects; none prints an empty line."""
        print(*objects, sep="\n", file=self._file or sys.stdout)


def _lines(cell: str) -> list[str]:
    return cell.split("\n")
