"""Peak memory of a process that does nothing but run an artifact.

As a program: ``python -m amt_export.cli.memory FOLDER FORMAT`` prints that peak in bytes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from amt_export import runtime
from amt_export.errors import AmtExportError, require
from amt_export.manifest import FileEntry, load_manifest
from amt_export.runtime.backends import OPENERS


def opened(folder: Path, entry: FileEntry) -> Callable[..., object]:
    """Open one artifact of a published folder, to be called with its inputs by name.

    Raises
    ------
    ArtifactError
        If it cannot be opened.
    MissingDependencyError
        If what runs it is not installed.
    """
    if entry.format in OPENERS:
        return runtime.load(folder, entry.format)
    # Not a format for apps; the code that checks parity opens it.
    require("torch", "export", f"Running {entry.path}")
    from amt_export.verify.parity.load import open_artifact

    call, _ = open_artifact(folder, load_manifest(folder), entry)
    return lambda **inputs: call(inputs)


def peak_memory(folder: Path, entry: FileEntry) -> int:
    """Run an artifact in a fresh process.

    Parameters
    ----------
    folder : Path
        A published folder.
    entry : FileEntry
        Which of its files.

    Returns
    -------
    int
        The largest resident memory in bytes: Python, numpy, the runtime, the artifact, one run.

    Raises
    ------
    AmtExportError
        If that process fails.
    """
    command = [sys.executable, "-m", __name__, str(folder), entry.format]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise AmtExportError(f"{folder}: {entry.format} failed in a fresh process ({reason})")
    return int(done.stdout)


def _peak() -> int:
    """Return the peak resident memory of this process in bytes."""
    try:
        # Not ru_maxrss on Linux: it keeps what the parent held when it started this process.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak  # bytes on macOS, else kB


def _main(folder: Path, format: str) -> None:
    manifest = load_manifest(folder)
    call = opened(folder, manifest.entry(format))
    call(**{port.name: np.zeros(port.sized(), port.dtype) for port in manifest.inputs})
    print(_peak())  # noqa: T201


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
