"""``amt-export check``: verify published models again."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from amt_export.cli.arguments import Parser, add_flag, add_json, add_quiet
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import (
    count,
    json_text,
    not_run_lines,
    output,
    parity_table,
    place,
    remarks,
)
from amt_export.errors import AmtExportError, ParityError
from amt_export.manifest import ParityRow, load_manifest
from amt_export.manifest.exchange import repair
from amt_export.runtime.lookup import ARTIFACTS, find_model

if TYPE_CHECKING:
    from amt_export.verify.parity import Findings

HELP = "verify published models again"

DESCRIPTION = """\
Verify published models: size and hash of every artifact, the manifest and the
interface in it, and its outputs on the folder's own test vectors, which the
float64 module computed. With torch installed they are compared with the eager
module on the whole signal suite, too. Pictures and model cards are for readers
and only their hashes are compared.

MODEL is a name (artifacts/MODEL, then the installed amt_export_models) or a
published folder. Installed models have no test vectors: without torch, their
hashes and interfaces are verified and no numbers are compared.

Needs numpy, and onnxruntime for ONNX; a format whose runtime is not installed
is listed as not run, with the reason.
"""

EPILOG = """\
examples:
  amt-export check gammatone_speech_16k
  amt-export check artifacts/*/ --vectors-only
  amt-export check artifacts/*/ --json > checked.json

`verified by`: execution    the artifact ran here
               interpreter  Core ML where there is no Mac: the saved package was
                            evaluated in numpy, as its operations are documented
               interface    it was opened, and its names and shapes compared
On a Mac, scripts/check_on_mac.py checks Core ML on every compute unit.
"""


@dataclass(frozen=True)
class NotRun:
    """What was not measured, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """What was found about one model; `error` is empty if nothing is wrong."""

    model: str
    folder: str
    error: str = ""
    vectors: tuple[ParityRow, ...] = ()
    eager: tuple[ParityRow, ...] = ()
    not_run: tuple[NotRun, ...] = ()

    @property
    def compared(self) -> bool:
        """Whether any number was compared; without test vectors and without torch none is."""
        return bool(self.vectors or self.eager)


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="name of a model, or a published folder"
    )
    add_flag(parser, "--vectors-only", "do not compare with eager torch, though it is installed")
    add_quiet(parser)
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Check models one after the other; one that fails does not stop the others."""
    repair(ARTIFACTS)
    checked = []
    for model in arguments.models:
        found = _check(model, arguments.vectors_only)
        checked.append(found)
        if found.error:
            print_error(found.error)
        if not arguments.json:
            _print(found)
    failed = sum(bool(found.error) for found in checked)
    if arguments.json:
        print(json_text(tuple(checked)))  # noqa: T201
        return 1 if failed else 0
    console = output()
    for line in _not_run(checked):
        console.print(line, style="dim")
    console.print(_summary(checked, failed))
    return 1 if failed else 0


def _summary(checked: list[Checked], failed: int) -> str:
    """Return the last line: all is well only where numbers of every model were compared."""
    total = f"{count(len(checked), 'model')} checked" + (f", {failed} failed" if failed else "")
    intact = [found for found in checked if not found.error and not found.compared]
    if not intact:
        return total if failed else f"{total}, all is well"
    # `check_folder` refuses a folder with vectors of which it could compare none.
    whose = "the folder has" if len(intact) == 1 else "the folders have"
    why = f"{whose} no vectors.npz"
    if len(intact) == len(checked):
        return f"{total}; files are intact, no numbers compared: {why}"
    return f"{total}; no numbers compared for {len(intact)} of them: {why}"


def _check(model: str, vectors_only: bool) -> Checked:
    """Check one model."""
    from amt_export.verify.parity import check_folder

    name, folder = model, Path(model)
    try:
        folder = find_model(model)
        repair(folder.parent)
        name = load_manifest(folder).name
        with bar(name) as report:
            findings = check_folder(folder, report, vectors_only=vectors_only)
    except ParityError as error:
        return Checked(name, str(folder), str(error), vectors=error.rows)
    except AmtExportError as error:
        return Checked(name, str(folder), str(error))
    return Checked(
        name, str(folder), "", findings.vectors, findings.eager, tuple(_reasons(findings))
    )


def _reasons(findings: Findings) -> list[NotRun]:
    reasons = [NotRun(place(x.format, x.form, x.provider), x.reason) for x in findings.not_run]
    for what, reason in (
        ("comparison with test vectors", findings.vectors_reason),
        ("comparison with eager torch", findings.eager_reason),
    ):
        if reason:
            reasons.append(NotRun(what, reason))
    return reasons


def _not_run(checked: list[Checked]) -> list[str]:
    """One line a reason for all models together; the models are named where it is not all of them."""
    items = []
    for item in dict.fromkeys(item for found in checked for item in found.not_run):
        models = [found.model for found in checked if item in found.not_run]
        whose = "" if len(models) == len(checked) else f" ({', '.join(models)})"
        items.append((item.what, item.reason + whose))
    return not_run_lines(items)


def _print(found: Checked) -> None:
    console = output()
    tables = [
        (f"{found.model}: differences from its test vectors", found.vectors),
        (f"{found.model}: differences from eager torch", found.eager),
    ]
    shown = [(title, rows) for title, rows in tables if rows]
    for title, rows in shown:
        console.print(parity_table(found.model if found.error else title, rows))
    for line in remarks(found.vectors + found.eager):
        console.print(line, style="dim")
    if shown:
        console.print()
    elif not found.error:
        console.print(f"{found.model}: files are intact; no numbers compared")
