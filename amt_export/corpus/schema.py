"""The columns of a result, as Arrow and Parquet have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from amt_export.audio.file_names import as_text
from amt_export.errors import require

COLUMNS = ("path", "sha256", "seconds", "expected_seconds", "frames", "error", "levels")

START = "start"
"""Column of a Parquet file only: the first frame of a row in its recording, see `arrow_schema`."""


def pyarrow() -> Any:
    """Import pyarrow, or say how to install it."""
    return require("pyarrow", "corpus", "Reading and writing Parquet")


def parquet() -> Any:
    """Import pyarrow.parquet, or say how to install it."""
    return require("pyarrow.parquet", "corpus", "Reading and writing Parquet")


def arrow_schema(width: int, *, start: bool = False) -> Any:
    """Return the ``pyarrow.Schema`` of rows with frames of so many numbers.

    ``path``, ``sha256`` of the file, ``seconds`` that were read, ``expected_seconds`` by its header, number of
    ``frames``, ``error`` (null: all is well), ``levels`` as a list of frames of float16. Parquet files have
    ``start`` in front of ``levels``: a long recording has several rows, and this is the frame at which each one
    begins.
    """
    pa = pyarrow()
    frames = pa.list_(pa.list_(pa.float16(), width))
    fields = [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("seconds", pa.float64()),
        ("expected_seconds", pa.float64()),
        ("frames", pa.int32()),
        ("error", pa.string()),
        ("levels", frames),
    ]
    if start:
        fields.insert(-1, (START, pa.int64()))
    return pa.schema(fields)


def arrow_table(rows: Sequence[dict[str, Any]], width: int) -> Any:
    """Return rows as a ``pyarrow.Table``."""
    pa = pyarrow()
    schema = arrow_schema(width, start=START in rows[0])
    arrays = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.name == "levels":
            arrays.append(_lists(values, width))
        elif field.type == pa.string():
            texts = [None if value is None else as_text(value) for value in values]
            arrays.append(pa.array(texts, field.type))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _lists(values: Sequence[Any], width: int) -> Any:
    """Return (frames, width) arrays as one Arrow array of lists, without copying each number."""
    pa = pyarrow()
    there = [value for value in values if value is not None]
    whole = np.concatenate(there) if len(there) > 1 else there[0] if there else np.zeros(0)
    flat = whole.ravel().astype(np.float16, copy=False)
    frames = pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float16()), width)
    ends = np.cumsum([0] + [0 if value is None else len(value) for value in values])
    missing = pa.array([value is None for value in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), frames, mask=missing)
