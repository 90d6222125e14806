"""``amt-export corpus check``: a folder of shards compared with its plan."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export import corpus
from amt_export.cli.arguments import Parser
from amt_export.cli.exit_codes import SOME_BAD
from amt_export.cli.terminal.errors import about
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, output

HELP = "compare a folder with its plan"

DESCRIPTION = """\
Compare a folder with the plan it was made from.

It says which shards are missing, which files the plan does not name, and which
recordings are bad, and it removes temporary files of writers that were killed.
Exit code: 0 all is there, 1 something is missing or too much, 3 all is there
but some recordings are bad.
"""

EPILOG = """\
examples:
  amt-export corpus check levels plan.parquet
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of `corpus run`")
    parser.add_argument("plan", type=Path, metavar="PLAN", help="of `corpus plan`")


def run(arguments: Namespace) -> int:
    """Compare, sweep, and say what was found."""
    planned = corpus.read_plan(arguments.plan)
    with bar(str(arguments.output)) as report:
        found = corpus.check(
            arguments.output, planned, lambda share: report("reading shards", share)
        )
    console = output()
    lines = [f"{found.done} of {count(found.shards, 'shard')} done, {count(found.rows, 'row')}"]
    if found.missing:
        lines.append(f"{count(len(found.missing), 'shard')} missing: start `corpus run` again")
    lines += [
        f"{name}: damaged; remove it and start `corpus run` again"
        for name in found.damaged
        if name not in found.strange
    ]
    lines += [
        f"{name}: not of this plan; its recordings have changed, or it is of another plan; remove it"
        for name in found.strange
    ]
    if found.twice:
        lines.append(
            f"{count(len(found.twice), 'recording')} in more than one file, e.g. {found.twice[0]}"
        )
    if found.swept:
        lines.append(f"removed {count(len(found.swept), 'temporary file')} of killed writers")
    if found.bad:
        lines.append(f"{count(len(found.bad), 'bad recording')}:")
        lines += [f"  {about(path, error)}" for path, error in found.bad]
    for line in lines:
        console.print(line, soft_wrap=True)
    if not found.complete:
        return 1
    return SOME_BAD if found.bad else 0
