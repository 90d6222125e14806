"""A command that cannot be had here, because a package it draws with is missing."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from amt_export.cli.arguments import Commands
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

    def add(self, commands: Commands) -> None:
        """Add the command to the parser."""
        parser = commands.add_parser(self.name, help=f"not here: {self.cause}")
        parser.add_argument("arguments", nargs="*")
        parser.set_defaults(command=self.run)

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
