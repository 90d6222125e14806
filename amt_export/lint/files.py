"""Inspection of files: from a path to findings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from amt_export.errors import AmtExportError, ArtifactError, first_line
from amt_export.lint.finding import Finding
from amt_export.lint.graph import Graph
from amt_export.lint.numbers import numeric_findings
from amt_export.lint.read_coreml import read_coreml
from amt_export.lint.read_onnx import read_onnx
from amt_export.lint.structure import structural_findings
from amt_export.manifest import MANIFEST_NAME, load_manifest, verify_files
from amt_export.manifest.safe_files import contents_of

READERS: dict[str, Callable[[Path], Graph]] = {".onnx": read_onnx, ".mlpackage": read_coreml}


def lint(path: Path) -> list[Finding]:
    """Inspect an artifact, or all artifacts of a folder whose graph can be read.

    Parameters
    ----------
    path : Path
        An ``.onnx`` file, an ``.mlpackage`` folder, or a folder with some of them.

    Returns
    -------
    list of Finding
        Errors first, in the order of the graph.

    Raises
    ------
    ArtifactError
        If there is nothing to inspect, or it cannot be read.
    MissingDependencyError
        If the package that reads the format is not installed.
    """
    findings = [finding for artifact in artifacts(path) for finding in _inspect(artifact)]
    return sorted(findings, key=lambda finding: finding.severity != "error")


def _inspect(artifact: Path) -> list[Finding]:
    try:
        graph = READERS[artifact.suffix](artifact)
        return [*structural_findings(graph), *numeric_findings(graph)]
    except AmtExportError:
        raise
    except Exception as error:  # a damaged graph may hold anything, even names that are not text
        reason = first_line(error)
        raise ArtifactError(f"{artifact}: damaged, it cannot be inspected ({reason})") from error


def artifacts(path: Path) -> list[Path]:
    """The artifacts at a path.

    Raises
    ------
    ArtifactError
        If there are none, or one is a link or a device, or differs from what was published there.
    """
    if not os.path.lexists(path):
        raise ArtifactError(f"{path}: no such file or folder")
    found = [path]
    if path.suffix not in READERS:
        found = sorted(x for x in path.iterdir() if x.suffix in READERS) if path.is_dir() else []
    if not found:
        raise ArtifactError(f"{path}: no {' or '.join(READERS)} to inspect there")
    for artifact in found:
        contents_of(artifact)
        _verify(artifact)
    return found


def _verify(artifact: Path) -> None:
    """Compare an artifact in a published folder with the manifest."""
    if (artifact.parent / MANIFEST_NAME).exists():
        for entry in load_manifest(artifact.parent).files:
            if entry.path == artifact.name:
                verify_files(artifact.parent, [entry])
