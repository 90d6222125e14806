"""Run published models with numpy and one runtime; imports neither torch nor onnx.

>>> from amt_export import runtime
>>> model = runtime.load("artifacts/gammatone_speech_16k")   # doctest: +SKIP
>>> subbands = model.process(audio)["subbands"]              # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amt_export.manifest import load_manifest, verify_files
from amt_export.runtime.backends import OPENERS, check_choice
from amt_export.runtime.model import Model

__all__ = ["Model", "load"]


def load(
    folder: str | Path, backend: str = "onnx", *, verify: bool = True, **session_options: Any
) -> Model:
    """Open a published folder.

    Parameters
    ----------
    folder : str or Path
        What ``amt-export build`` published, e.g. ``"artifacts/gammatone_speech_16k"``.
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
        If the folder is not a published one, has no artifact for this backend, or its file is
        missing, altered or unreadable.
    BackendError
        If the backend or an option is unknown, or cannot run on this machine.
    MissingDependencyError
        If the backend's runtime is not installed.
    """
    check_choice(backend, session_options)
    manifest = load_manifest(folder)
    entry = manifest.entry(backend)
    if verify:
        verify_files(folder, [entry])
    artifact = Path(folder) / entry.path
    return Model(manifest, OPENERS[backend](artifact, manifest, **session_options))
