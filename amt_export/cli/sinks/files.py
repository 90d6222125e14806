"""Which files a result has, by the suffix that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from amt_export.cli.sinks.arrays import DiskSink, MemorySink, npy_paths
from amt_export.cli.sinks.sink import Account, Sink
from amt_export.cli.sinks.tables import CsvSink, ParquetSink, layouts
from amt_export.manifest import Manifest

SINKS: dict[str, Callable[[Path, Account], Sink]] = {
    ".npz": MemorySink,
    ".npy": DiskSink,
    ".csv": CsvSink,
    ".parquet": ParquetSink,
}
"""What writes a result, by the suffix of its file."""

WITH_JSON = (".npy", ".csv")
"""Formats that have no place for the settings: these go into ``OUT.json``."""


def result_files(path: Path, manifest: Manifest) -> list[Path]:
    """Return the files that a result is written to.

    Raises
    ------
    InputError
        If the format does not hold what the model gives.
    """
    suffix = path.suffix.lower()
    files = [path]
    if suffix == ".npy":
        files = list(npy_paths(path, manifest).values())
    elif suffix != ".npz":
        files = [table.path for table in layouts(path, manifest)]
    return [*files, path.with_suffix(".json")] if suffix in WITH_JSON else files
