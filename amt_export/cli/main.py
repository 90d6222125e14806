"""``amt-export``: read the arguments, run one command, turn whatever goes wrong into one line.

Exit codes: 0 when all is well, 1 for a failed check or bad data, 2 for bad usage, 3 when some of many inputs
were bad, 128 and its number for a signal: 130 for Ctrl-C.
"""

from __future__ import annotations

import importlib
import signal
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from amt_export import __version__
from amt_export.cli.arguments import Parser, add_command
from amt_export.cli.completion import complete
from amt_export.cli.exit_codes import FAILED
from amt_export.cli.interruption import interruptible
from amt_export.cli.terminal.console import leave_closed_pipe
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.quiet import silenced
from amt_export.cli.unavailable import UnavailableCommand
from amt_export.errors import AmtExportError

DESCRIPTION = """\
Auditory models as TorchScript, ExportedProgram, ONNX and Core ML artifacts,
each one compared with the same model in torch before it is published.

A model has a name. Commands that run one look for artifacts/<name>, which
`build` makes from a model file, and then in the installed amt_export_models.
"""

EPILOG = """\
a picture of speech:
  pip install "amt_export[onnx,audio,plot]" amt_export_models
  amt-export run gammatone_speech_16k speech.wav --plot speech.png

from a model file of your own:
  pip install "amt_export[export]"
  amt-export build my_filterbank.toml
  amt-export run my_filterbank speech.wav --plot speech.png

`amt-export COMMAND --help` explains a command, with examples.
exit code: 0 all is well, 1 a check or the data failed, 2 bad usage,
3 finished, but some inputs were bad, 130 interrupted.
"""

COMMANDS = (
    "list",
    "info",
    "run",
    "live",
    "build",
    "check",
    "bench",
    "diff",
    "lint",
    "report",
    "corpus",
    "triton",
    "completion",
)
"""In the order of the help: what people need every day comes first. Each is a module of `cli.commands`."""

# By convention of shells: this and the number of the signal, 130 for Ctrl-C.
SIGNALLED = 128

SIGPIPE = 13
"""Of a reader (head, less) that has left; Windows has no such signal."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal of ASCII shows what it can
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        # One line; the place in the code means nothing to a user.
        # numpy's, of numbers that are not finite: where they matter, an error says so.
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.showwarning = lambda message, *_, **__: print_error(message, "warning")
        try:
            with interruptible():
                words = sys.argv[1:] if argv is None else argv
                commands = parser(words[0] if words and words[0] in COMMANDS else None)
                complete(commands)
                arguments = commands.parse_args(argv)
                with silenced(getattr(arguments, "quiet", False)):
                    code: int = arguments.command(arguments)
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            left = error.args[0] if error.args else "what was published before is as it was"
            print_error(f"interrupted; {left}")
            return SIGNALLED + getattr(error, "number", signal.SIGINT)
        except BrokenPipeError:
            leave_closed_pipe(sys.stdout)
            return SIGNALLED + SIGPIPE
        except (AmtExportError, OSError, MemoryError, ImportError) as error:
            print_error(_explained(error))
            return FAILED
        except RuntimeError as error:
            if "can't allocate memory" not in str(error):  # torch's own way to say it
                raise
            print_error(_explained(MemoryError("torch")))
            return FAILED
        return code


def _explained(error: Exception) -> str:
    """Return what a user can do something about; our own errors say it themselves."""
    if isinstance(error, AmtExportError):
        return error.command_line
    if isinstance(error, OSError):
        return f"{error.filename or 'files'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return f"out of memory ({error}); try a shorter recording or a smaller model"
    return f"{error}; pip install 'amt_export[export]'"


def parser(only: str | None = None) -> Parser:
    """Return the parser of all commands.

    Parameters
    ----------
    only : str, optional
        Leave out all other commands: importing what each of them needs takes longer than most of them run.
    """
    top = Parser(prog="amt-export", description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name in COMMANDS if only is None else (only,):
        add_command(commands, name, _command(name))
    return top


def _command(name: str) -> Any:
    """Return the module of a command, or what stands for it where a package is missing."""
    try:
        return importlib.import_module(f"amt_export.cli.commands.{name}")
    except ImportError as error:
        if name != "live":  # which draws with rich; the others can do without
            raise
        return UnavailableCommand(name, error)
