"""``amt-export report``: all published models on one page."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export.cli.arguments import Parser, add_quiet, file_ending_in
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.tables import count, output, size
from amt_export.errors import AmtExportError, ArtifactError, PublishError
from amt_export.runtime.lookup import ARTIFACTS, MODELS_PACKAGE, installed_models, model_folders

HELP = "all published models on one page"

DESCRIPTION = """\
Write one page about all published models: sizes, the worst difference of each
format and provider, on which signal and in which channel, with the pictures of
each folder. The page is one HTML file that needs nothing else.

It says what the manifests say; a folder whose files are not those that were
published is left out. Nothing is executed, and torch is not needed.
"""

EPILOG = """\
examples:
  amt-export report
  amt-export report /data/artifacts -o parity.html
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help=f"where published folders are (default: {ARTIFACTS}, or else the installed "
        f"{MODELS_PACKAGE})",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_ending_in(".html"),
        metavar="OUT.html",
        help="write the page here (default: DIR/parity.html, or here for installed models)",
    )
    add_quiet(parser)


def run(arguments: Namespace) -> int:
    """Write the page; folders that are damaged are named, and make the exit code 1.

    Raises
    ------
    ArtifactError
        If there is nothing to write about.
    PublishError
        If the page cannot be written.
    """
    # Imported here, because it brings all of verification with it.
    from amt_export.report import published_folders, read_published, write_page

    out = arguments.folder or next((p for p in model_folders() if published_folders(p)), ARTIFACTS)
    models, damaged = [], 0
    for folder in published_folders(out):
        try:
            models.append(read_published(folder))
        except AmtExportError as error:
            print_error(error)
            damaged += 1
    if not models:
        raise ArtifactError(f"{out}: holds no published models; run amt-export build")
    # Nothing is written into an installed package.
    page = arguments.output or (Path() if out == installed_models() else out) / "parity.html"
    try:
        write_page(page, models)
    except OSError as error:
        raise PublishError(f"{page}: {error.strerror or error}; give another place") from error
    left_out = f", {damaged} left out" if damaged else ""
    output().print(
        f"wrote {page}: {count(len(models), 'model')}{left_out}, {size(page.stat().st_size)}",
        soft_wrap=True,
    )
    return 1 if damaged else 0
