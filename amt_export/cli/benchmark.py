"""Size, speed and memory of what a published folder holds."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.cli.memory import opened, peak_memory
from amt_export.cli.own_process import OwnProcess
from amt_export.cli.peer import NAME, peer_call
from amt_export.cli.streams import StreamTimes
from amt_export.cli.terminal.progress import Report, bar
from amt_export.cli.timing import Contender, measure
from amt_export.errors import ArtifactError, MissingDependencyError
from amt_export.manifest import FileEntry, Manifest, load_manifest
from amt_export.runtime.backends import OPENERS

SIGNAL = "speech"
"""Of the test signals; a module may be faster on a click, which leaves most of its input empty."""


NOISE = np.float32(0.02)
"""Pa rms, 60 dB SPL: what models without test signals are measured on."""


@dataclass
class Missing:
    """What could not run here, by what is missing for it."""

    formats: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, what: str, error: MissingDependencyError) -> None:
        """Note that a format cannot run."""
        _, _, needs = str(error).partition(" needs ")
        self.formats.setdefault(needs or str(error), {})[what] = None

    def lines(self) -> list[str]:
        """One line for each package that is missing."""
        return [
            f"not run: {', '.join(what)}: needs {package}" for package, what in self.formats.items()
        ]


@dataclass(frozen=True)
class Measured:
    """What was measured of one folder."""

    manifest: Manifest
    artifacts: Mapping[FileEntry, Contender]
    memory: Mapping[FileEntry, int]
    streams: list[StreamTimes]
    peer: Contender | None


def measure_folder(folder: Path, repeats: int, with_peer: bool, missing: Missing) -> Measured:
    """Measure what a published folder holds.

    Parameters
    ----------
    folder : Path
    repeats : int
        Runs of each artifact.
    with_peer : bool
        Measure torch_amt too.
    missing : Missing
        Called with what cannot run here.

    Raises
    ------
    ArtifactError
        If nothing in it can run here.
    """
    manifest = load_manifest(folder)
    inputs = _inputs(folder, manifest)
    with bar(manifest.name) as report:
        with ExitStack() as processes:
            artifacts = _artifacts(folder, manifest, inputs, report, missing, processes)
            peer = None
            if with_peer:
                report(f"preparing {NAME}", 0.0)
                process = OwnProcess(partial(peer_call, manifest, inputs))
                processes.callback(process.close)
                peer = Contender(NAME, process.seconds) if process.there_is_one else None
            measure([*artifacts.values(), *([peer] if peer else [])], repeats, report)
        streams = _streams(folder, manifest, inputs, report, missing)
        measure([stream.contender for stream in streams], repeats, report)
        memory = {}
        for entry in artifacts:
            report(f"memory of {entry.format}", 1.0)
            memory[entry] = peak_memory(folder, entry)
    return Measured(manifest, artifacts, memory, streams, peer)


def _artifacts(
    folder: Path,
    manifest: Manifest,
    inputs: Mapping[str, NDArray[Any]],
    report: Report,
    missing: Missing,
    processes: ExitStack,
) -> dict[FileEntry, Contender]:
    """Open every artifact that can run here, each in a process of its own."""
    found = {}
    for entry in manifest.files:
        if entry.form != "whole" or _elsewhere(entry):
            continue
        report(f"loading {entry.format}", 0.0)
        try:
            process = OwnProcess(partial(_bound, folder, entry, inputs))
        except MissingDependencyError as error:
            missing.add(entry.format, error)
            continue
        processes.callback(process.close)
        found[entry] = Contender(entry.format, process.seconds)
    if not found:
        reasons = "; ".join(missing.lines())
        raise ArtifactError(f"{folder}: holds nothing that can run here ({reasons or 'no file'})")
    return found


def _bound(
    folder: Path, entry: FileEntry, inputs: Mapping[str, NDArray[Any]]
) -> Callable[[], object]:
    """A call of an artifact with its inputs."""
    return partial(opened(folder, entry), **inputs)


def _streams(
    folder: Path,
    manifest: Manifest,
    inputs: Mapping[str, NDArray[Any]],
    report: Report,
    missing: Missing,
) -> list[StreamTimes]:
    """Open every streaming artifact that an app could run here."""
    found = []
    for entry in manifest.files:
        if entry.form == "stream" and entry.format in OPENERS and not _elsewhere(entry):
            report(f"loading {entry.format} stream", 0.0)
            try:
                found.append(StreamTimes(folder, manifest, entry, inputs["audio"]))
            except MissingDependencyError as error:
                missing.add(entry.format, error)
    return found


def _elsewhere(entry: FileEntry) -> bool:
    """Whether only another machine can run a file."""
    return entry.format == "coreml" and platform.system() != "Darwin"


def _inputs(folder: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Return speech from the folder's test signals; without them noise for audio, and zeros for the rest."""
    try:
        with np.load(folder / "vectors.npz") as vectors:
            signals = [key.split(".")[1] for key in vectors.files if key.startswith("in.")]
            signal = SIGNAL if SIGNAL in signals else signals[0]
            return {
                port.name: vectors[f"in.{signal}.{port.name}"].astype(port.dtype)
                for port in manifest.inputs
            }
    except (OSError, ValueError, IndexError, KeyError):
        noise = np.random.default_rng(0)
        silence = {port.name: np.zeros(port.sized(), port.dtype) for port in manifest.inputs}
        if (audio := silence.get("audio")) is not None:
            audio += NOISE * noise.standard_normal(audio.shape).astype(audio.dtype)
        return silence


def audio_seconds(manifest: Manifest) -> float | None:
    """Return the duration of the audio of one call in s; None for a model without a time axis."""
    port = manifest.inputs[0]
    sizes = dict(zip(port.axes, port.sized(), strict=True))
    samples = sizes.get("time")
    if not samples or not manifest.sampling_rate:  # frames say nothing of the time between them
        return None
    return sizes.get("batch", 1) * samples / manifest.sampling_rate
