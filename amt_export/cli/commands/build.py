"""``amt-export build``: export models, check every artifact, publish."""

from __future__ import annotations

import io
import sys
import time
from argparse import Namespace
from contextlib import redirect_stderr
from pathlib import Path

from amt_export.cli.allocator import tune_memory_management
from amt_export.cli.arguments import Parser, add_quiet, one_of, positive
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.progress import bar
from amt_export.cli.terminal.tables import (
    count,
    difference,
    output,
    parity_table,
    place,
    remarks,
    size,
    skipped,
)
from amt_export.errors import AmtExportError, MissingDependencyError, ParityError, require
from amt_export.manifest import Manifest
from amt_export.model_file import FORMATS, ModelSpec, load_spec, model_files
from amt_export.model_file.lookup import OWN

HELP = "export models, check every artifact, publish"

DESCRIPTION = """\
Export models, compare every artifact with torch, publish DIR/<name>/.

A folder is replaced as a whole, and only when all its artifacts are within
their tolerances; otherwise, and on Ctrl-C, what was there stays as it was.
"""

EPILOG = """\
examples:
  amt-export build                             every model in models/
  amt-export build gammatone_speech_16k        one of them, all its formats
  amt-export build ears.toml --format onnx     a file of your own, ONNX only
  amt-export build gammatone_speech_16k --samples 4000 --batch 8 -o small
  amt-export build casp_44k --checkpoint net.pt --checkpoint-prefix ears.

Without coremltools the Core ML packages are left out, and one line says so.
On a terminal every model gets a table, in a pipe or a log one line. In the
table `worst` is the largest difference from torch over the test signals,
relative to the peak of its channel (in dB for levels), and `signal` the one
that caused it. `verified by` interpreter: there is no Mac here, so the Core ML
package was evaluated in numpy. A folder holds only the formats of its last
build.
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL|TOML",
        help="name of a model, or path of a model file (default: every file in models/)",
    )
    parser.add_argument(
        "--format",
        action="append",
        dest="formats",
        type=one_of(FORMATS, "format"),
        metavar="F",
        help=f"only this format; may be repeated: {', '.join(FORMATS)}",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("artifacts"),
        metavar="DIR",
        help="publish here, as DIR/<name>/ (default: artifacts)",
    )
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="samples of audio that an artifact takes"
    )
    parser.add_argument(
        "--batch", type=positive, metavar="N", help="signals that an artifact takes at once"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="trained values: a state_dict saved by torch_amt or this package; needs one MODEL",
    )
    parser.add_argument(
        "--checkpoint-prefix",
        default="",
        metavar="P",
        help="take the entries of the checkpoint whose names start so, e.g. ears.",
    )
    add_quiet(parser)


def run(arguments: Namespace) -> int:
    """Build models one after the other; one that fails does not stop the others.

    Raises
    ------
    SpecError
        If a model file is not valid, before any model is built.
    """
    usage_error = arguments.parser.error
    if arguments.checkpoint_prefix and not arguments.checkpoint:
        usage_error("argument --checkpoint-prefix: needs --checkpoint FILE")
    if arguments.checkpoint and len(arguments.models) != 1:
        usage_error("argument --checkpoint: needs exactly one MODEL")
    require("torch", "export", "Building models")
    specs = [load_spec(model) for model in arguments.models or model_files(OWN)]
    specs = [spec.resized(arguments.samples, arguments.batch) for spec in specs]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            usage_error(f"{name}: given twice, but there is only one {arguments.out / name}")
    if not specs:
        usage_error(
            f"there is no model file in {OWN}/; name a model, as amt-export list shows them"
        )

    formats = {spec.name: _formats(spec, arguments.formats) for spec in specs}
    if left_out := _without_coreml(formats, asked=bool(arguments.formats)):
        output().print(left_out, soft_wrap=True)
    tune_memory_management()
    published: list[Manifest] = []
    for spec in specs:
        try:
            published.append(_build(spec, formats[spec.name], arguments))
        except AmtExportError as error:
            if isinstance(error, ParityError):
                output().print(parity_table(spec.name, error.rows))
            print_error(error)
    return _summary(published, [spec.name for spec in specs], arguments.out)


def _formats(spec: ModelSpec, asked: list[str] | None) -> list[str]:
    """Return the formats that were asked for, each once, or those of the model file."""
    return list(dict.fromkeys(asked or spec.formats))


def _without_coreml(formats: dict[str, list[str]], asked: bool) -> str:
    """Leave Core ML out where coremltools is missing, and return the line that says so; empty if it is there.

    Raises
    ------
    MissingDependencyError
        If it was asked for by name, or nothing else is to be built of a model.
    """
    if not any("coreml" in kinds for kinds in formats.values()):
        return ""
    try:
        # It says on import what it has not been tested with, and that Linux cannot predict.
        with redirect_stderr(io.StringIO()):
            require("coremltools", "coreml", "Building Core ML packages")
    except MissingDependencyError as error:
        if asked or ["coreml"] in formats.values():
            raise
        for kinds in formats.values():
            if "coreml" in kinds:
                kinds.remove("coreml")
        return f"Core ML is left out: {error}"
    return ""


def _build(spec: ModelSpec, formats: list[str], arguments: Namespace) -> Manifest:
    """Build, check and publish one model, and print its table, or one line where nobody watches."""
    from amt_export.publish import publish

    started = time.monotonic()
    with bar(spec.name) as report:
        manifest = publish(
            spec,
            arguments.out,
            formats=formats,
            checkpoint=arguments.checkpoint,
            checkpoint_prefix=arguments.checkpoint_prefix,
            progress=report,
        )
    console = output()
    if console.is_terminal:
        console.print(parity_table(spec.name, manifest.parity))
        for line in (*remarks(manifest.parity), *skipped(manifest.parity)):
            console.print(line, style="dim")
    total = size(sum(entry.bytes for entry in manifest.files))
    seconds = time.monotonic() - started
    console.print(
        f"published {arguments.out / spec.name}: {count(len(manifest.files), 'artifact')}, "
        f"{total}, {seconds:.0f} s" + ("\n" if console.is_terminal else f", {_worst(manifest)}"),
        soft_wrap=True,
    )
    sys.stdout.flush()  # a log shows each model when it is done
    return manifest


def _worst(manifest: Manifest) -> str:
    """Return the difference that comes closest to its tolerance."""
    row = max(manifest.parity, key=lambda row: (row.worst or 0.0) / (row.tolerance or 1.0))
    where = place(row.format, row.form, row.provider)
    worst, allowed = difference(row.worst, row.kind), difference(row.tolerance, row.kind)
    return f"worst {worst} of {allowed} allowed ({where})"


def _summary(published: list[Manifest], names: list[str], out: Path) -> int:
    """Print the last line and return the exit code."""
    done = {manifest.name for manifest in published}
    artifacts = sum(len(manifest.files) for manifest in published)
    line = f"{count(len(published), 'model')}, {count(artifacts, 'artifact')} published in {out}"
    if failed := [name for name in names if name not in done]:
        line += f"; not published: {', '.join(failed)}"
    output().print(line, soft_wrap=True)
    return 1 if failed else 0
