"""``amt-export bench``: size, accuracy, speed and memory of published artifacts."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amt_export.cli.arguments import Parser, add_flag, add_json, add_out, positive
from amt_export.cli.benchmark import Measured, Missing, audio_seconds, measure_folder
from amt_export.cli.peer import NAME, find_peer
from amt_export.cli.streams import streams_table
from amt_export.cli.terminal.console import Table
from amt_export.cli.terminal.errors import print_error
from amt_export.cli.terminal.tables import (
    count,
    difference,
    json_text,
    number,
    output,
    plain_table,
    size,
)
from amt_export.cli.timing import Contender
from amt_export.errors import ArtifactError
from amt_export.manifest import FileEntry, Manifest, ParityRow
from amt_export.runtime.lookup import find_model, model_folders, published_names

HELP = "size, accuracy, speed and memory of published artifacts"

DESCRIPTION = """\
Measure published artifacts: each one runs on a test signal of its own folder,
in a process of its own, taking turns with the others. The median counts.
"""

EPILOG = f"""\
examples:
  amt-export bench                        everything in artifacts/
  amt-export bench casp_44k
  amt-export bench --peer DIR             beside torch_amt's modules

error    largest difference from the same model in torch, from the manifest
ms/s     milliseconds per second of audio (ms: per call, where no rate is known)
x real   times faster than real time
memory   peak of a fresh process: Python, the runtime, the artifact, one run
stream   the streaming form, block by block on one thread; `latency` is how much
         audio after a frame's position it needs before it returns the frame,
         `added per push` what `Stream.push` costs beyond running the artifact
x {NAME}   times faster than it, on the same input in the same run:
         measured where {NAME} can be imported, unless --no-peer
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="name of a published model, or its folder (default: all in --out, or else all "
        "that are installed)",
    )
    add_out(parser)
    parser.add_argument(
        "--repeats", type=positive, default=15, metavar="N", help="runs of each (default: 15)"
    )
    parser.add_argument(
        "--peer",
        type=Path,
        metavar="DIR",
        help=f"folder with {NAME} (pip install --no-deps --target DIR {NAME})",
    )
    add_flag(parser, "--no-peer", f"leave {NAME} out even where it is installed")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Measure folder by folder.

    Raises
    ------
    ArtifactError
        If nothing is published under a name, or nothing in its folder can run here.
    """
    folders = _folders(arguments)
    with_peer = not arguments.no_peer and find_peer(arguments.peer)
    measured, missing = [], Missing()
    for folder in folders:
        found = measure_folder(folder, arguments.repeats, with_peer, missing)
        measured.append(_record(found))
        if not arguments.json:
            _print(found)
    for line in missing.lines():  # once, not for every model
        print_error(line, "warning")
    if arguments.json:
        print(json_text(tuple(measured)))  # noqa: T201
    else:
        output().print(
            f"{count(len(folders), 'model')} measured, median of {arguments.repeats} runs"
        )
    return 0


def _folders(arguments: Namespace) -> list[Path]:
    out: Path = arguments.out
    if not arguments.models:
        for place in model_folders(out):
            if names := published_names(place):
                return [place / name for name in names]
        raise ArtifactError(f"{out}: nothing is published here; amt-export build")
    own = published_names(out)
    return [out / name if name in own else find_model(name) for name in arguments.models]


def _print(found: Measured) -> None:
    """Print the tables of one folder."""
    console = output()
    console.print(_table(found.manifest, found.artifacts, found.peer, found.memory))
    if found.peer:
        per = 1000 * found.peer.median / (audio_seconds(found.manifest) or 1)
        once = " (one run, because it is slow)" if found.peer.slow else ""
        console.print(f"{found.peer.name}: {number(per)} ms{once}", soft_wrap=True)
    if found.streams:
        console.print(streams_table(found.manifest, found.streams))
    console.print()


def _record(found: Measured) -> dict[str, Any]:
    """What was measured of one folder, for programs: times in s, sizes in bytes."""
    return {
        "model": found.manifest.name,
        "audio_seconds": audio_seconds(found.manifest),
        "artifacts": tuple(
            {
                "format": entry.format,
                "bytes": entry.bytes,
                "seconds": timed.median,
                "peak_memory": found.memory[entry],
                "parity": _nearest(found.manifest, entry),
            }
            for entry, timed in found.artifacts.items()
        ),
        "streams": tuple(
            {
                "format": stream.entry.format,
                "bytes": stream.entry.bytes,
                "block": stream.block,
                "latency": stream.latency,
                "times_real_time": stream.times_real_time,
                "seconds_added_per_push": stream.overhead,
            }
            for stream in found.streams
        ),
        NAME: None if found.peer is None else {"seconds": found.peer.median},
    }


def _table(
    manifest: Manifest,
    artifacts: Mapping[FileEntry, Contender],
    peer: Contender | None,
    memory: Mapping[FileEntry, int],
) -> Table:
    seconds = audio_seconds(manifest)
    columns = ["format", "size", "error", "ms/s" if seconds else "ms", "x real", "memory"]
    if peer:
        columns.append(f"x {NAME}")
    table = plain_table(manifest.name, columns, right=columns[1:])
    for entry, timed in artifacts.items():
        cells = [
            entry.format,
            size(entry.bytes),
            _error(manifest, entry),
            number(1000 * timed.median / (seconds or 1)),
            number(seconds / timed.median) if seconds else "-",
            size(memory[entry]),
        ]
        if peer:
            cells.append(number(peer.median / timed.median))
        table.add_row(*cells)
    return table


def _error(manifest: Manifest, entry: FileEntry) -> str:
    """Return the difference that comes closest to its tolerance."""
    row = _nearest(manifest, entry)
    return difference(row.worst, row.kind) if row else "-"


def _nearest(manifest: Manifest, entry: FileEntry) -> ParityRow | None:
    """Return the row of the difference that comes closest to its tolerance; None where none was measured."""
    rows = [
        row
        for row in manifest.parity
        if (row.format, row.form) == (entry.format, entry.form) and row.worst is not None
    ]
    return max(rows, key=lambda row: (row.worst or 0.0) / (row.tolerance or 1.0), default=None)
