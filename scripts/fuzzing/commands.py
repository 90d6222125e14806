"""Commands of amt-export in this process, and what they write to standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzzing.outcomes import REFUSED, RIGHT, FaultError


def commanded(*arguments: object, findings: bool = False) -> str:
    """Run a command in this process; it is silent, or says one line and that it failed."""
    from amt_export.cli.main import main as command

    with captured() as said:
        code = command([str(argument) for argument in arguments])
    error = said()
    if code not in (0, 1) or len(error.splitlines()) > 1:
        raise FaultError(f"code {code}, said {error[:400]!r}")
    if code == 1 and not findings and not error.startswith("amt-export: error: "):
        raise FaultError(f"failed without a reason, said {error[:400]!r}")
    return REFUSED if code else RIGHT


@contextmanager
def captured() -> Iterator[Callable[[], str]]:
    """What is written to standard error, by libraries in C too; standard output is thrown away."""
    with tempfile.TemporaryFile() as errors, Path(os.devnull).open("wb") as nothing:
        sys.stdout.flush()
        sys.stderr.flush()
        before = os.dup(1), os.dup(2)
        os.dup2(nothing.fileno(), 1)
        os.dup2(errors.fileno(), 2)

        text = [""]
        try:
            yield lambda: text[0]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, kept in enumerate(before, 1):
                os.dup2(kept, number)
                os.close(kept)
            errors.seek(0)
            text[0] = errors.read().decode(errors="replace")
