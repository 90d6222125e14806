"""Run published models with numpy and one runtime; imports neither torch nor onnx.

>>> from amt_export import runtime
>>> model = runtime.load("gammatone_speech_16k")             # doctest: +SKIP
>>> subbands = model.process(audio)["subbands"]              # doctest: +SKIP
>>> with model.stream() as stream:                           # doctest: +SKIP
...     for block in microphone:
...         show(stream.push(block)["subbands"])
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from amt_export.errors import ArtifactError
from amt_export.manifest import FileEntry, Manifest, load_manifest, verify_files
from amt_export.runtime import triton
from amt_export.runtime.backends import OPENERS, Backend, check_choice
from amt_export.runtime.frame_levels import frame_levels
from amt_export.runtime.lookup import find_model, models
from amt_export.runtime.loudness import percentile_loudness
from amt_export.runtime.model import Model
from amt_export.runtime.phon import phon
from amt_export.runtime.stream import Stream

STREAM_THREADS = 1
"""Of ONNX Runtime for a stream, unless asked otherwise: a block is too little work to share out, and threads
that wait for the next one keep a processor busy."""

__all__ = [
    "Model",
    "Stream",
    "find_model",
    "frame_levels",
    "load",
    "load_stream",
    "models",
    "open_form",
    "percentile_loudness",
    "phon",
]


def load(
    name_or_folder: str | Path,
    backend: str = "onnx",
    *,
    verify: bool = True,
    **session_options: Any,
) -> Model:
    """Open a published model.

    Parameters
    ----------
    name_or_folder : str or Path
        The name of a model, e.g. ``"gammatone_speech_16k"``: what is published in ``artifacts/`` comes
        before the installed package ``amt_export_models``. Or the path of a published folder; or
        ``"triton://host:port/name"``, a model on a Triton server (see `amt_export.runtime.triton`).
    backend : {"onnx", "torchscript", "coreml"}, optional
        Which artifact to run, and with it which runtime is needed.
    verify : bool, optional
        Compare size and SHA-256 of the artifact with the manifest first (milliseconds).
    **session_options
        ``onnx``: ``providers``, ``intra_op_num_threads``, ``inter_op_num_threads``,
        ``graph_optimization`` (see `amt_export.runtime.backends.OnnxBackend`);
        ``torchscript``: ``device``; ``coreml``: ``compute_units``.

    Returns
    -------
    Model
        Safe to call from several threads.

    Raises
    ------
    ArtifactError
        If there is no such model, the folder is not a published one, has no artifact for this backend, or
        its file is missing, altered or unreadable.
    BackendError
        If the backend or an option is unknown, or cannot run on this machine.
    MissingDependencyError
        If the backend's runtime is not installed.
    """
    if str(name_or_folder).startswith(triton.SCHEME):
        return triton.load(str(name_or_folder), **session_options)
    check_choice(backend, session_options)
    folder = find_model(name_or_folder)
    manifest = load_manifest(folder)
    opened = partial(
        open_form, folder, manifest, backend, verify=verify, session_options=session_options
    )
    reopen = partial(load, folder.absolute(), backend, verify=verify, **session_options)
    return Model(manifest, opened("whole"), partial(opened, "stream"), reopen)


def load_stream(
    name_or_folder: str | Path,
    backend: str = "onnx",
    *,
    on_nonfinite: str = "error",
    batch: int = 1,
    verify: bool = True,
    **session_options: Any,
) -> Stream:
    """Open the streaming form alone, for apps that do nothing else.

    Parameters
    ----------
    name_or_folder : str or Path
        As for `load`.
    backend : {"onnx", "torchscript", "coreml"}, optional
        As for `load`.
    on_nonfinite : {"error", "reset", "pass"}, optional
        See `Stream`.
    batch : int, optional
        Signals side by side, where the artifact's batch is free.
    verify : bool, optional
        As for `load`.
    **session_options
        As for `load`.

    Returns
    -------
    Stream
        One; `Model.stream` gives any number of them on one opened artifact.

    Raises
    ------
    ArtifactError, BackendError, MissingDependencyError
        As for `load`.
    """
    check_choice(backend, session_options)
    folder = find_model(name_or_folder)
    manifest = load_manifest(folder)
    manifest.streaming()  # says so where there is none
    opened = open_form(
        folder, manifest, backend, "stream", verify=verify, session_options=session_options
    )
    reopen = partial(
        load_stream,
        folder.absolute(),
        backend,
        on_nonfinite=on_nonfinite,
        batch=batch,
        verify=verify,
        **session_options,
    )
    return Stream(manifest, opened, on_nonfinite=on_nonfinite, batch=batch, reopen=reopen)


def open_form(
    folder: str | Path,
    manifest: Manifest,
    backend: str,
    form: str,
    *,
    verify: bool = True,
    session_options: Mapping[str, Any] | None = None,
) -> Backend:
    """Open the artifact of one form, "whole" or "stream", as what `Model` and `Stream` run.

    Raises
    ------
    ArtifactError, BackendError, MissingDependencyError
        As for `load`.
    """
    entry = _entry(manifest, backend, form)
    if verify:
        verify_files(folder, [entry])
    options = dict(session_options or {})
    if (form, backend) == ("stream", "onnx"):
        options.setdefault("intra_op_num_threads", STREAM_THREADS)
    return OPENERS[backend](Path(folder) / entry.path, manifest.of(form), **options)


def _entry(manifest: Manifest, backend: str, form: str) -> FileEntry:
    """Return the file of a backend; an error says what to do where only the others have one."""
    try:
        return manifest.entry(backend, form)
    except ArtifactError as error:
        if backend == "onnx" or not any(entry.format == "onnx" for entry in manifest.files):
            raise
        raise ArtifactError(f"{error}; leave backend out").for_command_line(
            f"{error}; leave --backend out"
        ) from None
