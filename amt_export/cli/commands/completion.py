"""``amt-export completion``: what makes a shell complete commands, options and names of models."""

from __future__ import annotations

from argparse import Namespace

from amt_export.cli.arguments import Parser, one_of
from amt_export.errors import require

SHELLS = ("bash", "zsh", "fish", "powershell")

HELP = "complete with the Tab key"

DESCRIPTION = """\
Print a script that makes a shell complete commands, options, names of models
and files after the Tab key. Needs argcomplete.
"""

EPILOG = """\
once, for this shell:
  eval "$(amt-export completion bash)"

for good:
  amt-export completion bash >> ~/.bashrc
  amt-export completion zsh >> ~/.zshrc
  amt-export completion fish > ~/.config/fish/completions/amt-export.fish
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "shell", type=one_of(SHELLS, "shell"), metavar="SHELL", help=", ".join(SHELLS)
    )


def run(arguments: Namespace) -> int:
    """Print the script.

    Raises
    ------
    MissingDependencyError
        If argcomplete is not installed.
    """
    argcomplete = require("argcomplete", "completion", "Completion")
    print(argcomplete.shellcode(["amt-export"], shell=arguments.shell))  # noqa: T201
    return 0
