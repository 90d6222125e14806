"""``amt-export lint``: known traps in graphs, whoever made them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from amt_export.cli.arguments import Parser, add_quiet
from amt_export.cli.terminal.console import Table, Text
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, output, plain_table
from amt_export.errors import AmtExportError
from amt_export.runtime.lookup import find_model

if TYPE_CHECKING:
    from amt_export.lint import Finding

HELP = "known traps in any graph"

DESCRIPTION = """\
Inspect the graphs of ONNX files and Core ML packages, also of other makers, for
what converters and runtimes silently get wrong. Nothing is executed, and torch
is not needed.

PATH is an .onnx file, an .mlpackage, a folder with some of them, or the name of
a published model.
"""

EPILOG = """\
looks for:
  epsilon        log, division, roots of what may be 0: an epsilon is missing,
                 or an optimizer has dropped it
  own-epsilon    Core ML's inverse, rsqrt and log add one of their own
  constant-base  2 ** y, which Core ML gets wrong; slow-power: other powers
  transform      DFT and STFT operators; control-flow: Scan, Loop, If, lists
  float64        in a graph of float32
  precision      float16 and compressed weights
  not-finite     constants that hold NaN or infinity
  external-data  weights in other files; dynamic-shape: open sizes
  name           outputs that nobody named; version, domain: old or foreign
                 operators

exit code: 1 for an error or an unreadable file, 0 if there are only warnings.

examples:
  amt-export lint gammatone_speech_16k
  amt-export lint Downloads/model.onnx MyApp/Model.mlpackage
"""


MANY = 6
"""Names of nodes that a row shows."""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="an .onnx, an .mlpackage, a folder or the name of a model",
    )
    add_quiet(parser)


def run(arguments: Namespace) -> int:
    """Inspect paths one after the other; one that cannot be read does not stop the others."""
    # Imported here, because reading graphs takes a quarter of the time in which help appears.
    from amt_export.lint import errors_of, lint

    findings: list[Finding] = []
    unreadable = 0
    for given in arguments.paths:
        try:
            path = _resolved(given)
            with bar(path.name):
                found = lint(path)
        except AmtExportError as error:
            print_error(error)
            unreadable += 1
            continue
        for table in _tables(path, found):
            output().print(table, "")
        findings += found
    wrong = len(errors_of(findings))
    total = f"{count(wrong, 'error')}, {count(len(findings) - wrong, 'warning')}"
    if unreadable:
        total += f"; {unreadable} of {len(arguments.paths)} could not be read"
    output().print(total if findings or unreadable else f"{total}: nothing found")
    return 1 if wrong or unreadable else 0


def _resolved(path: Path) -> Path:
    """Return a path that is there as it is; a name stands for its published folder."""
    from amt_export.lint import READERS

    return path if path.exists() or path.suffix in READERS else find_model(path)


def _tables(path: Path, findings: list[Finding]) -> Iterator[Table]:
    """One table for each artifact; what is wrong in the same way is one row."""
    for file in dict.fromkeys(finding.file for finding in findings):
        title = str(path) if path.name == file else f"{path}/{file}"
        table = plain_table(title, ("", "node", "op", "trap and remedy"))
        alike: dict[tuple[str, ...], list[str]] = {}
        for finding in findings:
            if finding.file == file:
                key = (finding.severity, finding.op, f"{finding.rule}: {finding.message}")
                alike.setdefault(key, []).append(finding.node)
        for (severity, op, text), nodes in alike.items():
            style = "bold red" if severity == "error" else "yellow"
            table.add_row(Text(severity, style=style), _listed(nodes), op, text)
        yield table


def _listed(nodes: list[str]) -> str:
    """The first few names."""
    shown = nodes[:MANY]
    return ", ".join(shown) + (f" and {len(nodes) - MANY} more" if len(nodes) > MANY else "")
