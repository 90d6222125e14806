"""When, by what and on which machine a page was written."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from amt_export import __version__

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Origin:
    """Where a page comes from.

    Parameters
    ----------
    date : str
        Day and time in UTC.
    version : str
        Of amt_export, with the commit if it runs from a checkout.
    machine : str
        System, processor and number of cores; no names.
    """

    date: str
    version: str
    machine: str


def origin() -> Origin:
    """Return the present one."""
    commit = _commit()
    version = f"{__version__}{f', commit {commit}' if commit else ''}"
    cores = os.cpu_count() or 1
    machine = (
        f"{platform.system()} {platform.machine()}, {_processor()}, {cores} core{'s' * (cores > 1)}"
    )
    return Origin(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", version, machine)


def _commit() -> str:
    """The commit of the source tree that this package is in; empty for an installed one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""  # no git, or a tree that it does not take
    return found.stdout.strip()


def _processor() -> str:
    """The processor's name as its maker writes it."""
    try:
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass  # not on Linux
    return platform.processor() or "unknown processor"
