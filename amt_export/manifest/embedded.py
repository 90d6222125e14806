"""The manifest inside a single artifact, read without torch and without loading the model."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from amt_export.errors import ArtifactError, first_line, require
from amt_export.manifest import METADATA_KEY, Manifest
from amt_export.manifest.onnx_file import refuse_external_data
from amt_export.manifest.safe_files import MANIFEST_BYTES, contents_of, open_archive


def embedded_manifest(path: Path) -> Manifest:
    """Read the manifest that an artifact carries.

    Parameters
    ----------
    path : Path
        An ``.onnx``, ``.ts.pt`` or ``.pt2`` file, or an ``.mlpackage`` folder.

    Raises
    ------
    ArtifactError
        If it is missing, no artifact, damaged, or was not made by this package.
    MissingDependencyError
        If the package that reads this format is not installed.
    """
    return Manifest.from_json(embedded_text(path), f"{path} ({METADATA_KEY})")


def embedded_text(path: Path) -> str:
    """The JSON text that an artifact carries. Raises the errors of `embedded_manifest`."""
    if not path.exists():
        raise ArtifactError(f"{path}: no such file or folder")
    reader = _reader(path)
    if reader is None:
        raise ArtifactError(
            f"{path}: not a published folder, nor one of {', '.join(READERS)} inside one"
        )
    contents_of(path)
    with unreadable_texts(path):
        text = reader(path)
    if text is None:
        raise ArtifactError(f"{path}: has no {METADATA_KEY} inside; it was not made by amt-export")
    if len(text) > MANIFEST_BYTES:
        raise ArtifactError(f"{path}: its {METADATA_KEY} is larger than {MANIFEST_BYTES} bytes")
    return text


@contextlib.contextmanager
def unreadable_texts(path: Path) -> Iterator[None]:
    """Replace a UnicodeDecodeError by an ArtifactError that names the artifact."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"{path}: holds a text that is not UTF-8; build the model again"
        ) from error


def is_artifact(path: Path) -> bool:
    """Whether a path has the suffix of an artifact. An ``.mlpackage`` is one, though it is a folder."""
    return _reader(path) is not None


def _reader(path: Path) -> Callable[[Path], str | None] | None:
    return next((reader for suffix, reader in READERS.items() if path.name.endswith(suffix)), None)


def open_onnx(path: Path) -> Any:
    """An ONNX Runtime session for inspecting a file.

    Raises
    ------
    ArtifactError
        If it cannot be read, or keeps weights in other files.
    MissingDependencyError
        If onnxruntime is not installed.
    """
    refuse_external_data(path)
    ort = require("onnxruntime", "onnx", "Reading an ONNX file")
    options = ort.SessionOptions()
    # Only names and metadata are read, so the graph need not be optimized.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # errors are raised, so only fatal ones are logged
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of the kinds that the runtime raises
        raise ArtifactError(f"{path}: ONNX Runtime cannot read it ({first_line(error)})") from error


def _from_onnx(path: Path) -> str | None:
    found: str | None = open_onnx(path).get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    return found


def _from_zip(path: Path) -> str | None:
    """Read the extra file in TorchScript or an ExportedProgram, which are zip archives."""
    with open_archive(path) as archive:
        for name in archive.namelist():
            if name.endswith(f"/{METADATA_KEY}"):
                return archive.read(name).decode()
    return None


def _from_core_ml(path: Path) -> str | None:
    # coremltools says on import which of its optional packages it has not been tested with.
    with contextlib.redirect_stderr(io.StringIO()):
        ct = require("coremltools", "coreml", "Reading a Core ML package")
    try:
        model = ct.models.MLModel(str(path), skip_model_load=True)
    except Exception as error:  # of the kinds that coremltools raises
        raise ArtifactError(f"{path}: coremltools cannot read it ({first_line(error)})") from error
    found: str | None = model.user_defined_metadata.get(METADATA_KEY)
    return found


READERS: dict[str, Callable[[Path], str | None]] = {
    ".onnx": _from_onnx,
    ".ts.pt": _from_zip,
    ".pt2": _from_zip,
    ".mlpackage": _from_core_ml,
}
"""How to read the text, by the suffix of the artifact."""
