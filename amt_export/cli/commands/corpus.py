"""``amt-export corpus``: many recordings, planned, extracted into Parquet files, checked."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from amt_export import corpus
from amt_export.cli.arguments import (
    Commands,
    Parser,
    decibel,
    file_ending_in,
    number_above_zero,
    part,
    positive,
)
from amt_export.cli.interruption import stop_if_interrupted
from amt_export.cli.terminal.errors import about
from amt_export.cli.terminal.progress import Report, bar
from amt_export.cli.terminal.tables import count, errors, number, output
from amt_export.errors import PublishError
from amt_export.runtime.lookup import find_model

BAD_ROWS = 3
"""Exit code: finished, but some recordings were bad."""

SHOWN = 5
"""Bad recordings that `run` names; `check` names all of them."""

LOG_EVERY = 60.0
"""s between lines of progress where there is no terminal: in the log of a batch job."""

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

PLAN_DESCRIPTION = """\
Find recordings, read their headers, and share them out to shards.

Folders are searched with all that is below them. A list is a .txt file with
one path in each line, relative to the list.
"""

PLAN_EPILOG = """\
examples:
  amt-export corpus plan recordings/ -o plan.parquet
  amt-export corpus plan a.wav b.flac more.txt --minutes 10 -o plan.parquet
"""

RUN_DESCRIPTION = """\
Extract the shards of a plan into a folder, one Parquet file for each shard.

A row has path, sha256, seconds, expected_seconds (by the file's header),
frames, error, start, and levels: a list of frames of float16. Filterbanks give
levels in dB of each channel every 10 ms, models with frames of their own give
these, loudness models give short- and long-term loudness in sone, both ears
together, every 10 ms. Recordings longer than about ten minutes have several
rows; start is the frame at which each begins. A bad recording is a row with an
error, and the exit code is 3.

Files are named after the model's artifact, the settings and the recordings
(path, size, time of change), so nothing is mixed and nothing is done twice.
"""

RUN_EPILOG = """\
examples:
  amt-export corpus run gammatone_speech_16k plan.parquet -o levels
  amt-export corpus run casp_44k plan.parquet -o levels --level 65 --jobs 8
  sbatch --array=1-100 --wrap 'amt-export corpus run MODEL plan.parquet \\
      -o levels --shard $SLURM_ARRAY_TASK_ID/100 --jobs $SLURM_CPUS_PER_TASK'

reading the result:
  table = pyarrow.parquet.read_table("levels")
  levels = numpy.array(table["levels"][0].as_py(), numpy.float16)
  json.loads(table.schema.metadata[b"amt_export.corpus"])    hop, unit, columns
"""

CHECK_DESCRIPTION = """\
Compare a folder with the plan it was made from.

It says which shards are missing, which files the plan does not name, and which
recordings are bad, and it removes temporary files of writers that were killed.
Exit code: 0 all is there, 1 something is missing or too much, 3 all is there
but some recordings are bad.
"""

CHECK_EPILOG = """\
examples:
  amt-export corpus check levels plan.parquet
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "corpus",
        help="many recordings, to Parquet files",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parts = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    _add_plan(parts)
    _add_run(parts)
    _add_check(parts)


def _add_plan(parts: Commands) -> None:
    parser: Parser = parts.add_parser(
        "plan",
        help="share recordings out to shards",
        description=PLAN_DESCRIPTION,
        epilog=PLAN_EPILOG,
    )
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
    parser.set_defaults(command=plan)


def _add_run(parts: Commands) -> None:
    parser: Parser = parts.add_parser(
        "run", help="extract the shards of a plan", description=RUN_DESCRIPTION, epilog=RUN_EPILOG
    )
    parser.add_argument("model", metavar="MODEL", help="name of a model, or a published folder")
    parser.add_argument("plan", type=Path, metavar="PLAN", help="of `corpus plan`")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder of Parquet files"
    )
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="worker processes (default: 1)"
    )
    parser.add_argument(
        "--shard", type=part, metavar="I/N", help="do the Ith of N equal parts of the plan"
    )
    parser.add_argument(
        "--hop", type=number_above_zero, metavar="S", help="s from frame to frame (default: 0.01)"
    )
    calibration = parser.add_mutually_exclusive_group()
    calibration.add_argument(
        "--level", type=decibel, metavar="DB", help="RMS level of each recording in dB SPL"
    )
    calibration.add_argument(
        "--full-scale", type=decibel, metavar="DB", help="level of a full-scale sine in dB SPL"
    )
    parser.add_argument(
        "--diotic", action="store_true", help="play files of one channel to both ears of a model"
    )
    parser.add_argument(
        "--hash",
        action="store_true",
        help="name shards after the content of the recordings, which reads them first",
    )
    parser.set_defaults(command=run)


