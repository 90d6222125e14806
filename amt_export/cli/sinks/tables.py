"""Results as tables, a row for each frame: CSV for spreadsheets, Parquet for data frames."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.file_names import as_text
from amt_export.cli.sinks.arrays import write_json
from amt_export.cli.sinks.sink import Account, Outputs
from amt_export.cli.sinks.stale import remove, stale_files
from amt_export.cli.terminal.files import replacing
from amt_export.errors import InputError, require
from amt_export.manifest import Manifest, Port
from amt_export.runtime.axes import time_axis

EARS = ("left", "right")

DIGITS = "%.7g"
"""Of a number in a CSV file: as many as float32 has."""

SECONDS = "%.10g"
"""Of a time in a CSV file: a tenth of a microsecond after a day."""

GROUP = 4_000_000
"""Numbers of a row group of Parquet: 16 MB, large enough to be compressed and read at once."""

METADATA_KEY = "amt_export"
"""Key of the settings in the footer of a Parquet file; JSON."""


@dataclass(frozen=True)
class Layout:
    """One table: its path, and the outputs that are its columns after the time.

    Parameters
    ----------
    path : Path
    ports : tuple of Port
    columns : tuple of str
        Their labels.
    """

    path: Path
    ports: tuple[Port, ...]
    columns: tuple[str, ...]

    def rows(self, outputs: Outputs) -> NDArray[Any]:
        """Return the next frames, (n, columns)."""
        return np.concatenate([_by_frame(outputs[p.name], p) for p in self.ports], axis=1)


def layouts(path: Path, manifest: Manifest) -> list[Layout]:
    """Return the tables of a model's outputs.

    Outputs with few numbers in a frame share ``OUT.csv``, e.g. the loudness of both ears. One with channels has
    a table of its own, ``OUT.<name>.csv``, unless it is the only one.

    Raises
    ------
    InputError
        If the outputs are samples, or frames too large for a row.
    """
    timed = [port for port in manifest.outputs if time_axis(port) is not None]
    if (reason := _no_table(timed)) is not None:
        raise InputError(
            f"{path}: {path.suffix} holds frames, and {reason} in {manifest.name}; give .npz or .npy, "
            "or take a model with [levels], such as cochleagram_speech_16k"
        )
    narrow = tuple(port for port in timed if set(port.axes) <= {"batch", "frame", "ear"})
    wide = [port for port in timed if port not in narrow]
    tables = []
    if narrow:
        labels = [f"{port.name}{end}" for port in narrow for end in _ends(port, manifest)]
        tables.append(Layout(path, narrow, tuple(labels)))
    for port in wide:
        alone = len(wide) == 1 and not narrow
        place = path if alone else path.with_suffix(f".{port.name}{path.suffix}")
        labels = [end.removeprefix("_") for end in _ends(port, manifest)]
        tables.append(Layout(place, (port,), tuple(labels)))
    return tables


def _no_table(timed: list[Port]) -> str | None:
    """Return why outputs along time make no table; None if they make one."""
    if not timed:
        return "it has none"
    for port in timed:
        if "time" in port.axes:
            return f"{port.name} is samples"
        if "modulation" in port.axes:  # text of 50 MB for each second of a recording
            return f"{port.name} has a number for each channel and modulation filter"
    return None


def _ends(port: Port, manifest: Manifest) -> list[str]:
    """Return what tells the numbers of a frame of an output apart, e.g. ``_left_1000.00``."""
    axes = zip(port.axes[1:], port.sized()[1:], strict=True)
    labels = [_axis_labels(axis, size, manifest) for axis, size in axes if axis != "frame"]
    return ["".join(f"_{label}" for label in chosen) for chosen in product(*labels)]


def _axis_labels(axis: str, size: int, manifest: Manifest) -> list[str]:
    centre = [f"{hz:.2f}" for hz in manifest.centre_frequencies]
    named = {"ear": EARS, "channel": centre, "frequency": centre}
    labels = list(named.get(axis, ()))
    # Numbers where there are no names that tell all apart.
    return labels if len(set(labels)) == size else [str(index) for index in range(size)]


def _by_frame(value: NDArray[Any], port: Port) -> NDArray[Any]:
    frames = np.moveaxis(value, time_axis(port) or 0, 1)[0]
    rows: NDArray[Any] = frames.reshape(len(frames), math.prod(frames.shape[1:]))
    return rows


class TableSink(ABC):
    """Writes tables frame by frame; they have their names when the block in which it is used ends well.

    Parameters
    ----------
    path : Path
        ``OUT.csv`` or ``OUT.parquet``.
    account : Account
        Of the recording.

    Raises
    ------
    InputError
        If the outputs are samples, or frames too large for a row.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self._path, self._account = path, account
        self._layouts = layouts(path, account.manifest)
        self._frames = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = [stack.enter_context(replacing(table.path)) for table in self._layouts]
            # Files are closed before they get their names.
            self._open(stack, temporary)
            self._stack = stack.pop_all()
        return self

    def write(self, audio: NDArray[Any], outputs: Outputs) -> None:  # noqa: ARG002
        """See `Sink`."""
        tables = [layout.rows(outputs) for layout in self._layouts]
        time = self._account.step * (self._frames + np.arange(len(tables[0])))
        self._frames += len(time)
        for index, rows in enumerate(tables):
            self._append(index, time, rows)

    def __exit__(self, *error: Any) -> bool | None:
        if error[0] is not None:
            return self._stack.__exit__(*error)
        stale = stale_files(self._path, [table.path for table in self._layouts])
        with self._stack:
            self._finish({**self._account.fields(), **self._account.constants()})
        remove(stale)
        return None

    @abstractmethod
    def _open(self, stack: ExitStack, paths: list[Path]) -> None:
        """Open all files."""

    @abstractmethod
    def _append(self, index: int, time: NDArray[Any], rows: NDArray[Any]) -> None:
        """Write the next rows of a table."""

    @abstractmethod
    def _finish(self, fields: dict[str, Any]) -> None:
        """Write what is left, and the settings."""


