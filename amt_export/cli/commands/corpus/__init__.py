"""``amt-export corpus``: many recordings, planned, extracted into Parquet files, checked."""

from __future__ import annotations

from amt_export.cli.arguments import Parser, add_command
from amt_export.cli.commands.corpus import check, plan, run

HELP = "many recordings, to Parquet files"

DESCRIPTION = """\
Extract levels or loudness of many recordings into Parquet files.

`plan` shares the recordings out to shards of half an hour, `run` makes one
Parquet file for each shard, `check` compares the folder with the plan. A shard
that is done is not done again, so `run` may be killed and started as often as
you like, on one machine or many. docs/scale.md has Ray, Spark, Slurm and costs.
"""

EPILOG = """\
from a folder of recordings to Parquet files:
  amt-export corpus plan recordings/ -o plan.parquet
  amt-export corpus run gammatone_speech_16k plan.parquet -o levels --jobs 8
  amt-export corpus check levels plan.parquet
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parts = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name, command in {"plan": plan, "run": run, "check": check}.items():
        add_command(parts, name, command)
