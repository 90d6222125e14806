"""Results as arrays: one ``.npz`` made in memory, or ``.npy`` files of any size written through memory maps."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.file_names import as_text
from amt_export.cli.sinks.sink import Account, Outputs, bytes_needed, whole_shapes
from amt_export.cli.sinks.stale import remove, stale_files
from amt_export.cli.terminal.files import replacing
from amt_export.cli.terminal.tables import size
from amt_export.errors import PublishError
from amt_export.manifest import Manifest, Port
from amt_export.runtime.axes import time_axis

REOPEN = 64_000_000
"""Bytes written through a memory map before it is opened anew: until then they count as our memory."""


class _Arrays:
    """Arrays that are filled along time."""

    def __init__(self, ports: tuple[Port, ...]) -> None:
        self.ports = ports
        self.arrays: dict[str, NDArray[Any]] = {}
        self._at = dict.fromkeys((port.name for port in ports), 0)

    def write(self, outputs: Outputs) -> int:
        """Put the next piece in its place; return its bytes."""
        written = 0
        for port in self.ports:
            piece, axis = outputs[port.name], time_axis(port)
            if axis is None:
                self.arrays[port.name][...] = piece
                continue
            at = self._at[port.name]
            stop = at + piece.shape[axis]
            self.arrays[port.name][(slice(None),) * axis + (slice(at, stop),)] = piece
            self._at[port.name] = stop
            written += piece.nbytes
        return written


class MemorySink:
    """Keeps everything, to be written as one ``.npz``.

    Parameters
    ----------
    path : Path
        The file.
    account : Account
        Of the recording.

    Raises
    ------
    PublishError
        If it does not fit into memory.
    """

    def __init__(self, path: Path, account: Account) -> None:
        manifest, samples = account.manifest, account.recording.samples
        needed, free = bytes_needed(manifest, samples), free_memory()
        if free is not None and needed > free:
            raise PublishError(
                f"{path}: an .npz of {size(needed)} is made in memory, of which {size(free)} are free; "
                f"give -o {path.with_suffix('.npy').name}, which is written piece by piece"
            )
        self._path, self._account = path, account
        self._filled = _Arrays(manifest.outputs)
        for port in manifest.outputs:
            shape = whole_shapes(manifest, samples)[port.name]
            self._filled.arrays[port.name] = np.empty(shape, port.dtype)

    def __enter__(self) -> Self:
        return self

    def write(self, audio: NDArray[Any], outputs: Outputs) -> None:  # noqa: ARG002
        """See `Sink`."""
        self._filled.write(outputs)

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            return
        account = self._account
        # None, as for the level of silence, is NaN.
        fields = {key: np.nan if x is None else x for key, x in account.fields().items()}
        arrays: dict[str, Any] = {
            **self._filled.arrays,
            **fields,
            "time": account.step * np.arange(account.frames),
            "centre_frequencies": np.asarray(fields["centre_frequencies"], np.float64),
            "manifest": np.str_(account.manifest.to_json()),
        }
        with replacing(self._path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **arrays)


class DiskSink:
    """Writes ``.npy`` files of known size through memory maps, and what belongs to them as JSON.

    They have their names when the block in which the sink is used ends well, and are not there
    otherwise.

    Parameters
    ----------
    path : Path
        ``OUT.npy``.
    account : Account
        Of the recording.

    Raises
    ------
    PublishError
        If the disk has no room for them, or they cannot be written.
    """

    def __init__(self, path: Path, account: Account) -> None:
        manifest, samples = account.manifest, account.recording.samples
        needed, free = bytes_needed(manifest, samples), shutil.disk_usage(path.parent).free
        if needed > free:
            raise PublishError(f"{path}: needs {size(needed)}, the disk has {size(free)} free")
        self._manifest, self._account = manifest, account
        self._paths = npy_paths(path, manifest)
        self._shapes = whole_shapes(manifest, samples)
        self._filled = _Arrays(manifest.outputs)
        self._json = path.with_suffix(".json")
        self._temporary: dict[str, Path] = {}
        self._unmapped = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for port in self._manifest.outputs:
                temporary = stack.enter_context(replacing(self._paths[port.name]))
                self._temporary[port.name] = temporary
                self._filled.arrays[port.name] = _mapped(
                    temporary, mode="w+", dtype=port.dtype, shape=self._shapes[port.name]
                )
            self._stack = stack.pop_all()
        return self

    def write(self, audio: NDArray[Any], outputs: Outputs) -> None:  # noqa: ARG002
        """See `Sink`."""
        self._unmapped += self._filled.write(outputs)
        if self._unmapped >= REOPEN:
            self._unmapped = 0
            self._filled.arrays.clear()
            for name, temporary in self._temporary.items():
                self._filled.arrays[name] = _mapped(temporary, mode="r+")

    def __exit__(self, *error: Any) -> bool | None:
        self._filled.arrays.clear()  # closes the maps
        if error[0] is None:
            paths = self._paths.values()
            stale = stale_files(self._json.with_suffix(".npy"), paths)
            content = {**self._account.fields(), "time": self._account.span()}
            with self._stack, replacing(self._json) as temporary:
                write_json(temporary, {**content, "files": [as_text(path.name) for path in paths]})
            remove(stale)
            return None
        return self._stack.__exit__(*error)


def _mapped(path: Path, **options: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.open_memmap(path, **options)  # type: ignore[no-untyped-call]
    return array


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write what belongs to a result as JSON, readable for people too."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def npy_paths(path: Path, manifest: Manifest) -> dict[str, Path]:
    """Return the file of each output: ``OUT.npy`` for the only one along time, else ``OUT.<name>.npy``."""
    timed = [port.name for port in manifest.outputs if time_axis(port) is not None]
    return {
        port.name: path if timed == [port.name] else path.with_suffix(f".{port.name}.npy")
        for port in manifest.outputs
    }


def free_memory() -> int | None:
    """Return the bytes of memory that are free for a new array; None where nobody can tell."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return 1024 * int(text.split("MemAvailable:")[1].split()[0])
    except (OSError, IndexError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