def _add_check(parts: Commands) -> None:
    parser: Parser = parts.add_parser(
        "check",
        help="compare a folder with its plan",
        description=CHECK_DESCRIPTION,
        epilog=CHECK_EPILOG,
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of `corpus run`")
    parser.add_argument("plan", type=Path, metavar="PLAN", help="of `corpus plan`")
    parser.set_defaults(command=check)


def plan(arguments: Namespace) -> int:
    """Write a plan, and say what is in it."""
    _needs_folder(arguments.output)
    planned = corpus.plan(arguments.sources, arguments.minutes)
    corpus.write_plan(planned, arguments.output)
    console = output()
    files = sum(map(len, planned.shards))
    console.print(
        f"{count(files, 'recording')}, {_hours(sum(planned.seconds))}, "
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
    return BAD_ROWS if planned.nameless else 0


def run(arguments: Namespace) -> int:
    """Extract the shards, and say what came out."""
    planned = corpus.read_plan(arguments.plan)
    extractor = corpus.Extractor(
        find_model(arguments.model),
        arguments.hop,
        level=arguments.level,
        full_scale=arguments.full_scale,
        diotic=arguments.diotic,
    )
    shards = corpus.Shards(extractor, arguments.output, hash=arguments.hash)
    index, parts = arguments.shard or (1, 1)
    chosen = planned.shards[index - 1 :: parts]
    done = _Done(sum(planned.seconds[index - 1 :: parts]), len(chosen))
    with bar(extractor.manifest.name) as report:
        done.show(report)
        for line in corpus.run(shards, chosen, arguments.jobs, stop_if_interrupted):
            done.add(line)
            done.show(report)
    console = output()
    console.print(done.summary(), soft_wrap=True)
    if done.bad:
        console.print(
            f"{count(done.bad, 'bad recording')}: "
            f"`amt-export corpus check {arguments.output} {arguments.plan}` names "
            f"{'it' if done.bad == 1 else 'them'}",
            soft_wrap=True,
        )
    if chosen:
        console.print(f"wrote {arguments.output}", soft_wrap=True)
    return BAD_ROWS if done.bad else 0


def check(arguments: Namespace) -> int:
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
    lines += [f"{name}: damaged; remove it and start `corpus run` again" for name in found.damaged]
    lines += [
        f"{name}: not of this plan; its recordings have changed, or it is of another plan"
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
    return BAD_ROWS if found.bad else 0


class _Done:
    """What is done of a run, and how long the rest will take."""

    def __init__(self, seconds: float, shards: int) -> None:
        self._seconds, self._shards = seconds, shards
        self._started = time.perf_counter()
        self._made = self._skipped = self._rows = 0
        self._heard = self._cpu = self._passed = self._logged = 0.0
        self.bad = 0

    def add(self, line: dict[str, Any]) -> None:
        """Count a shard's line of the report."""
        self._rows += line["rows"]
        self.bad += line["bad"]
        if line["skipped"]:
            self._skipped += 1
            self._passed += line["seconds"]
        else:
            self._made += 1
            self._heard += line["seconds"]
            self._cpu += line["cpu_seconds"]

    def show(self, report: Report) -> None:
        """Move the bar, or write a line to the log from time to time."""
        elapsed = time.perf_counter() - self._started
        text = f"{self._made + self._skipped} of {self._shards} shards"
        if self._heard:
            left = max(0.0, self._seconds - self._passed - self._heard) * elapsed / self._heard
            text += f", {number(self._heard / elapsed)} hours per hour, {_time(left)} left"
        report(text, min(1.0, (self._heard + self._passed) / (self._seconds or 1.0)))
        console = errors()
        if not console.is_terminal and elapsed - self._logged >= LOG_EVERY:
            self._logged = elapsed
            console.print(text, soft_wrap=True)

    def summary(self) -> str:
        """Return what was done."""
        hours = _hours(self._heard + self._passed)
        text = f"{count(self._rows, 'recording')}, {hours}: "
        text += f"{count(self._made, 'shard')} made, {self._skipped} there already"
        if self._cpu > 0 and self._heard:
            text += f"; {number(self._heard / self._cpu)} hours of audio per core-hour"
        return text


def _needs_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise PublishError(f"{path}: there is no folder {path.parent}; create it first")


def _hours(seconds: float) -> str:
    return f"{number(seconds / 3600)} h" if seconds >= 360 else f"{number(seconds / 60)} min"


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes else f"{seconds:.0f} s"
