"""Intermediate values of artifacts, by the names they have in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from amt_export.coreml_interpreter import Interpreter
from amt_export.errors import ArtifactError, first_line, require
from amt_export.manifest.onnx_file import refuse_external_data

Array = npt.NDArray[Any]


class ArtifactValues(Protocol):
    """An opened artifact that tells what is in it."""

    def run(self, inputs: Mapping[str, Array], wanted: set[str]) -> dict[str, Array]:
        """Run it and return the values of these names; names that it does not have are left out."""


class OnnxValues:
    """ONNX Runtime without optimization, which would take away what is to be seen.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ArtifactError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        ort = require("onnxruntime", "onnx", "Running ONNX artifacts")
        onnx = require("onnx", "export", "Reading the graph of an ONNX file")
        refuse_external_data(path)
        self._path = path
        try:
            model = onnx.load(str(path))
            self._names = {name for node in model.graph.node for name in node.output if name}
            outputs = {value.name for value in model.graph.output}
            # Without a type: ONNX Runtime finds it out.
            model.graph.output.extend(
                onnx.ValueInfoProto(name=name) for name in sorted(self._names - outputs)
            )
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.log_severity_level = 4  # what is wrong is raised
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # protobuf's and the runtime's own kinds
            raise ArtifactError(
                f"{path}: cannot be run node by node ({first_line(error)})"
            ) from error

    def run(self, inputs: Mapping[str, Array], wanted: set[str]) -> dict[str, Array]:
        """See `ArtifactValues.run`."""
        names = sorted(wanted & self._names)
        feeds = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        try:
            found = self._session.run(names, feeds) if names else []
        except Exception as error:  # the runtime's own kinds
            raise ArtifactError(f"{self._path}: does not run ({first_line(error)})") from error
        return dict(zip(names, found, strict=True))


class CoreMLValues:
    """The reference interpreter of Core ML packages, on every machine: Core ML itself shows no inner values.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ArtifactError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(path)

    def run(self, inputs: Mapping[str, Array], wanted: set[str]) -> dict[str, Array]:
        """See `ArtifactValues.run`."""
        kept: dict[str, Array] = {}

        def observe(name: str, _kind: str, value: Array) -> None:
            if name in wanted:
                kept[name] = value

        self._interpreter.run(inputs, observe)
        return kept


VALUES: dict[str, Callable[[Path], ArtifactValues]] = {"onnx": OnnxValues, "coreml": CoreMLValues}
"""By format."""
