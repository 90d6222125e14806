"""A Triton model repository: for each form of a model a folder with its configuration and its ONNX file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from amt_export.errors import ArtifactError, PublishError
from amt_export.manifest import Manifest, load_manifest, verify_files
from amt_export.manifest.schema import METADATA_KEY
from amt_export.runtime.triton.config import (
    RepositoryOptions,
    initial_bytes,
    model_config,
    served_name,
    server_states,
)

PYTHON_MODEL = Path(__file__).with_name("model.py.txt")
"""What runs in Triton's Python backend, and not here: a text to us."""


def write_model(folder: Path, repository: Path, options: RepositoryOptions) -> list[str]:
    """Add the forms of a published model to a repository.

    Parameters
    ----------
    folder : Path
        A published folder.
    repository : Path
        Is created; models of the same names that this function has written are replaced.
    options : RepositoryOptions

    Returns
    -------
    list of str
        The names under which they are served.

    Raises
    ------
    ArtifactError
        If the folder is damaged or has no ONNX file.
    PublishError
        If the repository cannot be written, or has something else under these names.
    """
    manifest = load_manifest(folder)
    forms = [entry.form for entry in manifest.files if entry.format == "onnx"]
    if not forms:
        raise ArtifactError(f"{folder}: has no ONNX file; build it with --format onnx")
    verify_files(folder, [manifest.entry("onnx", form) for form in forms])
    try:
        repository.mkdir(parents=True, exist_ok=True)
        return [_write_form(folder, repository, manifest, form, options) for form in forms]
    except OSError as error:
        if isinstance(error, PublishError):
            raise
        raise PublishError(
            f"{repository}: {error.strerror or error}; give another place"
        ) from error


def _write_form(
    folder: Path, repository: Path, manifest: Manifest, form: str, options: RepositoryOptions
) -> str:
    """Write one form beside its place, and put it there when it is complete."""
    name = served_name(manifest, form)
    target = repository / name
    if target.exists() and not _is_ours(target):
        raise PublishError(f"{target}: is no model that amt-export wrote; give another place")
    temporary = repository / f".{name}.{os.getpid()}.part"
    try:
        version = temporary / "1"
        version.mkdir(parents=True)
        shutil.copyfile(folder / manifest.entry("onnx", form).path, version / "model.onnx")
        if options.python_backend:
            shutil.copyfile(PYTHON_MODEL, version / "model.py")
        config = model_config(manifest, form, options)
        (temporary / "config.pbtxt").write_text(config, encoding="ascii")
        if form == "stream" and not (options.stateless or options.python_backend):
            _write_initial_states(temporary, manifest)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return name


def _write_initial_states(model: Path, manifest: Manifest) -> None:
    for state in server_states(manifest):
        content = initial_bytes(state)
        if content is not None:
            (model / "initial_state").mkdir(exist_ok=True)
            (model / "initial_state" / state.input).write_bytes(content)


def _is_ours(target: Path) -> bool:
    try:
        return METADATA_KEY in (target / "config.pbtxt").read_text(encoding="ascii")
    except (OSError, ValueError):
        return False
