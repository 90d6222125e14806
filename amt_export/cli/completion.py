"""What the Tab key offers, by argcomplete: commands and options, names of models, choices, files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import Any

from amt_export.errors import require

STARTED_BY_SHELL = "_ARGCOMPLETE"
"""Environment variable that argcomplete's shell script sets."""

BUILDS, RUNS = "MODEL|TOML", ("MODEL", "PATH")
"""What the help calls arguments that take a name: of a model file, and of a published model."""


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions and exit; return at once in any other case.

    Raises
    ------
    MissingDependencyError
        If argcomplete is not installed.
    """
    if STARTED_BY_SHELL not in os.environ:
        return
    argcomplete = require("argcomplete", "completion", "Completion")
    files = argcomplete.FilesCompleter()
    for action in _actions(parser):
        if names := _names(action):
            action.completer = _completer(names, files)  # type: ignore[attr-defined]
        elif choices := getattr(action.type, "choices", None):
            action.completer = argcomplete.ChoicesCompleter(choices)  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """Arguments of all commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action


def _names(action: argparse.Action) -> list[str]:
    from amt_export.model_file import named_model_files
    from amt_export.runtime import models

    if action.metavar == BUILDS:
        return [path.stem for path in named_model_files()]
    return models() if action.metavar in RUNS else []


def _completer(
    names: list[str], files: Callable[..., Iterable[str]]
) -> Callable[..., Iterable[str]]:
    def offered(prefix: str, **options: Any) -> list[str]:
        return [
            *(name for name in names if name.startswith(prefix)),
            *files(prefix, **options),
        ]

    return offered
