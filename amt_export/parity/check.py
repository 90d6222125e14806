"""Verify a published folder again, from nothing but the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.errors import ArtifactError
from amt_export.manifest import (
    FileEntry,
    Manifest,
    ParityRow,
    load_manifest,
    verify_files,
)
from amt_export.modules.ports import Port
from amt_export.parity.compare import Case, compare, failing, parity_error
from amt_export.parity.load import open_artifact

VECTORS = "vectors.npz"
# Signals whose inputs and outputs travel with the artifact: an impulse response, all frequencies loud and
# so soft that a compressive channel is in its linear limb, and speech.
VECTOR_SIGNALS = ("click", "noise_94dB", "tiny_noise", "speech")


def save_vectors(path: Path, cases: list[Case]) -> None:
    """Write the cases of VECTOR_SIGNALS as `in.<signal>.<input>` and `out.<signal>.<output>`.

    The outputs are those of the float64 module, rounded once to float32: half the size, and 3e-8 is
    nothing beside any tolerance.
    """
    arrays: dict[str, Any] = {}
    for case in cases:
        if case.signal in VECTOR_SIGNALS:
            for name, array in case.inputs.items():
                arrays[f"in.{case.signal}.{name}"] = array.astype(np.float32)
            for name, array in case.outputs.items():
                arrays[f"out.{case.signal}.{name}"] = array.astype(np.float32)
    np.savez_compressed(path, **arrays)


def load_vectors(folder: Path, manifest: Manifest) -> list[Case]:
    """Read the cases of a published folder.

    Raises
    ------
    ArtifactError
        If they are missing, damaged or of another model.
    """
    path = folder / VECTORS
    inputs = [port.name for port in manifest.inputs]
    outputs = [port.name for port in manifest.outputs]
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            signals = list(dict.fromkeys(key.split(".")[1] for key in arrays.files))
            cases = [
                Case(
                    signal,
                    {n: arrays[f"in.{signal}.{n}"].astype(manifest.dtype) for n in inputs},
                    {n: arrays[f"out.{signal}.{n}"].astype(np.float64) for n in outputs},
                )
                for signal in signals
            ]
    except Exception as error:
        raise ArtifactError(
            f"{path}: no test vectors to be read ({error}); build it again"
        ) from error
    if not cases:
        raise ArtifactError(f"{path}: holds no signals; build the model again")
    for case in cases:
        for ports, arrays_of in ((manifest.inputs, case.inputs), (manifest.outputs, case.outputs)):
            for port in ports:
                if arrays_of[port.name].shape != port.shape:
                    raise ArtifactError(
                        f"{path}: {port.name} of {case.signal} has shape "
                        f"{arrays_of[port.name].shape}, the manifest says {port.shape}"
                    )
    return cases


def _published(manifest: Manifest, format: str, form: str) -> list[ParityRow]:
    return [row for row in manifest.parity if (row.format, row.form) == (format, form)]


def check_folder(
    folder: Path, progress: Callable[[str, float], None] = lambda _what, _share: None
) -> tuple[ParityRow, ...]:
    """Verify hashes, interface, and numbers against the folder's own test vectors.

    The vectors are outputs of the float64 module, so the allowed difference is the artifact's own
    tolerance and that of its dtype together.

    Parameters
    ----------
    folder : Path
        What `amt-export build` published.
    progress : callable, optional
        Told what is being done and the share that is done.

    Returns
    -------
    tuple of ParityRow

    Raises
    ------
    ArtifactError
        If files are missing, altered or of another model.
    ParityError
        If numbers differ; its `rows` are all of them.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    verify_files(folder, manifest.files)
    cases = load_vectors(folder, manifest)
    rows: list[ParityRow] = []
    for done, entry in enumerate(manifest.files):
        progress(f"{manifest.name}: {entry.format}", done / len(manifest.files))
        run, version = open_artifact(folder, manifest, entry)
        try:
            rows += compare(run, cases, _ports(manifest), version, _tolerances(manifest, entry))
        except ArtifactError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtifactError(
                f"{folder / entry.path}: does not run as the manifest says ({reason})"
            ) from error
    progress(manifest.name, 1.0)
    if failing(rows):
        raise parity_error(manifest.name, rows)
    return tuple(rows)


def _ports(manifest: Manifest) -> list[Port]:
    kinds = {row.output: row.kind for row in manifest.parity}
    floors = {port.name: port.floor for port in _declared(manifest)}
    return [
        Port(p.name, p.axes, p.unit, kinds[p.name], floors.get(p.name))  # type: ignore[arg-type]
        for p in manifest.outputs
    ]


def _declared(manifest: Manifest) -> tuple[Port, ...]:
    from amt_export import modules

    ports: tuple[Port, ...] = getattr(modules, manifest.module).output_ports
    return ports


def _tolerances(manifest: Manifest, entry: FileEntry) -> dict[str, float]:
    own = {row.kind: row.tolerance for row in _published(manifest, entry.format, entry.form)}
    dtype = {row.kind: row.tolerance for row in _published(manifest, "reference", "whole")}
    return {kind: own[kind] + dtype[kind] for kind in own}
