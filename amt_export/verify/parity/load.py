"""Opening of a published artifact of any format as a function from arrays to arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amt_export.coreml_interpreter import Interpreter
from amt_export.errors import ArtifactError, BackendError, require
from amt_export.manifest import FileEntry, Manifest, Skip
from amt_export.runtime.backends import OPENERS
from amt_export.verify.parity.compare import Runner, Variant
from amt_export.verify.parity.coreml_interface import check_interface
from amt_export.verify.parity.program_archive import checked_archive
from amt_export.verify.parity.script_archive import check_script
from amt_export.verify.parity.settings import CPU, DEFAULT, OPTIONS, OrtSettings, providers
from amt_export.verify.parity.streaming import streamed

# Where each format runs first; "torch" is torch on the CPU.
FIRST = {
    "onnx": CPU,
    "torchscript": "torch",
    "exported_program": "torch",
    "coreml": "CPU_ONLY" if sys.platform == "darwin" else "numpy",
}
CUDA = "cuda"


def providers_for(entry: FileEntry) -> tuple[tuple[str, ...], tuple[Skip, ...]]:
    """Providers to measure a file on, the usual one first, and those that are not available.

    Raises
    ------
    MissingDependencyError
        If the runtime of the format is not installed.
    """
    if entry.format == "onnx":
        return providers()
    first = FIRST[entry.format]
    return ((first, CUDA), ()) if entry.format == "torchscript" else ((first,), ())


def open_artifact(
    folder: Path,
    manifest: Manifest,
    entry: FileEntry,
    provider: str | None = None,
    ort_settings: OrtSettings = DEFAULT,
) -> tuple[Runner, Variant]:
    """A runner for one file, and its name in the table. The runner of a stream takes whole signals.

    Core ML runs on macOS only; elsewhere the runner is the reference interpreter.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    entry : FileEntry
    provider : str, optional
        One of `providers_for(entry)`; by default the first.
    ort_settings : OrtSettings, optional
        Of ONNX Runtime.

    Raises
    ------
    ArtifactError
        If it cannot be opened.
    BackendError
        If the provider does not start on this machine.
    MissingDependencyError
        If the runtime is not installed.
    """
    provider = FIRST[entry.format] if provider is None else provider
    run, version = _open(
        folder / entry.path, manifest.of(entry.form), entry, provider, ort_settings
    )
    return (streamed(manifest, run) if entry.form == "stream" else run), version


def _open(
    path: Path, manifest: Manifest, entry: FileEntry, provider: str, ort_settings: OrtSettings
) -> tuple[Runner, Variant]:
    """A runner with the inputs and outputs of one file."""
    version = Variant(entry.format, entry.form, provider)
    if entry.format == "coreml":
        check_interface(path, manifest)
        interpreter = Interpreter(
            path
        )  # so that a damaged package gives our error on a Mac as well
        if sys.platform != "darwin":
            return interpreter.run, replace(version, verified_by="interpreter")
    if entry.format == "exported_program":
        return _exported_program(path, manifest), version
    options: dict[str, Any] = {}
    if entry.format == "onnx":
        options = {"providers": [(provider, OPTIONS.get(provider, {}))], **ort_settings.options}
    elif entry.format == "torchscript" and provider == CUDA:
        options = {"device": cuda_device()}
    if entry.format == "torchscript":
        check_script(path)
    backend = OPENERS[entry.format](path, manifest, **options)

    def run(
        inputs: Mapping[str, npt.NDArray[np.floating]],
    ) -> Mapping[str, npt.NDArray[np.floating]]:
        return backend.run(dict(inputs))

    return run, version


def cuda_device() -> str:
    """The CUDA device of torch.

    Raises
    ------
    BackendError
        If there is none, with the reason.
    """
    torch = require("torch", "export", "Running TorchScript artifacts")
    if torch.cuda.is_available():
        return CUDA
    built = "sees no CUDA device" if torch.version.cuda else "is a build without CUDA"
    raise BackendError(f"torch {torch.__version__} {built}")


def _exported_program(path: Path, manifest: Manifest) -> Runner:
    torch = require("torch", "export", "Running an ExportedProgram")
    from amt_export.export.capture import quiet_torch
    from amt_export.verify.parity.cases import eager_runner

    archive = checked_archive(path)
    try:
        with quiet_torch():
            program = torch.export.load(archive).module()
    except Exception as error:
        raise ArtifactError(f"{path}: not an ExportedProgram that opens ({error})") from error
    return eager_runner(program, [port.name for port in manifest.outputs])
