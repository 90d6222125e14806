"""Arguments: a parser that complains in one line, and the types of options."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from amt_export.cli.exit_codes import USAGE_ERROR
from amt_export.cli.terminal.errors import print_error
from amt_export.runtime.lookup import ARTIFACTS

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """An argument parser that keeps the layout of its texts and complains in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        try:
            one_of(action.choices, "command")(value)
        except ArgumentTypeError as error:
            raise argparse.ArgumentError(action, str(error)) from None

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and report what is left as long as it is known which command has no such option."""
        parsed, left = super().parse_known_args(args, namespace)
        if left and self._subparsers is None:
            self.error(self._unrecognized(left))
        return parsed, left

    def _unrecognized(self, left: Sequence[str]) -> str:
        """Say what is not known, and what was probably meant."""
        name = next((word.partition("=")[0] for word in left if word.startswith("-")), None)
        if name is None:
            words = " ".join(left)
            several = (a for a in self._actions if a.nargs == "+" and not a.option_strings)
            if (inputs := next(several, None)) is not None:  # argparse takes their first stretch
                what = f"each {inputs.metavar} must stand beside the others"
                return f"{words}: {what}, all before or all after the options"
            return f"unrecognized arguments: {words}"
        close = get_close_matches(name, self._option_string_actions, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"unrecognized argument {name}{hint}"

    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        print_error(f"{message} (see {self.prog} --help)")
        raise SystemExit(USAGE_ERROR)


def add_command(commands: Any, name: str, command: Any) -> None:
    """Add a command.

    Parameters
    ----------
    commands
        Of `add_subparsers`; argparse's class of it is private.
    name : str
    command
        A module with the texts HELP, DESCRIPTION and EPILOG, with ``add(parser)`` for its arguments and with
        ``run(arguments)``, which returns the exit code. It finds its parser in ``arguments.parser``.
    """
    parser = commands.add_parser(
        name, help=command.HELP, description=command.DESCRIPTION, epilog=command.EPILOG
    )
    parser.set_defaults(command=command.run, parser=parser)
    command.add(parser)


def add_flag(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add an option that is given or not."""
    parser.add_argument(name, action="store_true", help=text)


def add_quiet(
    parser: argparse.ArgumentParser, text: str = "print errors and warnings only"
) -> None:
    """Add ``-q``; `main` drops the output of a command that was called with it."""
    parser.add_argument("-q", "--quiet", action="store_true", help=text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``, for programs that read the answer."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add ``-o``, the folder of the published folders that a command reads."""
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=ARTIFACTS,
        metavar="DIR",
        help=f"where published folders are (default: {ARTIFACTS})",
    )


def one_of(names: Iterable[str], what: str) -> Callable[[str], str]:
    """Return a type that takes some words, and knows which one was probably meant."""
    allowed = list(names)

    def parse(text: str) -> str:
        if text in allowed:
            return text
        close = get_close_matches(text.lower(), allowed, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ArgumentTypeError(f"unknown {what} {text!r}; {hint}choose from {', '.join(allowed)}")

    parse.choices = allowed  # type: ignore[attr-defined]  # for the completion of shells
    return parse


def number(
    kind: Callable[[str], Number], complaint: str, holds: Callable[[Number], bool] = lambda _: True
) -> Callable[[str], Number]:
    """Return a type that takes some numbers, and says of other texts what they are not."""

    def parse(text: str) -> Number:
        with suppress(ValueError):
            if holds(value := kind(text)):
                return value
        raise ArgumentTypeError(f"{text!r} {complaint}")

    return parse


positive = number(int, "is not an integer above zero", lambda value: value >= 1)
number_above_zero = number(
    float, "is not a number above zero", lambda value: 0.0 < value < float("inf")
)
# Whether it is a sensible level is judged where it is used.
decibel = number(float, "is not a number of dB")


def file_ending_in(*suffixes: str) -> Callable[[str], Path]:
    """Return a type that takes a path with one of these suffixes."""

    def parse(text: str) -> Path:
        if Path(text).suffix.lower() not in suffixes:
            raise ArgumentTypeError(f"{text!r} must end in {' or '.join(suffixes)}")
        return Path(text)

    return parse


def part(text: str) -> tuple[int, int]:
    """Take I/N: the Ith of N parts, counted from 1."""
    index, _, parts = text.partition("/")
    if not (index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
        raise ArgumentTypeError(f"{text!r} is no part: give I/N with I from 1 to N, e.g. 3/100")
    return int(index), int(parts)
