"""``amt-export live``: a cochleagram or a loudness meter, of a file in real time or of the microphone."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export import runtime
from amt_export.audio.calibration import check_audio_model
from amt_export.audio.file import FORMATS
from amt_export.cli.arguments import Parser, add_flag, number
from amt_export.cli.live_view import View
from amt_export.cli.recording_options import (
    add_backend,
    add_calibration,
    reading_options,
    warn_of_diotic,
)
from amt_export.cli.sources import File, Microphone
from amt_export.cli.terminal.errors import warn_all
from amt_export.cli.terminal.tables import output
from amt_export.errors import AmtExportError, InputError
from amt_export.manifest import load_manifest
from amt_export.runtime.lookup import find_model

SECONDS = number(
    float, "is not a number of seconds from 0.5 to 600", lambda value: 0.5 <= value <= 600
)
"""What may be seen at once."""

HELP = "a scrolling cochleagram or loudness meter of a file or the microphone"

DESCRIPTION = """\
Draw what an ear model hears, as it hears it, in this terminal: a cochleagram,
or the loudness now, its maximum, and where on the cochlea it arises.

FILE is played in real time (drawn, not sounded); without it the default
microphone is used, which needs the sounddevice package. Ctrl-C ends it.
"""

EPILOG = """\
examples:
  amt-export live gammatone_speech_16k speech.wav
  amt-export live gammatone_music_44k
  amt-export live gammatone_music_44k --device 3 --seconds 8
  amt-export live moore2016_loudness_32k street.wav --diotic --level 70
  amt-export live moore2016_loudness_32k --diotic --full-scale 118

The frequency axis is the ERB-number scale: equal distances are about equal
distances along the cochlea. Colours span the 60 dB below the loudest level that
is shown; those of specific loudness begin at zero. The bars of the loudness
meter span 0 to 120 phon. `x real time` is how many such streams one processor
could run.
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="a model with a streaming form: name or published folder"
    )
    parser.add_argument(
        "input",
        type=Path,
        nargs="?",
        metavar="FILE",
        help=f"a {FORMATS} file (default: the microphone)",
    )
    add_backend(parser)
    add_calibration(
        parser,
        level="RMS level of FILE in dB SPL",
        full_scale="level of a full-scale sine in dB SPL, of the microphone and its gain or of FILE "
        "(default: 93.98)",
    )
    add_flag(
        parser,
        "--diotic",
        "give one channel, of FILE or the microphone, to both ears of a model that has two",
    )
    add_flag(parser, "--remove-dc", "subtract the mean of each channel of FILE")
    add_flag(parser, "--truncated", "take what there is of a FILE that ends early")
    parser.add_argument(
        "--seconds",
        type=SECONDS,
        default=4.0,
        metavar="S",
        help="what is to be seen at once, 0.5 to 600 s (default: 4)",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="microphone, where there is no FILE: its number or a part of its name",
    )


def run(arguments: Namespace) -> int:
    """Draw until the file ends or Ctrl-C comes.

    Raises
    ------
    AmtExportError
        If standard output is no terminal, or anything that is needed is missing.
    """
    usage_error = arguments.parser.error
    if arguments.level is not None and arguments.input is None:
        usage_error("argument --level: needs FILE; --full-scale calibrates a microphone")
    if arguments.device is not None and arguments.input is not None:
        usage_error("argument --device: chooses a microphone; leave out FILE to listen to it")
    console = output()
    folder = find_model(arguments.model)
    manifest = load_manifest(folder)
    check_audio_model(manifest)
    warn_of_diotic(manifest, diotic=arguments.diotic)
    if not console.is_terminal:
        raise AmtExportError("live draws on a terminal; `amt-export run` writes files")
    with runtime.load_stream(folder, arguments.backend, on_nonfinite="reset") as stream:
        if stream.manifest.streaming().inputs[0].shape[0] != 1:
            raise InputError(f"{manifest.name}: was built for several signals at once")
        source: File | Microphone
        if arguments.input:
            source = File(arguments.input, manifest, reading_options(arguments))
        else:
            source = Microphone(
                arguments.device,
                manifest,
                full_scale=arguments.full_scale,
                diotic=arguments.diotic,
                raw=arguments.raw,
            )
        console.print(f"calibration: {source.calibration}", soft_wrap=True)
        warn_all(source.remarks)
        view = View(console, stream, source, arguments.seconds)
        interrupted = False
        try:
            with source.opened() as pieces, view.shown() as show:
                for piece in pieces:
                    show(piece)
        except KeyboardInterrupt:
            interrupted = True
        console.print(view.summary(interrupted), soft_wrap=True)
    return 0
