"""``amt-export triton``: a model repository for NVIDIA's Triton inference server."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export.cli.arguments import Parser, add_flag, number_above_zero, positive
from amt_export.cli.terminal.tables import count, output
from amt_export.runtime.lookup import find_model
from amt_export.runtime.triton import RepositoryOptions, write_model

HELP = "a repository for the Triton server"

DESCRIPTION = """\
Write a model repository for Triton from published models.

Each model is served in its whole form under its name and, if it has one, in its
streaming form under NAME_stream. A stream is a sequence: the server keeps the
states between the blocks of a client. With --stateless the states are inputs
and outputs, the client keeps them, and any replica may answer.
"""

EPILOG = """\
examples:
  amt-export triton gammatone_speech_16k -o repository
  amt-export triton artifacts/*/ -o repository --streams 64 --instances 4
  tritonserver --model-repository repository

from an app (pip install 'amt_export[triton]'):
  model = runtime.load("triton://localhost:8001/gammatone_speech_16k")
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="names of models, or published folders"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="REPO", help="the repository"
    )
    parser.add_argument(
        "--streams",
        type=positive,
        default=256,
        metavar="N",
        help="sequences at once in each instance (default: 256)",
    )
    parser.add_argument(
        "--instances", type=positive, default=1, metavar="N", help="of each model (default: 1)"
    )
    parser.add_argument(
        "--idle",
        type=number_above_zero,
        default=60.0,
        metavar="S",
        help="drop a sequence after S seconds without a block (default: 60)",
    )
    add_flag(parser, "--stateless", "the client keeps the states of streams")
    add_flag(
        parser,
        "--python-backend",
        "run onnxruntime in Triton's Python backend, for servers without an ONNX backend",
    )


def run(arguments: Namespace) -> int:
    """Write the repository, and say what is in it."""
    options = RepositoryOptions(
        arguments.streams,
        arguments.instances,
        arguments.idle,
        arguments.stateless,
        arguments.python_backend,
    )
    console = output()
    folders = dict.fromkeys(find_model(model).resolve() for model in arguments.models)
    names: set[str] = set()
    for folder in folders:
        written = write_model(folder, arguments.out, options)
        names.update(written)
        console.print(f"{folder.name}: {', '.join(written)}", soft_wrap=True)
    console.print(f"{count(len(names), 'model')} in {arguments.out}", soft_wrap=True)
    return 0