class CsvSink(TableSink):
    """Writes ``OUT.csv``, and what belongs to it as ``OUT.json``; see `TableSink`."""

    def _open(self, stack: ExitStack, paths: list[Path]) -> None:
        self._files: list[TextIO] = []
        for layout, path in zip(self._layouts, paths, strict=True):
            file = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
            file.write(",".join(["time", *layout.columns]) + "\n")
            self._files.append(file)

    def _append(self, index: int, time: NDArray[Any], rows: NDArray[Any]) -> None:
        formats = [SECONDS, *[DIGITS] * rows.shape[1]]
        np.savetxt(self._files[index], np.column_stack([time, rows]), formats, delimiter=",")

    def _finish(self, fields: dict[str, Any]) -> None:
        with replacing(self._path.with_suffix(".json")) as temporary:
            files = [as_text(table.path.name) for table in self._layouts]
            write_json(temporary, {**fields, "time": self._account.span(), "files": files})


class ParquetSink(TableSink):
    """Writes ``OUT.parquet``, the settings in its footer; see `TableSink`."""

    def _open(self, stack: ExitStack, paths: list[Path]) -> None:
        self._arrow = require("pyarrow", "corpus", "Writing Parquet")
        parquet = require("pyarrow.parquet", "corpus", "Writing Parquet")
        self._schemas, self._writers = [], []
        self._waiting: list[list[list[NDArray[Any]]]] = [[] for _ in paths]
        for layout, path in zip(self._layouts, paths, strict=True):
            dtype = self._arrow.from_numpy_dtype(np.dtype(layout.ports[0].dtype))
            columns = [("time", self._arrow.float64()), *((name, dtype) for name in layout.columns)]
            self._schemas.append(self._arrow.schema(columns))
            # Hardly a number comes twice, so a dictionary of them would only take room.
            # A stream: pyarrow takes some names for addresses, and none that is no UTF-8.
            stream = stack.enter_context(path.open("wb"))
            writer = parquet.ParquetWriter(
                stream, self._schemas[-1], compression="zstd", use_dictionary=False
            )
            self._writers.append(stack.enter_context(writer))

    def _append(self, index: int, time: NDArray[Any], rows: NDArray[Any]) -> None:
        waiting = self._waiting[index]
        waiting.append([time, *rows.T])
        if rows.shape[1] * sum(len(columns[0]) for columns in waiting) >= GROUP:
            self._write(index)

    def _write(self, index: int) -> None:
        joined: Iterable[NDArray[Any]] = map(
            np.concatenate, zip(*self._waiting[index], strict=True)
        )
        self._waiting[index] = []
        schema = self._schemas[index]
        arrays = [self._arrow.array(column) for column in joined]
        self._writers[index].write_table(self._arrow.table(arrays, schema=schema))

    def _finish(self, fields: dict[str, Any]) -> None:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
        for index, writer in enumerate(self._writers):
            if self._waiting[index]:
                self._write(index)
            writer.add_key_value_metadata({METADATA_KEY: text})
