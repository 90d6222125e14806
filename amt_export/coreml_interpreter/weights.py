"""The weight file of a Core ML package: the MIL blob storage format [1]_.

A header of 64 bytes (number of blobs, version), then for every blob 64 bytes that describe it and
its data, each at a multiple of 64. A program refers to a blob by the offset of its description.

References
----------
.. [1] coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp and BlobDataType.hpp.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amt_export.errors import ArtifactError

ALIGNMENT = 64
SENTINEL = 0xDEADBEEF
VERSION = 2
HEADER = struct.Struct("<II56x")  # number of blobs, version, reserved
# sentinel, data type, bytes of data, offset of data, bits of padding (of types below a byte), reserved
DESCRIPTION = struct.Struct("<IIQQQ32x")
DTYPES = {
    1: np.dtype("<f2"),
    2: np.dtype("<f4"),
    3: np.dtype("u1"),
    4: np.dtype("i1"),
    6: np.dtype("<i2"),
    7: np.dtype("<u2"),
    14: np.dtype("<i4"),
    15: np.dtype("<u4"),
}


class WeightFile:
    """An opened weight file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ArtifactError
        If it is missing or not a weight file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise self._refuse("its weight file is missing") from error
        if len(self._data) < HEADER.size:
            raise self._refuse("the weight file is truncated")
        self._count, version = HEADER.unpack_from(self._data)
        if version != VERSION or self._count == 0:
            raise self._refuse("not a weight file of Core ML")

    def read(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """One blob, as the program declares it.

        Parameters
        ----------
        offset : int
            Of the blob's description in the file.
        dtype : dtype
        shape : tuple of int

        Returns
        -------
        ndarray [shape], read-only

        Raises
        ------
        ArtifactError
            If the file ends before the blob does, or holds another blob there.
        """
        if offset % ALIGNMENT or offset < HEADER.size:
            raise self._refuse(f"weights at offset {offset} are not aligned")
        if offset + DESCRIPTION.size > len(self._data):
            raise self._refuse("the weight file is truncated")
        sentinel, kind, size, start, _ = DESCRIPTION.unpack_from(self._data, offset)
        if sentinel != SENTINEL:
            raise self._refuse(f"the weight file does not match, no weights at offset {offset}")
        if DTYPES.get(kind) != dtype or size != prod(shape) * dtype.itemsize:
            raise self._refuse(
                f"the weight file does not match, {size} bytes of {DTYPES.get(kind, kind)} "
                f"at offset {offset} instead of {dtype}{list(shape)}"
            )
        if start % ALIGNMENT or start < offset + DESCRIPTION.size:
            raise self._refuse(f"the weight file does not match, data of {offset} at {start}")
        if start + size > len(self._data):
            raise self._refuse("the weight file is truncated")
        return np.frombuffer(self._data, dtype, prod(shape), start).reshape(shape)

    def _refuse(self, reason: str) -> ArtifactError:
        return ArtifactError(f"{self._path}: {reason}; build the model again")
