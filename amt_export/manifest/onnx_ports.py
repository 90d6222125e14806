"""Comparison of the interface of an ONNX file with its manifest, once, when the file is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amt_export.errors import ArtifactError
from amt_export.manifest.embedded import unreadable_texts

TYPES = {"float32": "tensor(float)", "float64": "tensor(double)"}
"""Names of dtypes in ONNX Runtime."""


def check_ports(path: Path, session: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Compare names, dtypes and sizes.

    Parameters
    ----------
    path : Path
        Of the file, for the error.
    session : InferenceSession
    inputs, outputs : sequence of Port
        Of the manifest; the file may have them in another order.

    Raises
    ------
    ArtifactError
        If they differ.
    """
    with unreadable_texts(path):
        sides = (
            ("inputs", inputs, session.get_inputs()),
            ("outputs", outputs, session.get_outputs()),
        )
        for what, ports, found in sides:
            given = {value.name: value for value in found}
            if given.keys() != {port.name for port in ports}:
                names = ", ".join(port.name for port in ports)
                raise ArtifactError(
                    f"{path}: its {what} are {', '.join(given)}, the manifest says {names}; "
                    "build the model again"
                )
            for port in ports:
                value = given[port.name]
                if value.type != TYPES.get(port.dtype) or not _agree(value.shape, port.shape):
                    raise ArtifactError(
                        f"{path}: {port.name} is {value.type} {value.shape}, the manifest says "
                        f"{port.dtype} {list(port.shape)}; build the model again"
                    )


def _agree(found: Sequence[Any], said: Sequence[int | None]) -> bool:
    """Whether the shape of a file agrees with the manifest: the same numbers, and free where the manifest is.

    A file may leave more sizes free than its manifest does.
    """
    return len(found) == len(said) and all(
        not isinstance(one, int) or one == other for one, other in zip(found, said, strict=True)
    )
