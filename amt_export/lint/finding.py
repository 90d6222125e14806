"""One thing that lint has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
"""An error makes numbers wrong, or some runtime cannot use the file. A warning may do so, or is slow."""


@dataclass(frozen=True)
class Finding:
    """One thing that lint has found.

    Parameters
    ----------
    file : str
        Name of the artifact.
    severity : {"error", "warning"}
    rule : str
        Short name of the trap, e.g. ``"epsilon"``.
    node : str
        Name of the node, constant or port.
    op : str
        Its operator, as the format calls it; or ``"constant"``, ``"input"``, ``"output"``, ``"model"``.
    message : str
        What is wrong, and what to do.
    """

    file: str
    severity: Severity
    rule: str
    node: str
    op: str
    message: str


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Those that are errors."""
    return [finding for finding in findings if finding.severity == "error"]
