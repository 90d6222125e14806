"""``amt-export corpus plan``: recordings shared out to shards."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export import corpus
from amt_export.cli.arguments import Parser, file_ending_in, number_above_zero
from amt_export.cli.exit_codes import SOME_BAD
from amt_export.cli.terminal.tables import count, duration, output
from amt_export.errors import PublishError

HELP = "share recordings out to shards"

DESCRIPTION = """\
Find recordings, read their headers, and share them out to shards.

Folders are searched with all that is below them. A list is a .txt file with
one path in each line, relative to the list.
"""

EPILOG = """\
examples:
  amt-export corpus plan recordings/ -o plan.parquet
  amt-export corpus plan a.wav b.flac more.txt --minutes 10 -o plan.parquet
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="FILE|DIR|LIST", help="recordings, folders, lists"
    )
    parser.add_argument(
        "--minutes",
        type=number_above_zero,
        default=30.0,
        metavar="M",
        help="of audio in a shard (default: 30)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_ending_in(".parquet"),  # never a recording or a list by mistake
        default=Path("plan.parquet"),
        metavar="PLAN",
        help="the plan (default: plan.parquet)",
    )


def run(arguments: Namespace) -> int:
    """Write a plan, and say what is in it."""
    _needs_folder(arguments.output)
    planned = corpus.plan(arguments.sources, arguments.minutes)
    corpus.write_plan(planned, arguments.output)
    console = output()
    files = sum(map(len, planned.shards))
    console.print(
        f"{count(files, 'recording')}, {duration(sum(planned.seconds))}, "
        f"in {count(len(planned.shards), 'shard')}: wrote {arguments.output}",
        soft_wrap=True,
    )
    if planned.unknown:
        console.print(
            f"warning: {count(planned.unknown, 'file')} with no readable header; `run` says why",
            soft_wrap=True,
        )
    if planned.nameless:
        console.print(
            f"warning: left out {count(len(planned.nameless), 'file')} whose name is no UTF-8, e.g. "
            f"{planned.nameless[0]!a}: rename them",
            soft_wrap=True,
        )
    return SOME_BAD if planned.nameless else 0


def _needs_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise PublishError(f"{path}: there is no folder {path.parent}; create it first")
