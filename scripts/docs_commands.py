"""Help of the command line, for its page of the documentation; needs neither mkdocs nor torch."""

from __future__ import annotations

import os
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def help_of_commands(_: list[str]) -> str:
    """What `amt-export COMMAND --help` says, 80 columns wide."""
    from amt_export.cli.main import main

    os.environ |= {"COLUMNS": "80", "NO_COLOR": "1"}
    pieces = []
    folder = ROOT / "amt_export" / "cli" / "commands"
    names = {path.stem for path in folder.glob("[a-z]*.py")} | {"corpus"}
    names |= {f"corpus {name}" for name in ("plan", "run", "check")}
    for command in sorted(names):
        said = StringIO()
        with redirect_stdout(said), suppress(SystemExit):
            main([*command.split(), "--help"])
        pieces.append(f"## {command}\n\n```text\n{said.getvalue().rstrip()}\n```\n")
    return "\n".join(pieces)
