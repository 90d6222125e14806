"""``amt-export diff``: where an artifact first departs from torch."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from amt_export.cli.arguments import Parser, add_quiet, file_ending_in, one_of, positive
from amt_export.cli.terminal.console import Table, Text
from amt_export.cli.terminal.files import replacing
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import count, difference, output, plain_table
from amt_export.errors import ArtifactError, SpecError, require
from amt_export.model_file import named_model_files
from amt_export.runtime.lookup import find_model

if TYPE_CHECKING:
    from amt_export.verify.divergence import Divergence, Step, Subject

FORMATS = ("onnx", "coreml")
"""Those whose inner values can be seen."""

FORMS = ("whole", "stream")

HELP = "where an artifact first departs from torch"

DESCRIPTION = """\
Find the first value inside an artifact that departs from torch, and how
the error grows from there, node by node.

MODEL is the name of a model or a model file, whose artifact is built for this;
or a published folder, whose file is taken as it is. ONNX files run in ONNX
Runtime without optimization, Core ML packages in the interpreter.
"""

EPILOG = """\
examples:
  amt-export diff casp_44k --format onnx --samples 4410
  amt-export diff artifacts/casp_44k --format coreml --plot diff.png
  amt-export diff gammatone_speech_16k --format onnx --signal tone_1k
  amt-export diff artifacts/casp_44k --format onnx --form stream

The table: `error` is the largest difference from torch, relative to the
largest magnitude of the value (of an output, as `check` measures it);
`rounding` the same between torch in single and in double precision, `-` where
a value is what rounding has left. A value `departs` if its error is beyond the
tolerance of the format and beyond four times the rounding, and stays so all the
way to an output; it `fades` if it does not. Shown are the values whose error
exceeds all before, those around the first that departs, and the last.

exit code: 0 if nothing departs, 1 if something does.
"""

SIGNAL = "noise_94dB"
"""All frequencies, loud."""

BEFORE, AFTER = 2, 3
"""Rows around the first one that departs."""

MOST = 24
"""Rows of the table; of more, the first half and the last half."""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument("model", metavar="MODEL", help="name, model file or published folder")
    parser.add_argument(
        "--format",
        required=True,
        type=one_of(FORMATS, "format"),
        metavar="F",
        help=" or ".join(FORMATS),
    )
    parser.add_argument(
        "--form",
        default="whole",
        type=one_of(FORMS, "form"),
        metavar="FORM",
        help="whole signals, or the stream: its loudest block (default: whole)",
    )
    parser.add_argument(
        "--signal", default=SIGNAL, metavar="S", help=f"of the test signals (default: {SIGNAL})"
    )
    parser.add_argument(
        "--samples",
        type=positive,
        metavar="N",
        help="samples of audio, for an artifact to be built",
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="trained values, as `build` takes them"
    )
    parser.add_argument(
        "--checkpoint-prefix", default="", metavar="P", help="as `build` takes it, e.g. ears."
    )
    parser.add_argument(
        "--plot", type=file_ending_in(".png"), metavar="OUT.png", help="draw the growing error"
    )
    add_quiet(parser)


def run(arguments: Namespace) -> int:
    """Compare, print the table, and say what departs first.

    Raises
    ------
    SpecError
        If there is no such signal.
    """
    require("torch", "export", "Comparing with torch")
    if arguments.plot:
        require("matplotlib", "plot", "Drawing pictures")
    from amt_export.verify.divergence import diverge, subject_of

    with (
        bar(arguments.model) as report,
        subject_of(
            _resolved(arguments.model),
            arguments.format,
            arguments.samples,
            arguments.checkpoint,
            arguments.checkpoint_prefix,
            arguments.form,
        ) as subject,
    ):
        if arguments.signal not in subject.inputs:
            known = ", ".join(subject.inputs)
            raise SpecError(f"no signal {arguments.signal!r}; choose from {known}")
        found = diverge(subject, arguments.signal, report)
    title = f"{subject.name}.{subject.format} on {arguments.signal}"
    _print(title, subject, found)
    if arguments.plot:
        from amt_export import plot
        from amt_export.verify.divergence.picture import picture

        with replacing(arguments.plot) as temporary:
            plot.save(picture(found, title, subject.tolerance), temporary)
        output().print(f"wrote {arguments.plot}", soft_wrap=True)
    return 0 if found.first is None else 1


def _resolved(model: str) -> str:
    """Return what `subject_of` takes: a name without a model file stands for its published folder."""
    if Path(model).is_dir() or model in {path.stem for path in named_model_files()}:
        return model
    with suppress(ArtifactError):  # then the error of a missing model file says more
        return str(find_model(model))
    return model


def _print(title: str, subject: Subject, found: Divergence) -> None:
    console = output()
    rows = _chosen(found)
    console.print(_table(title, rows, found))
    compared = f"{count(len(found.steps), 'value')} compared, {len(rows)} shown"
    if found.unmatched:
        compared += f"; {found.unmatched} more are the artifact's alone"
    console.print(compared, style="dim")
    for name, error in found.constants.items():
        console.print(
            f"weight {name} is not the module's: off by {difference(error)} of its largest"
        )
    if found.first is None:
        fading = sum(step.beyond for step in found.steps)
        but = f" of what reaches an output; {count(fading, 'value')} before it do" if fading else ""
        console.print(f"nothing departs by more than {difference(subject.tolerance)}{but}")
        return
    first = found.first
    console.print(f"first departs: {first.name} ({first.op}), by {difference(first.error)}")
    console.print(f"  computed from {', '.join(found.computed_from)}")


def _chosen(found: Divergence) -> list[Step]:
    """Values whose error exceeds all before, those around the first that departs, and the last one."""
    places, most = set(), -1.0
    for place, step in enumerate(found.steps):
        if step.error > most:
            places.add(place)
            most = step.error
    if len(places) > MOST:
        ordered = sorted(places)
        places = {*ordered[: MOST // 2], *ordered[-MOST // 2 :]}
    if found.first is not None:
        at = found.steps.index(found.first)
        places |= set(range(max(at - BEFORE, 0), min(at + AFTER + 1, len(found.steps))))
    places.add(len(found.steps) - 1)
    return [found.steps[place] for place in sorted(places)]


def _table(title: str, rows: list[Step], found: Divergence) -> Table:
    from amt_export.verify.divergence.search import MOST_ROUNDING

    columns = ("", "value", "op", "in torch", "error", "rounding")
    table = plain_table(title, columns, right=("error", "rounding"))
    for step in rows:
        mark = _mark(step, found)
        table.add_row(
            Text(mark, style={"first": "bold red", "departs": "red"}.get(mark, "dim")),
            step.name,
            step.op,
            step.target.partition(".")[0],
            difference(step.error),
            difference(step.rounding if step.rounding < MOST_ROUNDING else None),
        )
    return table


def _mark(step: Step, found: Divergence) -> str:
    if step is found.first:
        return "first"
    return "departs" if step.departs else "fades" if step.beyond else ""
