"""Open a published artifact of any format from disk, as a function from arrays to arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from amt_export.coreml_reference import Interpreter
from amt_export.errors import ArtifactError
from amt_export.export.program import quiet_torch
from amt_export.manifest import FileEntry, Manifest
from amt_export.parity.cases import eager_runner
from amt_export.parity.compare import Runner, Version
from amt_export.parity.coreml_interface import check_interface
from amt_export.runtime.backends import OPENERS


def open_artifact(folder: Path, manifest: Manifest, entry: FileEntry) -> tuple[Runner, Version]:
    """A runner for one file, and how it is verified.

    Core ML runs on macOS only; elsewhere the runner is the reference interpreter.

    Raises
    ------
    ArtifactError
        If it cannot be opened.
    """
    path = folder / entry.path
    names = [port.name for port in manifest.outputs]
    if entry.format == "coreml":
        check_interface(path, manifest)
        interpreter = Interpreter(path)  # a damaged package is refused in our words on a Mac, too
        if sys.platform != "darwin":
            version = Version(entry.format, entry.form, "numpy", verified_by="interpreter")
            return interpreter.run, version
    if entry.format == "exported_program":
        try:
            with quiet_torch():
                program = torch.export.load(str(path)).module()
        except Exception as error:
            raise ArtifactError(f"{path}: not an ExportedProgram that opens ({error})") from error
        return eager_runner(program, names), Version(entry.format, entry.form, "torch")
    backend = OPENERS[entry.format](path, manifest)

    def run(
        inputs: Mapping[str, npt.NDArray[np.floating]],
    ) -> Mapping[str, npt.NDArray[np.floating]]:
        return backend.run(dict(inputs))

    provider = {"onnx": "CPUExecutionProvider", "torchscript": "torch", "coreml": "CPU_ONLY"}
    return run, Version(entry.format, entry.form, provider[entry.format])
