"""Options of the commands that run recordings: which engine, and how loud a recording was."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from amt_export.audio.reader import OPTIONS, AudioReader
from amt_export.cli.arguments import decibel, one_of
from amt_export.cli.terminal.errors import print_error
from amt_export.manifest import Manifest
from amt_export.runtime.backends import OPENERS


def add_backend(parser: ArgumentParser) -> None:
    """Add ``--backend``."""
    parser.add_argument(
        "--backend",
        type=one_of(OPENERS, "backend"),
        default="onnx",
        metavar="B",
        help=f"{', '.join(OPENERS)} (default: onnx)",
    )


def add_calibration(
    parser: ArgumentParser, *, level: str, full_scale: str, raw: bool = True
) -> None:
    """Add ``--level``, ``--full-scale`` and ``--raw``, of which at most one is given.

    Parameters
    ----------
    parser : ArgumentParser
    level, full_scale : str
        Their help.
    raw : bool, optional
        Whether there is ``--raw``.
    """
    calibration = parser.add_mutually_exclusive_group()
    calibration.add_argument("--level", type=decibel, metavar="DB", help=level)
    calibration.add_argument("--full-scale", type=decibel, metavar="DB", help=full_scale)
    if raw:
        calibration.add_argument(
            "--raw",
            action="store_true",
            help="feed the samples as they are, in whatever unit the model takes",
        )


def reading_options(arguments: Namespace) -> dict[str, Any]:
    """Return how recordings are read, as far as a command has options for it, for `AudioReader`."""
    return {name: value for name, value in vars(arguments).items() if name in OPTIONS}


def warn_of_diotic(manifest: Manifest, *, diotic: bool = False, **_: object) -> None:
    """Warn that ``--diotic`` has no effect on a model of one ear."""
    if diotic and "ear" not in manifest.inputs[0].axes:
        print_error(f"--diotic has no effect, as {manifest.name} has one ear", "warning")


def remark_diotic(recording: AudioReader, *, diotic: bool = False, **_: object) -> None:
    """Add a remark where ``--diotic`` has no effect, as the recording has a channel for each ear."""
    if diotic and recording.channels == 2 and not recording.averaged:
        recording.remarks.append(
            f"{recording.name} has two channels: each ear gets one, and --diotic has no effect"
        )
