"""``amt-export corpus run``: the shards of a plan, extracted into Parquet files."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export import corpus
from amt_export.cli.arguments import Parser, add_flag, number_above_zero, part, positive
from amt_export.cli.commands.corpus.progress import Done
from amt_export.cli.exit_codes import SOME_BAD
from amt_export.cli.interruption import stop_if_interrupted, when_interrupted
from amt_export.cli.recording_options import add_calibration, reading_options, warn_of_diotic
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, output
from amt_export.corpus.check import strange_shards
from amt_export.runtime.lookup import find_model

HELP = "extract the shards of a plan"

DESCRIPTION = """\
Extract the shards of a plan into a folder, one Parquet file for each shard.

A row has path, sha256, seconds, expected_seconds (by the file's header),
frames, error, start, and levels: a list of frames of float16. Filterbanks give
levels in dB of each channel every 10 ms, models with frames of their own give
these, loudness models give short- and long-term loudness in sone, both ears
together, every 10 ms. Recordings longer than about ten minutes have several
rows; start is the frame at which each begins. A bad recording is a row with an
error, and the exit code is 3.

A model of one ear takes the average of all channels of a file. --level is the
RMS of that average, without its mean.

Files are named after the model's artifact, the settings and the recordings
(path, size, time of change), so nothing is mixed and nothing is done twice.
"""

EPILOG = """\
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

INTERRUPTED = "shards that are done stay; start the same command again to resume"


def add(parser: Parser) -> None:
    """Add the arguments."""
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
    add_calibration(
        parser,
        level="RMS level of each recording in dB SPL",
        full_scale="level of a full-scale sine in dB SPL",
        raw=False,
    )
    add_flag(parser, "--diotic", "play files of one channel to both ears of a model")
    add_flag(parser, "--remove-dc", "subtract the mean of each channel")
    add_flag(
        parser, "--hash", "name shards after the content of the recordings, which reads them first"
    )


def run(arguments: Namespace) -> int:
    """Extract the shards, and say what came out."""
    planned = corpus.read_plan(arguments.plan)
    reading = reading_options(arguments)
    extractor = corpus.Extractor(find_model(arguments.model), arguments.hop, **reading)
    warn_of_diotic(extractor.manifest, **reading)
    shards = corpus.Shards(extractor, arguments.output, hash=arguments.hash)
    index, parts = arguments.shard or (1, 1)
    chosen = planned.shards[index - 1 :: parts]
    done = Done(sum(planned.seconds[index - 1 :: parts]), len(chosen))
    files = []
    with when_interrupted(lambda: INTERRUPTED), bar("") as report:
        done.show(report)
        for line in corpus.run(shards, chosen, arguments.jobs, stop_if_interrupted):
            files.append(line["file"])
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
    if parts == 1:  # one of many jobs does not know the files of the others
        _warn_of_strange(arguments, files, planned)
    return SOME_BAD if done.bad else 0


def _warn_of_strange(arguments: Namespace, files: list[str], planned: corpus.Plan) -> None:
    """Warn of files that readers of the folder would take for a part of it."""
    strange, twice = strange_shards(arguments.output, files, planned)
    if strange:
        rows = f"and {count(twice, 'recording')} of this plan {'is' if twice == 1 else 'are'} there twice"
        print_error(
            f"{count(len(strange), 'file')} in {arguments.output} {'is' if len(strange) == 1 else 'are'} "
            f"not of this plan{f', {rows}' if twice else ''}; "
            f"`amt-export corpus check {arguments.output} {arguments.plan}` names "
            f"{'it' if len(strange) == 1 else 'them'}",
            "warning",
        )
