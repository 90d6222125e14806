"""Test vectors that travel with an artifact: inputs, and what the float64 module answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.errors import ArtifactError
from amt_export.manifest import Manifest
from amt_export.verify.parity.compare import Case
from amt_export.verify.parity.threshold import Bounds

VECTORS = "vectors.npz"
# Signals whose inputs and outputs travel with the artifact: an impulse response, all frequencies loud and
# so soft that a compressive channel is in its linear limb, and speech.
VECTOR_SIGNALS = ("click", "noise_94dB", "tiny_noise", "speech")


def save_vectors(path: Path, cases: list[Case]) -> None:
    """Write the cases of VECTOR_SIGNALS as `in.<signal>.<input>` and `out.<signal>.<output>`.

    The outputs are those of the float64 module, rounded once to float32: half the size, and 3e-8 is
    nothing beside any tolerance. Where a module decides at a threshold, the frames in which that matters have
    `strict.<signal>.<output>` and `lenient.<signal>.<output>` too, and `undecided.<signal>` says which
    they are, of all frames of the batch.
    """
    arrays: dict[str, Any] = {}
    for case in cases:
        if case.signal in VECTOR_SIGNALS:
            for name, array in case.inputs.items():
                arrays[f"in.{case.signal}.{name}"] = array.astype(np.float32)
            for name, array in case.outputs.items():
                arrays[f"out.{case.signal}.{name}"] = array.astype(np.float32)
            if case.bounds is not None:
                arrays |= _bounds_saved(case, case.bounds)
    np.savez_compressed(path, **arrays)


def load_vectors(folder: Path, manifest: Manifest) -> list[Case]:
    """Read the cases of a published folder.

    Raises
    ------
    ArtifactError
        If they are missing, damaged or of another model.
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
                )
                for signal in signals
            ]
            cases = [replace(case, bounds=_bounds_loaded(case, arrays)) for case in cases]
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


def _by_frame(array: Any) -> Any:
    """(B, S, ...) as (B * S, ...)."""
    return array.reshape(-1, *array.shape[2:])


def _bounds_saved(case: Case, bounds: Bounds) -> dict[str, Any]:
    """The frames in which the strict and the lenient module answer otherwise."""
    count = len(_by_frame(next(iter(case.outputs.values()))))
    differs = np.zeros(count, bool)
    for name, array in case.outputs.items():
        for side in (bounds.strict, bounds.lenient):
            differs |= (_by_frame(side[name]) != _by_frame(array)).reshape(count, -1).any(axis=1)
    frames = np.flatnonzero(differs)
    arrays: dict[str, Any] = {f"undecided.{case.signal}": frames.astype(np.int32)}
    for what, side in (("strict", bounds.strict), ("lenient", bounds.lenient)):
        for name, array in side.items():
            arrays[f"{what}.{case.signal}.{name}"] = _by_frame(array)[frames].astype(np.float32)
    return arrays


def _bounds_loaded(case: Case, arrays: Mapping[str, Any]) -> Bounds | None:
    if f"undecided.{case.signal}" not in arrays:
        return None
    frames = arrays[f"undecided.{case.signal}"]

    def side(what: str) -> dict[str, Any]:
        whole = {name: array.copy() for name, array in case.outputs.items()}
        for name, array in whole.items():
            _by_frame(array)[frames] = arrays[f"{what}.{case.signal}.{name}"]
        return whole

    return Bounds(side("strict"), side("lenient"))
