"""A command that cannot be had here, because a package it draws with is missing."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from amt_export.cli.arguments import Parser
from amt_export.errors import MissingDependencyError


@dataclass(frozen=True)
class UnavailableCommand:
    """Stands where the command would; says what is missing when it is called.

    Parameters
    ----------
    name : str
        Of the command.
    cause : ImportError
    """

    name: str
    cause: ImportError

    DESCRIPTION = EPILOG = None

    @property
    def HELP(self) -> str:  # noqa: N802, as modules of commands have it
        """What stands in the list of commands."""
        return f"not here: {self.cause}"

    def add(self, parser: Parser) -> None:
        """Take any arguments."""
        parser.add_argument("arguments", nargs="*")

    def run(self, _arguments: Namespace) -> int:
        """Say what is missing.

        Raises
        ------
        MissingDependencyError
        """
        raise MissingDependencyError(
            f"{self.name} needs rich ({self.cause}): pip install 'amt_export[audio]'",
            name=self.cause.name,
        ) from self.cause
