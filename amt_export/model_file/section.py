"""One table of a model file, read key by key, with errors that say what to change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from amt_export.errors import SpecError
from amt_export.manifest.json_text import one_line
from amt_export.model_file.limits import STREAM_BLOCK, too_many

# Most characters of a value in a message.
SHOWN = 200


def is_number(value: object) -> bool:
    """Tell whether a TOML value is a finite integer or float (a boolean is neither)."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False


def is_positive_int(value: object) -> bool:
    """Tell whether a TOML value is an integer above zero."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def choices(value: object, allowed: Iterable[str]) -> str:
    """Describe the allowed values, and the closest match to the given one."""
    names = list(allowed)
    match = get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {match[0]!r}?" if match else ""
    return f"allowed: {', '.join(names) or 'none'}{hint}"


@dataclass(frozen=True)
class Section:
    """A table of a model file.

    Parameters
    ----------
    file : Path
        The model file, for messages.
    name : str
        Of the table; empty for the file itself.
    table : dict
        What TOML says.
    """

    file: Path
    name: str
    table: dict[str, object]

    def error(self, key: str, problem: str) -> SpecError:
        """Return the error for one key: file, table, key, value, problem."""
        at = f"[{self.name}] {key}" if self.name else f"[{key}]"
        if key in self.table:
            value = json.dumps(self.table[key], default=str, ensure_ascii=False)
            at += f" = {value if len(value) <= SHOWN else value[:SHOWN] + ' ...'}"
        return SpecError(f"{self.file}: {at}: {problem}")

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse keys that are not in `allowed`."""
        allowed = list(allowed)
        for key in self.table:
            if key not in allowed:
                raise self.error(key, f"unknown {self._kind}; {choices(key, allowed)}")

    def section(self, name: str, *, required: bool = False) -> Section:
        """Return a table inside this one; an absent one is empty unless `required`."""
        if required and name not in self.table:
            raise self.error(name, f"this {self._kind} is missing")
        table = self.table.get(name, {})
        if not isinstance(table, dict):
            raise self.error(name, "must be a table")
        return Section(self.file, f"{self.name}.{name}" if self.name else name, table)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a non-empty string, in one line."""
        value = self.table.get(key, default)
        if value is None:
            raise self.error(key, "this key is missing")
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, "must be a non-empty string")
        return one_line(value).strip()

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Return one of the allowed strings."""
        value = self.text(key, default)
        allowed = list(allowed)
        if value not in allowed:
            raise self.error(key, f"unknown {key}; {choices(value, allowed)}")
        return value

    def subset(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Return some of the allowed strings, each once, at least one; all if the key is absent."""
        values = self.table.get(key, list(allowed))
        if not isinstance(values, list) or not values:
            raise self.error(key, f"must be a list with at least one of {', '.join(allowed)}")
        for value in values:
            if value not in allowed:
                raise self.error(key, f"unknown {value!r}; {choices(value, allowed)}")
        if len(set(values)) < len(values):
            raise self.error(key, "names one twice")
        return tuple(values)

    def shape(self, key: str) -> tuple[int, ...]:
        """Return a list of sizes, each an integer above zero."""
        sizes = self.table[key]
        if not isinstance(sizes, list) or not sizes or not all(map(is_positive_int, sizes)):
            raise self.error(key, "must be a list of sizes, integers above zero")
        if problem := too_many(tuple(sizes)):
            raise self.error(key, problem)
        return tuple(sizes)

    def positive_int(self, key: str, most: int = STREAM_BLOCK) -> int:
        """Return an integer above zero, at most as large as `most`."""
        value = self.table.get(key)
        if not isinstance(value, int) or not is_positive_int(value):
            raise self.error(key, "must be an integer above zero")
        if value > most:
            raise self.error(key, f"must be at most {most}")
        return value

    def positive(self, key: str, default: float) -> float:
        """Return a finite number above zero."""
        value = self.table.get(key, default)
        if not isinstance(value, int | float) or not is_number(value) or value <= 0:
            raise self.error(key, "must be a finite number above zero")
        return float(value)

    @property
    def _kind(self) -> str:
        return "key" if self.name else "section"
