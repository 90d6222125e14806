"""Checks of a Core ML package before it is run: interface, operators, metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amt_export.coreml_interpreter import open_package
from amt_export.errors import ArtifactError
from amt_export.manifest import METADATA_KEY, Manifest, Port

# The operators of our converted graphs. Others are not verified and may be traps, as `inverse` (adds 1e-4 to
# its argument) and `pow` (wrong for a constant base) are.
KNOWN_OPERATORS = frozenset(
    (
        *("abs", "add", "cast", "clip", "concat", "const", "cumsum", "equal", "exp", "expand_dims"),
        *("fill_like", "gather", "gather_along_axis", "greater", "identity", "less", "less_equal"),
        *(
            "linear",
            "log",
            "logical_and",
            "logical_or",
            "matmul",
            "maximum",
            "minimum",
            "mul",
            "real_div",
        ),
        *("reduce_max", "reduce_sum", "reshape", "reverse", "scatter_along_axis", "select"),
        *(
            "slice_by_index",
            "split",
            "sqrt",
            "squeeze",
            "stack",
            "sub",
            "tanh",
            "tile",
            "transpose",
        ),
    )
)
FLOAT32 = 65568  # ArrayFeatureType.FLOAT32


def check_interface(package: Path, manifest: Manifest) -> None:
    """Open a saved package and compare its interface with the manifest.

    Raises
    ------
    ArtifactError
        If it cannot be read, names, shapes or dtypes differ, or it holds an operator that our graphs
        do not use.
    """
    opened = open_package(package)
    model = opened.model
    for ports, features in (
        (manifest.inputs, model.description.input),
        (manifest.outputs, model.description.output),
    ):
        found = [(f.name, tuple(f.type.multiArrayType.shape)) for f in features]
        expected = [(port.name, port.shape) for port in ports]
        if [name for name, _ in found] != [name for name, _ in expected]:
            raise ArtifactError(f"{package}: names are {found}, the manifest says {expected}")
        for (name, shape), port, feature in zip(found, ports, features, strict=True):
            _check_port(package, name, shape, feature.type.multiArrayType.dataType, port)
    unknown = sorted(_operators(model) - KNOWN_OPERATORS)
    if unknown:
        raise ArtifactError(f"{package}: unexpected operators: {', '.join(unknown)}")
    if model.description.metadata.userDefined.get(METADATA_KEY) is None:
        raise ArtifactError(f"{package}: carries no {METADATA_KEY}")
    if not (opened.specification.parent / "weights" / "weight.bin").is_file():
        raise ArtifactError(f"{package}: its weight file is missing; build the model again")


def _check_port(package: Path, name: str, shape: tuple[int, ...], dtype: int, port: Port) -> None:
    # The converter leaves the shape of some outputs open; the graph itself is static.
    # A free batch is one of the other formats: Core ML has the one that the model file gives.
    published = port.sized(shape[0]) if shape else ()
    if shape and shape != published:
        raise ArtifactError(f"{package}: {name} has shape {shape}, the manifest says {port.shape}")
    if dtype != FLOAT32:
        raise ArtifactError(f"{package}: {name} is not float32")


def _operators(model: Any) -> set[str]:
    return {
        operation.type
        for function in model.mlProgram.functions.values()
        for block in function.block_specializations.values()
        for operation in block.operations
    }
