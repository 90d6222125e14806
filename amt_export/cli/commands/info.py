"""``amt-export info``: what is in a published folder or a single artifact."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from amt_export.audio.file_names import as_text
from amt_export.cli.arguments import Parser, add_json
from amt_export.cli.terminal.console import Console, Table
from amt_export.cli.terminal.tables import (
    output,
    parity_table,
    plain_table,
    ports_table,
    remarks,
    shape,
    size,
    skipped,
)
from amt_export.manifest import FileEntry, Manifest, load_manifest
from amt_export.manifest.embedded import embedded_manifest, is_artifact
from amt_export.runtime.lookup import find_model

HELP = "what is in a model or an artifact"

DESCRIPTION = """\
Show what a model takes and gives, its parameters, its files and their accuracy.

MODEL is a name (artifacts/MODEL, then the installed amt_export_models), a
published folder, or a single artifact anywhere: each one carries its
description inside. Nothing is executed, and torch is not needed.

`folder` is where the files of the model lie, for apps that open them.
--json prints manifest.json, with `folder` in front.
"""

EPILOG = """\
examples:
  amt-export info gammatone_speech_16k
  amt-export info gammatone_speech_16k --json
  amt-export info Downloads/casp_44k.onnx
  amt-export info MyApp/Resources/casp_44k.mlpackage
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="name, published folder, or an .onnx, .ts.pt, .pt2 or .mlpackage",
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the description.

    Raises
    ------
    ArtifactError
        If there is none, or it is damaged.
    """
    path = Path(arguments.model)
    # A missing artifact, and any other file, get the error that fits.
    single = is_artifact(path) or path.is_file()
    folder = None if single else find_model(path).absolute()
    manifest = embedded_manifest(path) if folder is None else load_manifest(folder)
    if arguments.json:
        print(_json(manifest, folder))  # noqa: T201
        return 0
    console = output()
    console.print(f"{manifest.name}: {manifest.description}\n", style="bold")
    if folder is not None:  # not in the table, which would break a long path
        console.print(f"folder: {as_text(folder)}\n", soft_wrap=True)
    console.print(_facts(manifest), "")
    console.print(ports_table("inputs", manifest.inputs), "")
    console.print(ports_table("outputs", manifest.outputs))
    _print_stream(manifest, console)
    if manifest.files:
        console.print("", _files(manifest.files))
    if manifest.parity:
        console.print(
            "", parity_table("largest difference from the same model in torch", manifest.parity)
        )
        for line in (*remarks(manifest.parity), *skipped(manifest.parity)):
            console.print(line, style="dim")
    return 0


def _json(manifest: Manifest, folder: Path | None) -> str:
    """Return the manifest as JSON, and with it the folder in which an app finds the files."""
    document = json.loads(manifest.to_json())
    if folder is not None:
        document = {"folder": as_text(folder), **document}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _facts(manifest: Manifest) -> Table:
    """Return the single values of a manifest."""
    rate, fc = manifest.sampling_rate, manifest.centre_frequencies
    facts = {
        "module": f"{manifest.module}, {manifest.precision}",
        **{f"  {key}": str(value) for key, value in manifest.parameters.items()},
        "sampling rate": f"{rate:g} Hz" if rate else "",
        "channels": f"{len(fc)}, {min(fc):.1f} to {max(fc):.1f} Hz" if fc else "",
        "frames": f"every {_duration(manifest.hop, rate)}" if manifest.hop > 1 else "",
        "warm-up": _duration(manifest.warm_up, rate) if manifest.warm_up else "",
        "look-ahead": _duration(manifest.look_ahead, rate) if manifest.look_ahead else "",
        "batch": "any" if manifest.batch == "dynamic" else "",
        "license": manifest.license,
        "references": ", ".join(f"doi:{doi}" for doi in manifest.references),
        "manifest": f"schema {manifest.converted_from}, converted"
        if manifest.converted_from
        else "",
        "built with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    table = plain_table("", ("", ""))
    table.show_header = False
    for name, value in facts.items():
        if value:
            table.add_row(name, value)
    return table


def _duration(samples: int, rate: float | None) -> str:
    if not rate:
        return f"{samples} samples"
    seconds = samples / rate
    time = f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
    return f"{samples} samples ({time})"


def _print_stream(manifest: Manifest, console: Console) -> None:
    if manifest.stream is None:
        return
    stream, rate = manifest.stream, manifest.sampling_rate
    title = f"stream: blocks of {_duration(stream.block, rate)}"
    title += f", latency {_duration(stream.latency, rate)}" if stream.latency else ", no latency"
    if stream.skip:
        title += f"\nthe first {stream.skip} frames of a stream lie before the signal"
    table = plain_table(title, ("state", "becomes", "shape", "meaning"))
    for state in stream.states:
        table.add_row(state.input, state.output, shape(state.shape), state.meaning)
    console.print("", table)


def _files(files: Iterable[FileEntry]) -> Table:
    table = plain_table("files", ("file", "format", "size", "SHA-256"), right=("size",))
    for entry in files:
        # The first twelve digits tell files apart; `check` compares them all.
        table.add_row(entry.path, entry.format, size(entry.bytes), entry.sha256[:12])
    return table
