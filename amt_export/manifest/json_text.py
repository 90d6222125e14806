"""Parsing of JSON from a stranger: limited depth and integers, finite numbers, no control characters."""

from __future__ import annotations

import json
import math
from typing import Any

from amt_export.errors import ArtifactError

DEPTH = 32
"""Largest depth of nested brackets; a manifest has six."""
LARGEST = 2**63
"""Largest integer; those of a manifest are at most sizes of files."""


def read_json(text: str, source: str) -> Any:
    """Parse JSON and remove control characters from its texts, which could control a terminal or a page.

    Parameters
    ----------
    text : str
    source : str
        Where it comes from, for error messages.

    Raises
    ------
    ArtifactError
        If it is none, is nested deeper than `DEPTH`, or holds NaN, infinity, an integer beyond `LARGEST` or
        half of a surrogate pair, which no text file can hold. The message names the key.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ArtifactError(
            f"{source}: brackets are nested too deep; build the model again"
        ) from error
    except ValueError as error:
        reason = str(error)[:200]
        raise ArtifactError(f"{source}: not JSON ({reason}); build the model again") from error
    waiting = [("", content, 0)]
    while waiting:
        where, value, depth = waiting.pop()
        if problem := _problem(value, depth):
            raise ArtifactError(
                f"{source}: {where or 'the whole'} {problem}; build the model again"
            )
        if isinstance(value, dict):
            for key, item in value.items():
                waiting.append((f"{where}.{key}".strip("."), item, depth + 1))
                waiting.append((f"a key of {where or 'the whole'}", key, depth + 1))
        elif isinstance(value, list):
            waiting += [(f"{where}[{i}]", item, depth + 1) for i, item in enumerate(value)]
    return _shown(content)


def one_line(text: str) -> str:
    """A text without control and other invisible characters; line ends and tabs become spaces."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line(key): _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list) else value


def _problem(value: Any, depth: int) -> str:
    if depth > DEPTH:
        return f"is nested deeper than {DEPTH}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}, not a finite number"
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"is {str(value)[:40]}, beyond {LARGEST}"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"is {value[:40]!r}, which no text file can hold"
    return ""
