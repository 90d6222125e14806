"""``amt-export check``: verify published folders again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export.cli.arguments import Commands
from amt_export.cli.complaint import complain
from amt_export.cli.progress import bar
from amt_export.cli.tables import count, output, parity_table
from amt_export.errors import AmtExportError, ParityError
from amt_export.manifest import load_manifest

DESCRIPTION = """\
Verify published folders: sizes and hashes of all files, the interface of every
artifact, and its outputs on the folder's own test vectors against their float64
references; with torch installed, against the eager module too.
"""

EPILOG = """\
examples:
  amt-export check artifacts/gammatone_speech_16k
  amt-export check artifacts/*/

`verified by`: execution    the artifact ran here
               interpreter  Core ML where there is no Mac: the saved package was
                            evaluated in numpy, as its operations are documented
               interface    it was opened, and its names and shapes compared
On a Mac, scripts/check_on_mac.py checks Core ML on every compute unit.
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="verify published folders again",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a published folder")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> int:
    """Check folders one after the other; one that fails does not stop the others."""
    failed = sum(not _check(folder) for folder in arguments.folders)
    total = count(len(arguments.folders), "folder")
    output().print(f"{total} checked, {f'{failed} failed' if failed else 'all is well'}")
    return 1 if failed else 0


def _check(folder: Path) -> bool:
    """Check one folder, print its table, and say whether all is well."""
    from amt_export.parity import check_folder

    try:
        name = load_manifest(folder).name
        with bar(name) as report:
            rows = check_folder(folder, progress=report)
    except AmtExportError as error:
        if isinstance(error, ParityError):
            output().print(parity_table(name, error.rows), "")
        complain(error)
        return False
    output().print(parity_table(name, rows), "")
    return True
