"""Detection of ONNX files that keep weights in other files, without a library.

A runtime opens whatever file a model names for that: a link, a device, somebody else's file. Ours name none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from amt_export.errors import ArtifactError
from amt_export.manifest.safe_files import MODEL_BYTES, read_file

# The messages of onnx.proto that contain tensors: field number and type of its content.
MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of a TensorProto
VARINT, FIXED64, LENGTH, START, END, FIXED32 = range(6)  # wire types of protobuf


def refuse_external_data(path: Path) -> None:
    """Check that all weights are in the file.

    A file that is no protobuf message passes: every runtime refuses it, and says why.

    Raises
    ------
    ArtifactError
        If weights are in another file, or the file is none that may be read, see `safe_files`.
    """
    try:
        external = _has_external_data(memoryview(read_file(path, MODEL_BYTES)))
    except _DamagedError:
        return
    if external:
        raise ArtifactError(
            f"{path}: keeps weights in another file, which ours do not; build the model again"
        )


class _DamagedError(Exception):
    """Bytes are not a protobuf message."""


def _has_external_data(model: memoryview) -> bool:
    waiting = [("ModelProto", model)]
    while waiting:
        kind, data = waiting.pop()
        for number, value in _fields(data):
            if kind == "TensorProto" and (
                number == EXTERNAL_DATA or (number == DATA_LOCATION and value == 1)
            ):
                return True
            if number in MESSAGES[kind] and isinstance(value, memoryview):
                waiting.append((MESSAGES[kind][number], value))
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field of a message, without those of deprecated groups."""
    at = depth = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, value = key & 7, 0
        view = None
        if kind == VARINT:
            value, at = _varint(data, at)
        elif kind == LENGTH:
            size, at = _varint(data, at)
            view = data[at : at + size]
            at += size
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        elif kind in (START, END):
            depth += 1 if kind == START else -1
        else:
            raise _DamagedError
        if at > len(data):
            raise _DamagedError
        if depth == 0:
            yield key >> 3, value if view is None else view


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A varint (a number in groups of seven bits), and the position after it."""
    value = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise _DamagedError
