"""Checks of a file of `torch.save` before torch reads it.

It must hold plain tensors, and be as large as it says. `torch.load(weights_only=True)` runs no code, but it
believes the sizes that a file states: it allocates them, or reads beyond the end of what there is. And it
rebuilds sparse, quantised and meta tensors, with which no filter is designed.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

from amt_export.errors import ArtifactError, CheckpointError, first_line
from amt_export.manifest.safe_files import open_archive

# A whole model with this module in it may be large; reading more than this is a mistake.
CHECKPOINT_BYTES = 16 * 2**30
# Bytes of an element of each kind of storage that torch.save names.
STORAGES = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
    "ComplexDoubleStorage": 16,
    "ComplexFloatStorage": 8,
}
ZIP_MAGIC = b"PK\x03\x04"


def check_stored(path: Path, content: bytes | None = None) -> None:
    """Check a file of `torch.save`, in the current layout (zip) or that of torch before 1.6.

    Parameters
    ----------
    path : Path
    content : bytes, optional
        The file itself, where it lies in another one; `path` is then for messages.

    Raises
    ------
    CheckpointError
        If it is damaged, holds anything but plain tensors in containers, or states sizes that it does not have.
    """
    try:
        if content is None:
            if path.exists() and not path.is_file():
                raise CheckpointError(f"{path}: not a file; give one saved by torch.save")
            with path.open("rb") as stream:
                start, size = stream.read(4), path.stat().st_size
        else:
            start, size = content[:4], len(content)
        if size > CHECKPOINT_BYTES:
            raise CheckpointError(f"{path}: {size} bytes, more than the {CHECKPOINT_BYTES} allowed")
        if start == ZIP_MAGIC:
            _check_zip(path, content)
        else:
            _check_legacy(path, path.read_bytes() if content is None else content)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except ArtifactError as error:
        raise CheckpointError(
            str(error).replace("build the model again", "save it again")
        ) from error
    except _ForeignError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors, so it was not opened; save module.state_dict() "
            f"(found {error})"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        reason = first_line(error)
        raise CheckpointError(f"{path}: not a torch checkpoint ({reason[:200]})") from error


def _check_zip(path: Path, content: bytes | None) -> None:
    with open_archive(path, content) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        (main,) = (name for name in sizes if name.count("/") == 1 and name.endswith("/data.pkl"))
        folder = main.removesuffix("data.pkl")
        for key, stated in _storages(io.BytesIO(archive.read(main))).items():
            if sizes.get(f"{folder}data/{key}") != stated:
                raise CheckpointError(
                    f"{path}: {key!r} is not the {stated} bytes that it should be"
                )


def _check_legacy(path: Path, content: bytes) -> None:
    stream = io.BytesIO(content)
    for _ in range(3):  # magic number, layout version, sizes of integers
        _storages(stream)
    stated = sum(_storages(stream).values())
    if stated > len(content):
        raise CheckpointError(f"{path}: states {stated} bytes of tensors and has {len(content)}")


def _storages(stream: io.BytesIO) -> dict[str, int]:
    """Bytes of every storage that a pickle refers to, by key."""
    reader = _Reader(stream)
    reader.load()
    return reader.storages


class _ForeignError(Exception):
    """A pickle refers to something other than tensors and containers."""


# The unpickler in Python: the one in C allocates as much as a damaged memo index says.
class _Reader(pickle._Unpickler):
    """Reads a pickle and makes only containers of it."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_parameter"),
        ):
            return _nothing
        if module == "torch" and name in STORAGES:
            return _Storage(STORAGES[name])
        raise _ForeignError(f"{module}.{name}"[:100])

    def persistent_load(self, reference: Any) -> None:
        kind, storage, key, _location, count = reference[:5]
        if kind != "storage" or type(storage) is not _Storage or type(key) is not str:
            raise _ForeignError("a reference to no tensor")
        if type(count) is not int or count < 0 or any(part is not None for part in reference[5:]):
            raise _ForeignError("a tensor without a size")
        self.storages[key] = count * storage.bytes


class _Storage:
    """Placeholder for a kind of storage."""

    def __init__(self, size: int) -> None:
        self.bytes = size


def _nothing(*_arguments: Any) -> None:
    """Placeholder for a function that makes a tensor."""
