"""What is compared: the graph of a model, and an artifact of it, built for the purpose or published."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.export import ExportedProgram

from amt_export.build import DTYPES, build_module, input_length
from amt_export.errors import SpecError
from amt_export.export import FORMATS, capture
from amt_export.export import coreml as coreml_export
from amt_export.export import onnx as onnx_export
from amt_export.export.program import quiet_torch
from amt_export.manifest import load_manifest
from amt_export.parity.cases import suite_inputs
from amt_export.ports import Port
from amt_export.spec import ModelSpec, load_spec
from amt_export.spec.published import spec_of

NAMED = {"onnx": onnx_export.named_program, "coreml": coreml_export.named_program}
"""Format to the graph whose nodes its values are named after."""

DECIBEL = math.log(10.0) / 20.0
"""A magnitude that is off by this share of itself is off by one dB, for small ones."""


@dataclass(frozen=True)
class Subject:
    """A model and one artifact of it.

    Parameters
    ----------
    name : str
    format : str
    artifact : Path
    exported : ExportedProgram
        Whose nodes have the names of the artifact's values.
    ports : dict of Port
        The outputs by name, in order.
    inputs : dict
        Signal to input name to array, float64.
    dtype : str
    tolerance : float
        Relative, of the format; where outputs are levels, what is allowed them in dB, as such a share.
    """

    name: str
    format: str
    artifact: Path
    exported: ExportedProgram
    ports: dict[str, Port]
    inputs: dict[str, dict[str, npt.NDArray[np.float64]]]
    dtype: str
    tolerance: float


@contextmanager
def subject_of(
    model: str,
    format: str,
    samples: int | None = None,
    checkpoint: Path | None = None,
    checkpoint_prefix: str = "",
) -> Iterator[Subject]:
    """Find or build what is to be compared.

    Parameters
    ----------
    model : str
        Name or path of a model file, whose artifact is built in a temporary folder, or a published
        folder, whose artifact is taken as it is (also an altered one: that is what is looked for).
    format : {"onnx", "coreml"}
    samples : int, optional
        Of audio, for an artifact that is built.
    checkpoint, checkpoint_prefix
        As the model was, or is to be, built with.

    Raises
    ------
    SpecError, CheckpointError
        If the model cannot be built.
    ArtifactError
        If the folder is none, or has no such format.
    """
    folder = Path(model)
    published = folder.is_dir()
    if published:
        manifest = load_manifest(folder)
        entry = manifest.entry(format)
        if manifest.checkpoint is not None and checkpoint is None:
            raise SpecError(
                f"{folder}: built with a checkpoint, whose values the manifest does not hold; give "
                "it again: --checkpoint FILE"
            )
        if samples is not None:
            raise SpecError(f"{folder}: is published; its number of samples stays as it is")
        spec = spec_of(manifest, str(folder))
    else:
        spec = load_spec(model).resized(samples=samples)
    module = build_module(spec, None, checkpoint, checkpoint_prefix).frozen(input_length(spec))
    program = capture(
        module,
        tuple(torch.zeros(shape, dtype=DTYPES[spec.dtype]) for shape in spec.inputs.values()),
        tuple(spec.inputs),
        tuple(port.name for port in module.output_ports),
    )
    with tempfile.TemporaryDirectory() as temporary:
        if published:
            artifact = folder / entry.path
        else:
            artifact = Path(temporary) / (spec.name + FORMATS[format].suffix)
            FORMATS[format].export(program, artifact, {})
        with quiet_torch():
            named = NAMED[format](program)
        yield Subject(
            name=spec.name,
            format=format,
            artifact=artifact,
            exported=named,
            ports={port.name: port for port in module.output_ports},
            inputs=suite_inputs(module, spec.inputs),
            dtype=spec.dtype,
            tolerance=_tolerance(spec, module.output_ports, format),
        )


def _tolerance(spec: ModelSpec, ports: Iterable[Port], format: str) -> float:
    """Of linear quantities, which is what most inner values are, also those behind levels."""
    if any(port.kind == "db" for port in ports):
        return spec.parity_db[format] * DECIBEL
    return spec.parity[format]
