"""``amt-export bench``: size, accuracy, speed and memory of published artifacts."""

from __future__ import annotations

import platform
from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.cli.arguments import Commands, positive
from amt_export.cli.memory import opened, peak_memory
from amt_export.cli.peer import NAME, find_peer, peer_call
from amt_export.cli.streams import StreamTimes, streams_table
from amt_export.cli.terminal.console import Table
from amt_export.cli.terminal.errors import complain
from amt_export.cli.terminal.progress import Report, bar
from amt_export.cli.terminal.tables import count, difference, number, output, plain_table, size
from amt_export.cli.timing import Contender, measure
from amt_export.errors import ArtifactError, MissingDependencyError
from amt_export.manifest import MANIFEST_NAME, FileEntry, Manifest, load_manifest
from amt_export.runtime.backends import OPENERS

DESCRIPTION = """\
Measure published artifacts: each one runs on a test signal of its own folder,
taking turns with the others, and the median counts.
"""

EPILOG = f"""\
examples:
  amt-export bench                        everything in artifacts/
  amt-export bench drnl_casp_44k
  amt-export bench --peer DIR             beside torch_amt's eager modules

error    largest difference from eager torch, from the manifest
ms/s     milliseconds per second of audio (ms: per call, where no rate is known)
x real   times faster than real time
memory   peak of a fresh process: Python, the runtime, the artifact, one run
stream   the streaming form, block by block on one thread; `latency` is what
         must be heard behind the place of a frame before it is known, `added
         per push` what `Stream.push` costs beyond running the artifact
x {NAME}   times faster than it, on the same input in the same run:
         measured where {NAME} can be imported, unless --no-peer
"""


SIGNAL = "speech"
"""Of the test signals; a module may be faster on a click, which leaves most of its input empty."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bench",
        help="size, accuracy, speed and memory of published artifacts",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="name of a published model, or its folder (default: all in --out)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("artifacts"),
        metavar="DIR",
        help="where published folders are (default: artifacts)",
    )
    parser.add_argument(
        "--repeats", type=positive, default=15, metavar="N", help="runs of each (default: 15)"
    )
    parser.add_argument(
        "--peer",
        type=Path,
        metavar="DIR",
        help=f"folder with {NAME} (pip install --no-deps --target DIR {NAME})",
    )
    parser.add_argument(
        "--no-peer", action="store_true", help=f"leave {NAME} out even where it is installed"
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> int:
    """Measure folder by folder.

    Raises
    ------
    ArtifactError
        If nothing is published under a name.
    """
    folders = _folders(arguments)
    with_peer = not arguments.no_peer and find_peer(arguments.peer)
    for folder in folders:
        _bench(folder, arguments.repeats, with_peer)
    output().print(f"{count(len(folders), 'model')} measured, median of {arguments.repeats} runs")
    return 0


def _folders(arguments: Namespace) -> list[Path]:
    if not arguments.models:
        found = sorted(path.parent for path in arguments.out.glob(f"*/{MANIFEST_NAME}"))
        if not found:
            raise ArtifactError(f"{arguments.out}: nothing is published here; amt-export build")
        return found
    folders = []
    for model in arguments.models:
        folder = next((p for p in (arguments.out / model, Path(model)) if p.is_dir()), None)
        if folder is None:
            raise ArtifactError(f"{arguments.out / model}: not published; amt-export build {model}")
        folders.append(folder)
    return folders


def _bench(folder: Path, repeats: int, with_peer: bool) -> None:
    """Measure one folder and print its table."""
    manifest = load_manifest(folder)
    inputs = _inputs(folder, manifest)
    with bar(manifest.name) as report:
        artifacts = _artifacts(folder, manifest, inputs, report)
        report(f"preparing {NAME}", 0.0)
        call = peer_call(manifest, inputs) if with_peer else None
        peer = Contender(NAME, call) if call else None
        streams = _streams(folder, manifest, inputs, report)
        measure([*artifacts.values(), *([peer] if peer else [])], repeats, report)
        measure([stream.contender for stream in streams], repeats, report)
        memory = {}
        for entry in artifacts:
            report(f"memory of {entry.format}", 1.0)
            memory[entry] = peak_memory(folder, entry)
    console = output()
    console.print(_table(manifest, artifacts, peer, memory))
    if peer:
        per = 1000 * peer.median / (_audio_seconds(manifest) or 1)
        once = " (one run, because it is slow)" if peer.slow else ""
        console.print(f"{peer.name}: {number(per)} ms{once}", soft_wrap=True)
    if streams:
        console.print(streams_table(manifest, streams))
    console.print()


def _artifacts(
    folder: Path, manifest: Manifest, inputs: Mapping[str, NDArray[Any]], report: Report
) -> dict[FileEntry, Contender]:
    """Open every artifact that can run here."""
    found = {}
    for entry in manifest.files:
        if entry.form != "whole" or _elsewhere(entry):
            continue
        report(f"loading {entry.format}", 0.0)
        try:
            call = opened(folder, entry)
        except MissingDependencyError as error:
            complain(error, "warning")
            continue
        found[entry] = Contender(entry.format, partial(call, **inputs))
    if not found:
        raise ArtifactError(f"{folder}: holds nothing that can run here")
    return found


def _streams(
    folder: Path, manifest: Manifest, inputs: Mapping[str, NDArray[Any]], report: Report
) -> list[StreamTimes]:
    """Open every streaming artifact that an app could run here."""
    found = []
    for entry in manifest.files:
        if entry.form == "stream" and entry.format in OPENERS and not _elsewhere(entry):
            report(f"loading {entry.format} stream", 0.0)
            try:
                found.append(StreamTimes(folder, manifest, entry, inputs["audio"]))
            except MissingDependencyError as error:
                complain(error, "warning")
    return found


def _elsewhere(entry: FileEntry) -> bool:
    """Whether only another machine can run a file."""
    return entry.format == "coreml" and platform.system() != "Darwin"


def _inputs(folder: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Return speech from the folder's test signals, or silence where it has none."""
    try:
        with np.load(folder / "vectors.npz") as vectors:
            signals = [key.split(".")[1] for key in vectors.files if key.startswith("in.")]
            signal = SIGNAL if SIGNAL in signals else signals[0]
            return {
                port.name: vectors[f"in.{signal}.{port.name}"].astype(port.dtype)
                for port in manifest.inputs
            }
    except (OSError, ValueError, IndexError, KeyError):
        return {port.name: np.zeros(port.sized(), port.dtype) for port in manifest.inputs}


def _audio_seconds(manifest: Manifest) -> float | None:
    """Return the audio that one call stands for, in s; None for a model that knows no time."""
    port = manifest.inputs[0]
    sizes = dict(zip(port.axes, port.sized(), strict=True))
    samples = sizes.get("time")
    if not samples or not manifest.sampling_rate:  # frames say nothing of the time between them
        return None
    return sizes.get("batch", 1) * samples / manifest.sampling_rate


def _table(
    manifest: Manifest,
    artifacts: Mapping[FileEntry, Contender],
    peer: Contender | None,
    memory: Mapping[FileEntry, int],
) -> Table:
    seconds = _audio_seconds(manifest)
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
    rows = [
        row
        for row in manifest.parity
        if (row.format, row.form) == (entry.format, entry.form) and row.worst is not None
    ]
    row = max(rows, key=lambda row: (row.worst or 0.0) / (row.tolerance or 1.0), default=None)
    return difference(row.worst, row.kind) if row else "-"
