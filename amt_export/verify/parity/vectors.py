"""Test vectors that travel with an artifact: inputs, and what the float64 module answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amt_export.errors import ArtifactError
from amt_export.manifest import Manifest
from amt_export.verify.parity.compare import MOST_LEFT_OUT, Case, check_left_out

VECTORS = "vectors.npz"
# Signals whose inputs and outputs travel with the artifact: an impulse response, all frequencies loud and
# so soft that a compressive channel is linear, and speech.
VECTOR_SIGNALS = ("click", "noise_94dB", "tiny_noise", "speech")
# Bytes that their outputs may have. A representation of 30 channels and 12 modulations has 64 MB for each
# second; then those signals are left out that say least of it.
VECTOR_BYTES = 2**26
BY_IMPORTANCE = ("speech", "click", "noise_94dB", "tiny_noise")


def save_vectors(path: Path, cases: list[Case]) -> None:
    """Write the VECTOR_SIGNALS that fit, as `in.<signal>.<input>` and `out.<signal>.<output>`.

    The outputs are those of the float64 module, rounded once to float32: half the size, and 3e-8 is
    nothing beside any tolerance. `left_out.<signal>` (B, S) is true for frames that are not compared; it is
    there for modules with a relevance threshold only.
    """
    arrays: dict[str, Any] = {}
    kept = _kept(cases)
    for case in cases:
        if case.signal in kept:
            for name, array in case.inputs.items():
                arrays[f"in.{case.signal}.{name}"] = array.astype(np.float32)
            for name, array in case.outputs.items():
                arrays[f"out.{case.signal}.{name}"] = array.astype(np.float32)
            if case.left_out is not None:
                arrays[f"left_out.{case.signal}"] = case.left_out
    np.savez_compressed(path, **arrays)


def _kept(cases: list[Case]) -> set[str]:
    """The signals whose outputs fit, one at least."""
    size = {c.signal: sum(4 * array.size for array in c.outputs.values()) for c in cases}
    kept: set[str] = set()
    for signal in BY_IMPORTANCE:
        if not kept or sum(size[k] for k in kept) + size[signal] <= VECTOR_BYTES:
            kept.add(signal)
    return kept


def load_vectors(folder: Path, manifest: Manifest) -> list[Case]:
    """Read the cases of a published folder.

    Raises
    ------
    ArtifactError
        If they are missing, damaged or of another model.
    ParityError
        If they leave too much out.
    """
    path = folder / VECTORS
    outputs = [port.name for port in manifest.outputs]
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            signals = list(dict.fromkeys(key.split(".")[1] for key in arrays.files))
            cases = [
                Case(
                    signal,
                    {
                        p.name: arrays[f"in.{signal}.{p.name}"].astype(p.dtype)
                        for p in manifest.inputs
                    },
                    {n: arrays[f"out.{signal}.{n}"].astype(np.float64) for n in outputs},
                    _left_out(arrays, signal, manifest),
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
    check_left_out(manifest.name, cases)
    return cases


def _left_out(
    arrays: Mapping[str, Any], signal: str, manifest: Manifest
) -> npt.NDArray[np.bool_] | None:
    """Frames (B, S) that are not compared, None if all are."""
    shape = manifest.outputs[0].sized()[:2]
    if f"left_out.{signal}" in arrays:
        mask: npt.NDArray[np.bool_] = arrays[f"left_out.{signal}"].astype(bool)
        return mask.reshape(shape)
    if f"undecided.{signal}" in arrays:  # of schema 1: indices into all frames of the batch
        mask = np.zeros(shape, bool)
        mask.reshape(-1)[arrays[f"undecided.{signal}"]] = True
        # A front end of that schema called every frame undecided that a threshold could touch at all.
        return mask if mask.mean() <= MOST_LEFT_OUT else None
    return None
