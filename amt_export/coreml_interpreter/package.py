"""A Core ML package on disk: its specification, and the constants of its program."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, field
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from amt_export.coreml_interpreter.weights import WeightFile
from amt_export.errors import ArtifactError, require

# The elements of a tensor, by the name of its data type in MIL.proto. Core ML computes in neither 64-bit
# type, and types below a byte belong to compressed weights.
DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "STRING": np.dtype(np.str_),
    "FLOAT16": np.dtype("<f2"),
    "FLOAT32": np.dtype("<f4"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
}
MODEL_PATH = "@model_path/"  # how a program names the folder that its specification is in


@dataclass(frozen=True)
class TensorType:
    """Type of a value as the program declares it. A size that the program leaves open is None."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def admits(self, value: npt.NDArray[Any]) -> bool:
        """Whether a value is of this type."""
        same = self.dtype == value.dtype or self.dtype.kind == value.dtype.kind == "U"
        return (
            same
            and len(self.shape) == value.ndim
            and all(
                size in (None, found) for size, found in zip(self.shape, value.shape, strict=True)
            )
        )

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype}[{sizes}]"


@dataclass(frozen=True)
class Package:
    """An opened package.

    Parameters
    ----------
    path : Path
        The ``.mlpackage`` folder.
    specification : Path
        The file in it that holds `model`.
    model : Model_pb2.Model
        With an ML Program.
    """

    path: Path
    specification: Path
    model: Any
    _weights: dict[str, WeightFile] = field(default_factory=dict)

    def function(self) -> Any:
        """The function that a prediction runs."""
        functions = self.model.mlProgram.functions
        name = self.model.description.defaultFunctionName or "main"
        if name not in functions:
            raise ArtifactError(f"{self.path}: has no function {name}; build it again")
        return functions[name]

    def block(self) -> Any:
        """The operations of that function, in order, and the names of its outputs."""
        function = self.function()
        if function.opset not in function.block_specializations:
            raise ArtifactError(f"{self.path}: has no program for {function.opset}; build it again")
        return function.block_specializations[function.opset]

    def tensor_type(self, declared: Any, where: str) -> TensorType:
        """The type of a value that a ``ValueType`` declares.

        Raises
        ------
        ArtifactError
            If it is not a tensor, or has a data type that Core ML does not compute with.
        """
        from coremltools.proto import MIL_pb2

        if declared.WhichOneof("type") != "tensorType":
            raise ArtifactError(f"{self.path}: {where} is no tensor; build it again")
        tensor = declared.tensorType
        name = MIL_pb2.DataType.Name(tensor.dataType)
        if name not in DTYPES:
            raise ArtifactError(f"{self.path}: {where} is {name}, which is not for Core ML")
        sizes = tuple(
            d.constant.size if d.WhichOneof("dimension") == "constant" else None
            for d in tensor.dimensions
        )
        if len(sizes) != tensor.rank:
            raise ArtifactError(f"{self.path}: {where} has a rank that is not its own")
        return TensorType(DTYPES[name], sizes)

    def value(self, value: Any, where: str) -> npt.NDArray[Any]:
        """A constant of the program, from the specification or from the weight file.

        Parameters
        ----------
        value : MIL_pb2.Value
        where : str
            What it belongs to, for errors.

        Returns
        -------
        ndarray, read-only

        Raises
        ------
        ArtifactError
            If it is not a tensor, or not of the declared type.
        """
        declared = self.tensor_type(value.type, where)
        shape = tuple(size for size in declared.shape if size is not None)
        if len(shape) != len(declared.shape):
            raise ArtifactError(f"{self.path}: {where} is a constant of open size")
        if value.WhichOneof("value") == "blobFileValue":
            blob = value.blobFileValue
            return self._weight_file(blob.fileName).read(blob.offset, declared.dtype, shape)
        if value.immediateValue.WhichOneof("value") != "tensor":
            raise ArtifactError(f"{self.path}: {where} is no tensor; build it again")
        array = _immediate(value.immediateValue.tensor, declared.dtype)
        if array is None or array.size != prod(shape):
            raise ArtifactError(f"{self.path}: {where} does not hold {declared}; build it again")
        array = array.reshape(shape)
        array.flags.writeable = False
        return array

    def _weight_file(self, name: str) -> WeightFile:
        if name not in self._weights:
            relative = PurePosixPath(name.removeprefix(MODEL_PATH))
            if not name.startswith(MODEL_PATH) or ".." in relative.parts or relative.is_absolute():
                raise ArtifactError(f"{self.path}: weights outside the package, {name}")
            self._weights[name] = WeightFile(self.specification.parent / relative)
        return self._weights[name]


def _immediate(tensor: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Elements that the specification itself holds; None if they are of another type."""
    stored = tensor.WhichOneof("value")
    if stored is None:
        return np.zeros(0, dtype)  # of a tensor without elements
    values = getattr(tensor, stored).values
    if stored == "bytes":  # types that protobuf has no list for, as they lie in memory
        whole = dtype.kind != "U" and len(values) % dtype.itemsize == 0
        return np.frombuffer(values, dtype).copy() if whole else None
    kinds = {"floats": "f", "ints": "iu", "bools": "b", "strings": "U"}
    if dtype.kind not in kinds.get(stored, ""):
        return None
    try:
        return np.array(list(values), dtype)
    except OverflowError:
        return None


def open_package(path: Path) -> Package:
    """Open a saved package.

    Parameters
    ----------
    path : Path
        The ``.mlpackage`` folder.

    Raises
    ------
    ArtifactError
        If it is not a package, is truncated, or holds another kind of model than an ML Program.
    """
    with contextlib.redirect_stderr(
        io.StringIO()
    ):  # coremltools warns on stderr that Linux cannot predict
        require("coremltools", "coreml", "Reading Core ML packages")
        from coremltools.proto import Model_pb2

    specification = _root_item(path)
    model = Model_pb2.Model()
    try:
        model.ParseFromString(specification.read_bytes())
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArtifactError(
            f"{specification}: not a Core ML model ({reason}); build it again"
        ) from error
    if not model.HasField("mlProgram"):
        raise ArtifactError(f"{specification}: not an ML Program; build it again")
    return Package(path, specification, model)


def _root_item(path: Path) -> Path:
    """The file that a package's own manifest names as its model."""
    manifest = path / "Manifest.json"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        relative = PurePosixPath(content["itemInfoEntries"][content["rootModelIdentifier"]]["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{manifest}: not that of a Core ML package; build it again") from error
    if relative.is_absolute() or ".." in relative.parts:
        raise ArtifactError(f"{manifest}: names a model outside the package; build it again")
    return path / "Data" / relative
