"""Verification of a published folder from its own files; needs numpy and the installed runtimes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from amt_export.errors import ArtifactError, BackendError, MissingDependencyError, require
from amt_export.manifest import FileEntry, Manifest, ParityRow, load_manifest, verify_files
from amt_export.manifest.ports import stream_outputs
from amt_export.manifest.safe_files import check_unpacked
from amt_export.verify.parity.compare import Case, failing, parity_error
from amt_export.verify.parity.interface import check_artifact
from amt_export.verify.parity.prove import Expected, prove, reason_of
from amt_export.verify.parity.streaming import whole_as_stream
from amt_export.verify.parity.vectors import VECTOR_SIGNALS, VECTORS, load_vectors, save_vectors

__all__ = [
    "VECTORS",
    "VECTOR_SIGNALS",
    "Findings",
    "NotRun",
    "check_folder",
    "load_vectors",
    "save_vectors",
]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class NotRun:
    """A format, or a provider of it, that this machine could not run, and the reason."""

    format: str
    form: str
    provider: str
    reason: str


@dataclass(frozen=True)
class Findings:
    """The results of `check_folder`.

    Parameters
    ----------
    vectors : tuple of ParityRow
        Differences from the folder's own test vectors, which are outputs of the float64 module.
    eager : tuple of ParityRow
        Differences from eager torch on the whole signal suite; empty if `eager_reason` says why.
    not_run : tuple of NotRun
        What could not be measured here.
    eager_reason : str
        Why there was no comparison with eager torch; empty if there was.
    vectors_reason : str
        Why there was no comparison with test vectors; empty if there was.
    """

    vectors: tuple[ParityRow, ...]
    eager: tuple[ParityRow, ...]
    not_run: tuple[NotRun, ...]
    eager_reason: str
    vectors_reason: str = ""

    @property
    def rows(self) -> tuple[ParityRow, ...]:
        """All comparisons."""
        return self.vectors + self.eager


def _vector_bytes(manifest: Manifest) -> int:
    """Largest size of the unpacked test vectors: signals in float64, two other outputs each, and headers."""
    ports = (*manifest.inputs, *manifest.outputs)
    one = sum(prod(size or 1 for size in port.shape) * 8 + 1000 for port in ports)
    return 3 * len(VECTOR_SIGNALS) * one


def _published(manifest: Manifest, format: str, form: str) -> list[ParityRow]:
    """Rows of a format as built, each output once."""
    rows = [row for row in manifest.parity if (row.format, row.form) == (format, form)]
    return list({row.output: row for row in reversed(rows)}.values())[::-1]


def check_folder(
    folder: Path,
    progress: Progress = lambda _what, _share: None,
    *,
    vectors_only: bool = False,
) -> Findings:
    """Verify hashes, embedded manifests, interfaces, and numbers.

    The numbers are compared with the folder's own test vectors, which are outputs of the float64 module, so
    the allowed difference is the artifact's own tolerance and that of its dtype together. Where torch is
    installed they are compared with the eager module on the whole signal suite as well.

    Parameters
    ----------
    folder : Path
        What `amt-export build` published.
    progress : callable, optional
        Called with what is being done and the share that is done.
    vectors_only : bool, optional
        Leave eager torch out even where torch is installed.

    Returns
    -------
    Findings
        All that was run is within its tolerance.

    Raises
    ------
    ArtifactError
        If files are missing, altered or of another model.
    ParityError
        If numbers differ; its `rows` are all of them.
    MissingDependencyError
        If no format of the folder can be looked at here, though it has test vectors.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    verify_files(folder, (*manifest.files, *manifest.other_files))
    no_vectors = "" if _has_vectors(folder, manifest) else "the folder holds no test vectors"
    if not no_vectors:
        check_unpacked(folder / VECTORS, _vector_bytes(manifest))
    cases = [] if no_vectors else load_vectors(folder, manifest)
    reason = "left out, as asked" if vectors_only else _no_eager(manifest)
    suite: dict[str, list[Case]] = {}
    if not reason:
        progress(f"{manifest.name}: eager torch", 0.0)
        from amt_export.verify.parity.eager import eager_cases

        suite = eager_cases(manifest, str(folder))
    vectors: list[ParityRow] = []
    eager: list[ParityRow] = []
    not_run: list[NotRun] = []
    for done, entry in enumerate(manifest.files):
        progress(f"{manifest.name}: {entry.format}", (done + 0.5) / (len(manifest.files) + 1))
        own, with_dtype = tolerances(manifest, entry)
        try:
            check_artifact(folder, manifest, entry)
            streams = entry.form == "stream"
            known = whole_as_stream(manifest, cases) if streams else cases
            ports = stream_outputs(manifest.outputs) if streams else manifest.outputs
            if cases:
                expected = Expected(known, ports, with_dtype)
                vectors += prove(folder, manifest, entry, expected).rows
            if suite:
                expected = Expected(suite[entry.form], ports, own)
                eager += prove(folder, manifest, entry, expected).rows
        except (MissingDependencyError, BackendError) as error:
            not_run.append(NotRun(entry.format, entry.form, "", _need(error)))
    progress(manifest.name, 1.0)
    if not vectors and not no_vectors:
        reasons = "; ".join(f"{skip.format}: {skip.reason}" for skip in not_run)
        raise MissingDependencyError(f"{folder}: nothing can be run here ({reasons})")
    if failing(vectors + eager):
        raise parity_error(manifest.name, vectors + eager)
    skips = {
        NotRun(row.format, row.form, skip.provider, skip.reason): None
        for row in vectors
        for skip in row.skipped
    }
    return Findings(tuple(vectors), tuple(eager), (*not_run, *skips), reason, no_vectors)


def _has_vectors(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder holds test vectors, or should: those of `amt_export_models` were published without."""
    listed = any(other.path == VECTORS for other in manifest.other_files)
    return listed or manifest.converted_from is not None or (folder / VECTORS).exists()


def _need(error: Exception) -> str:
    """What is missing, without what for: several formats need the same package."""
    reason = reason_of(error)
    _, needs, package = reason.partition(" needs ")
    return f"needs {package}" if needs and isinstance(error, MissingDependencyError) else reason


def _no_eager(manifest: Manifest) -> str:
    """Why a folder cannot be compared with eager torch here; empty if it can."""
    if manifest.converted_from is not None:
        return (
            f"published with manifest schema {manifest.converted_from}, whose modules were others"
        )
    if manifest.checkpoint is not None:
        return "built with a checkpoint, whose values the manifest does not hold"
    try:
        require("torch", "export", "Comparing with eager torch")
    except MissingDependencyError as error:
        return _need(error)
    return ""


def tolerances(manifest: Manifest, entry: FileEntry) -> tuple[dict[str, float], dict[str, float]]:
    """Tolerances by kind of output: of the format against eager torch, and of the format against float64."""
    own = {row.kind: row.tolerance for row in _published(manifest, entry.format, entry.form)}
    dtype = {row.kind: row.tolerance for row in _published(manifest, "float64", "whole")}
    kinds = {port.kind for port in manifest.outputs}
    if missing := kinds - (own.keys() & dtype.keys()):
        raise ArtifactError(
            f"{manifest.name}: the manifest has no tolerance of {entry.format} for {missing.pop()} "
            "outputs; build the model again"
        )
    return own, {kind: own[kind] + dtype[kind] for kind in own}
