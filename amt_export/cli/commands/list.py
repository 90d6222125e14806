"""``amt-export list``: the models there are, and which formats of each are published."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from amt_export.cli.arguments import Commands
from amt_export.cli.terminal.console import Text
from amt_export.cli.terminal.tables import count, output, plain_table, shape
from amt_export.errors import AmtExportError, require
from amt_export.manifest import MANIFEST_NAME, Manifest, load_manifest
from amt_export.manifest.exchange import repair
from amt_export.model_file import ModelSpec, load_spec, model_files

EPILOG = """\
for each format: yes  published
                 old  published, but the model file says something else by now
                 no   not published yet (amt-export build MODEL)
                 -    not asked for by the model file

examples:
  amt-export list
  amt-export list --out /data/artifacts
"""

HEADERS = {
    "torchscript": "torch\nscript",
    "exported_program": "exported\nprogram",
    "onnx": "onnx",
    "coreml": "coreml",
}
"""By format, narrow enough for a line of 80."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "list",
        help="models, their shapes and formats, and what is published",
        description="List the models in models/ and which formats of each are published.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("artifacts"),
        metavar="DIR",
        help="where published folders are (default: artifacts)",
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> int:
    """Print the table.

    Raises
    ------
    AmtExportError
        The first of the model files that are not valid, after the table of the valid ones.
    """
    require("torch", "export", "Checking model files against their modules")
    repair(arguments.out)
    table = plain_table("", ("model, module", "inputs", *HEADERS.values()))
    failed: list[AmtExportError] = []
    published = 0
    files = model_files()
    for path in files:
        try:
            spec = load_spec(path)
            states = _states(spec, arguments.out)
        except AmtExportError as error:
            failed.append(error)
            continue
        published += "yes" in states
        inputs = "\n".join(f"{name} {shape(sizes)}" for name, sizes in spec.inputs.items())
        table.add_row(
            Text.assemble(spec.name, "\n", (spec.module, "dim")),
            inputs,
            *(Text(state, style="green" if state == "yes" else "") for state in states),
        )
    console = output()
    console.print(table)
    console.print(f"{count(len(files), 'model')}, {published} published in {arguments.out}")
    if failed:
        raise failed[0]
    return 0


def _states(spec: ModelSpec, out: Path) -> list[str]:
    """Return for each format whether it is published."""
    folder = out / spec.name
    manifest = load_manifest(folder) if (folder / MANIFEST_NAME).exists() else None
    published = {entry.format for entry in manifest.files} if manifest else set()
    states = []
    for kind in HEADERS:
        if kind in published:
            states.append("yes" if manifest and _same(spec, manifest) else "old")
        else:
            states.append("no" if kind in spec.formats else "-")
    return states


def _same(spec: ModelSpec, manifest: Manifest) -> bool:
    """Whether a published folder was built from what the model file says now."""
    block = manifest.stream.block if manifest.stream else None
    return (spec.module, spec.precision, spec.raw_parameters, spec.stream_block) == (
        manifest.module,
        manifest.precision,
        manifest.parameters,
        block,
    ) and spec.inputs == {port.name: port.shape for port in manifest.inputs}
