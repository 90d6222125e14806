"""``amt-export run``: recordings through a published model, to numbers and pictures."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from amt_export.audio.file import FORMATS, SUFFIXES
from amt_export.cli.arguments import Parser, add_flag, add_quiet, one_of, positive
from amt_export.cli.batch import plan, run_all
from amt_export.cli.convert import Converter, Settings, Task, files_of
from amt_export.cli.inputs import find_recordings, is_several
from amt_export.cli.interruption import when_interrupted
from amt_export.cli.recording_options import (
    add_backend,
    add_calibration,
    reading_options,
    warn_of_diotic,
)
from amt_export.cli.sinks.files import SINKS
from amt_export.cli.terminal.errors import warn_all
from amt_export.cli.terminal.files import refuse
from amt_export.cli.terminal.loudness import loudness_lines
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, decibels, output, size
from amt_export.errors import require
from amt_export.manifest import load_manifest
from amt_export.runtime.lookup import find_model

HELP = "recordings through a published model"

DESCRIPTION = """\
Run recordings of any length and sampling rate through a published model: a name
(artifacts/MODEL, then the installed amt_export_models) or a published folder.

A recording is resampled to the model's rate when needed. Files know no sound
pressure: --level says how loud the recording was (dB SPL RMS), --full-scale how
loud a full-scale sine would have been; without either, this is 93.98 dB SPL.
Nonlinear models answer differently at another level. A model that takes no
sound pressure (a DRNL takes stapes velocity in m/s) refuses recordings, unless
--raw says that the samples are what it takes. A model of one ear takes the
average of all channels, and --level is that of the average.

One INPUT makes one result. Several make one each in the folder OUT, where
summary.csv has a row for each; a bad recording is reported and skipped, and the
exit code is 3.

With a streaming form in the folder, memory does not grow with the recording.
"""

EPILOG = """\
examples:
  amt-export run casp_44k speech.wav --plot        # speech.casp_44k.png
  amt-export run moore2016_loudness_32k street.wav --diotic \\
      --level 70 --plot
  amt-export run casp_hix_44k speech.wav --plot --range -120 -40
  amt-export run cochleagram_casp_44k speech.wav -o speech.csv
  amt-export run gammatone_speech_16k night.flac -o night.npy
  amt-export run casp_44k a.wav b.flac day/ -o results --jobs 4

formats of a result:
  .npz      all outputs in one file (default)
  .npy      one array in each file, for long recordings: it is written and
            read piece by piece, numpy.load("night.npy", mmap_mode="r")
  .csv      a row for each frame: time in s, then channels by frequency in Hz
  .parquet  the same as a table for data frames
Only models with few numbers in a frame have .csv and .parquet: loudness,
cochleagrams, excitation. A model of several outputs writes several files,
OUT.<output>.npy.

reading the result:
  data = numpy.load("speech.npz")
  data["subbands"]                 outputs, with axes as `info MODEL` tells
  data["time"]                     of each sample or frame, in s
  data["centre_frequencies"]       of each channel, in Hz
  data["level"], data["source"]    how it was made; manifest is JSON
