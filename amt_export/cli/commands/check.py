"""``amt-export check``: verify published folders again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from amt_export.cli.arguments import Commands
from amt_export.cli.terminal.errors import complain
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import (
    count,
    not_run_lines,
    output,
    parity_table,
    place,
    remarks,
)
from amt_export.errors import AmtExportError, ParityError
from amt_export.manifest import load_manifest
from amt_export.manifest.exchange import repair

if TYPE_CHECKING:
    from amt_export.verify.parity import Findings

DESCRIPTION = """\
Verify published folders: size and hash of every artifact, the manifest and
the interface in it, and its outputs on the folder's own test vectors, which
the float64 module answered. With torch installed they are compared with the
eager module on the whole signal suite, too. (Pictures and README.md are for
readers, and not looked at.)

Needs numpy, and onnxruntime for ONNX; a format whose runtime is not installed
is listed as not run, with the reason.
"""

EPILOG = """\
examples:
  amt-export check artifacts/gammatone_speech_16k
  amt-export check artifacts/*/ --vectors-only

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
    parser.add_argument(
        "--vectors-only",
        action="store_true",
        help="do not compare with eager torch, though it is installed",
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> int:
    """Check folders one after the other; one that fails does not stop the others."""
    failed = sum(not _check(folder, arguments.vectors_only) for folder in arguments.folders)
    total = count(len(arguments.folders), "folder")
    output().print(f"{total} checked, {f'{failed} failed' if failed else 'all is well'}")
    return 1 if failed else 0


def _check(folder: Path, vectors_only: bool) -> bool:
    """Check one folder, print its tables, and say whether all is well."""
    from amt_export.verify.parity import check_folder

    repair(folder.parent)
    try:
        name = load_manifest(folder).name
        with bar(name) as report:
            findings = check_folder(folder, report, vectors_only=vectors_only)
    except AmtExportError as error:
        if isinstance(error, ParityError):
            output().print(parity_table(name, error.rows), "")
        complain(error)
        return False
    _print(name, findings)
    return True


def _print(name: str, findings: Findings) -> None:
    console = output()
    console.print(parity_table(f"{name}: differences from its test vectors", findings.vectors))
    if findings.eager:
        console.print(parity_table(f"{name}: differences from eager torch", findings.eager))
    lines = remarks(findings.rows)
    lines += not_run_lines(
        (place(item.format, item.form, item.provider), item.reason) for item in findings.not_run
    )
    if findings.eager_reason:
        lines.append(f"not compared with eager torch: {findings.eager_reason}")
    for line in filter(None, lines):
        console.print(line, style="dim")
    console.print()