.npy and .csv have this in OUT.json, .parquet in its footer, key amt_export.
"""

PICTURES = (".png", ".pdf", ".svg")
"""Suffixes of a picture; `amt_export.plot` is not imported for `--help`."""

NAMED_LIKE_INPUT = Path()
"""Stands for --plot without a name."""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument("model", metavar="MODEL", help="name of a model, or a published folder")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help=f"a {FORMATS} file, a folder of such files, or a pattern ('**/*.wav')",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_result,
        metavar="OUT",
        help=f"the result of one recording ({', '.join(SINKS)}; default without --plot: "
        "INPUT.MODEL.npz in this folder), or a folder for those of many",
    )
    parser.add_argument(
        "--format",
        type=one_of([suffix.removeprefix(".") for suffix in SINKS], "format"),
        metavar="F",
        help="of the results in a folder (default: npz)",
    )
    parser.add_argument(
        "--plot",
        type=_picture,
        nargs="?",
        const=NAMED_LIKE_INPUT,
        metavar="OUT.png",
        help="draw the outputs, as .png, .pdf or .svg (default name: that of OUT, or "
        "INPUT.MODEL.png)",
    )
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="colours of --plot from LOW to HIGH in dB, the same for pictures to be compared "
        "(default: the 70 dB below the maximum)",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=1,
        metavar="N",
        help="processes for many recordings, of one thread each (default: 1)",
    )
    add_backend(parser)
    add_calibration(
        parser,
        level="RMS level of each recording in dB SPL",
        full_scale="level in dB SPL that a full-scale sine would have had in this recording "
        "(default: 93.98)",
    )
    add_flag(parser, "--diotic", "play a file of one channel to both ears of a model that has two")
    add_flag(parser, "--remove-dc", "subtract the mean of each channel")
    add_flag(parser, "--truncated", "take what there is of a file that ends early")
    add_quiet(parser)


def _result(text: str) -> Path:
    path = Path(text)
    if path.suffix and path.suffix.lower() not in SINKS and not path.is_dir() and text[-1] != "/":
        raise ArgumentTypeError(
            f"{text!r} must end in {' or '.join(SINKS)}; a new folder of this name is '{text}/'"
        )
    return path


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() in PICTURES:
        return path
    # `--plot speech.wav`: the recording was taken for the name of the picture.
    recording = path.suffix.lower() in SUFFIXES or path.exists()
    hint = "; give the recording in front of --plot" if recording else ""
    raise ArgumentTypeError(f"{text!r} must end in {', '.join(PICTURES)}{hint}")


def run(arguments: Namespace) -> int:
    """Run the model, write what was asked for, and say what was done."""
    usage_error = arguments.parser.error
    out: Path | None = arguments.output
    into_folder = out is not None and out.suffix.lower() not in SINKS
    if out is None or not into_folder:
        if is_several(arguments.inputs):
            find_recordings([name for name in arguments.inputs if is_several([name])])  # any at all
            usage_error(
                "argument -o: several recordings need a folder for their results, such as -o results/"
            )
        if arguments.format:
            usage_error("argument --format: is for results in a folder; -o OUT.csv makes one table")
    elif arguments.plot not in (None, NAMED_LIKE_INPUT):
        usage_error("argument --plot: takes no name where results go into a folder")
    limits: tuple[float, float] | None = None
    if arguments.range is not None:
        limits = (arguments.range[0], arguments.range[1])
        if arguments.plot is None:
            usage_error("argument --range: is for pictures; add --plot")
        if not (limits[0] < limits[1] and all(map(math.isfinite, limits))):
            usage_error(
                "argument --range: give the lower level first, for example --range -120 -40"
            )
    if arguments.plot is not None:
        require("matplotlib", "plot", "Drawing pictures")
    folder, reading = find_model(arguments.model), reading_options(arguments)
    settings = Settings(folder, arguments.backend, reading, limits)
    warn_of_diotic(load_manifest(folder), **reading)
    if out is None or not into_folder:
        return _run_one(settings, _one_task(arguments, out, settings.folder.resolve().name))
    suffix = f".{arguments.format or 'npz'}"
    tasks = plan(arguments.inputs, out, suffix, picture=arguments.plot is not None)
    return run_all(settings, tasks, out, arguments.jobs)


def _one_task(arguments: Namespace, out: Path | None, model: str) -> Task:
    source = Path(arguments.inputs[0])
    # With the model's name in it, or the result of another model would be replaced.
    name = f"{source.stem}.{model}"
    if out is None and arguments.plot is None:
        out = Path(f"{name}.npz")
    picture: Path | None = arguments.plot
    if picture == NAMED_LIKE_INPUT:
        picture = Path(f"{name}.png") if out is None else out.with_suffix(".png")
    return Task(source, out, picture)


def _run_one(settings: Settings, task: Task) -> int:
    converter = Converter(settings)
    files = files_of(task, converter)
    for path in files:
        refuse(path, task.source)
        refuse(path, settings.folder)

    recording = converter.read(task.source)
    console = output()
    rate = f"{recording.file_fs} Hz"
    if recording.file_fs != recording.fs:
        rate += f" resampled to {recording.fs} Hz"
    channels = count(recording.channels, "channel") + " averaged" * recording.averaged
    console.print(
        f"{recording.name}: {recording.seconds:.2f} s, {channels}, {rate}", soft_wrap=True
    )
    console.print(f"calibration: {recording.calibration}", soft_wrap=True)
    known = len(recording.remarks)
    warn_all(recording.remarks)
    manifest = converter.manifest
    with (
        when_interrupted(lambda: "nothing was written"),
        bar(f"{manifest.name}, {settings.backend}") as report,
    ):
        outcome = converter.convert(task, recording, report)
    warn_all(outcome.remarks[known:])  # what only reading could tell
    console.print(
        f"{manifest.name}, {settings.backend}: {1000 * outcome.elapsed:.1f} ms, "
        f"{outcome.seconds / outcome.elapsed:.1f} times real time",
        soft_wrap=True,
    )
    for line in [] if outcome.loudness is None else loudness_lines(outcome.loudness):
        console.print(line, soft_wrap=True)
    for path in files:
        console.print(f"wrote {path} ({size(path.stat().st_size)})", soft_wrap=True)
    if outcome.colours is not None and settings.limits is None:
        low, high = map(decibels, outcome.colours)
        console.print(
            f"colours {low} to {high} dB; the same for other pictures: --range {low} {high}"
        )
    return 0
