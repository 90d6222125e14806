"""The two sides of a comparison: the graph of a model, and an artifact of it, built for it or published."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.export import ExportedProgram

from amt_export.errors import SpecError
from amt_export.export import FORMATS, capture
from amt_export.export import onnx as onnx_export
from amt_export.export.capture import Program, quiet_torch
from amt_export.manifest import load_manifest
from amt_export.manifest.ports import Port
from amt_export.manifest.safe_files import contents_of, member
from amt_export.model_file import ModelSpec, load_spec
from amt_export.model_file.building import build_module, build_stream, input_length
from amt_export.model_file.published import spec_of
from amt_export.modules.base import AuditoryModule
from amt_export.modules.forms import StreamForm, WholeForm
from amt_export.verify.parity.cases import single, suite_inputs
from amt_export.verify.parity.streaming import heard_samples

NAMED: dict[str, Callable[[Program], ExportedProgram]] = {
    "onnx": onnx_export.named_program,
    "coreml": lambda program: program.exported,
}
"""Format to the graph whose nodes its values are named after."""

DECIBEL = math.log(10.0) / 20.0
"""A magnitude that is off by this share of itself is off by one dB, for small ones."""


Inputs = dict[str, dict[str, npt.NDArray[np.floating]]]
"""Signal to input name to array."""


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
    ports : dict
        The outputs by name, in order: Port, or None for the next state of a stream.
    inputs : dict
        Signal to input name to array, of the dtype that the artifact takes.
    tolerance : float
        Relative, of the format; where outputs are levels, what is allowed them in dB, as such a share.
    """

    name: str
    format: str
    artifact: Path
    exported: ExportedProgram
    ports: dict[str, Port | None]
    inputs: Inputs
    tolerance: float


@contextmanager
def subject_of(
    model: str,
    format: str,
    samples: int | None = None,
    checkpoint: Path | None = None,
    checkpoint_prefix: str = "",
    form: str = "whole",
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
    form : {"whole", "stream"}
        Of a stream, the loudest block of the first quarter second is compared, with the states that eager
        torch has before it.

    Raises
    ------
    SpecError, CheckpointError
        If the model cannot be built, or has no streaming form.
    ArtifactError
        If the folder is none, or has no such format.
    """
    folder = Path(model)
    published = folder.is_dir()
    if published:
        manifest = load_manifest(folder)
        entry = manifest.entry(format, form)
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
    module = build_module(spec, None, checkpoint, checkpoint_prefix)
    whole, ports = module.freeze(input_length(spec)), module.output_ports
    if form == "stream":
        program, inputs = _stream(spec, module, whole)
    else:
        program, inputs = _whole(spec, module, whole)
    with tempfile.TemporaryDirectory() as temporary:
        if published:
            # Not compared with its hash: an altered artifact is what one looks into.
            artifact = member(folder, entry.path)
            contents_of(artifact)
        else:
            artifact = Path(temporary) / (spec.name + FORMATS[format].suffix)
            FORMATS[format].export(program, artifact, {})
        with quiet_torch():
            named = NAMED[format](program)
        yield Subject(
            name=spec.name if form == "whole" else f"{spec.name}.stream",
            format=format,
            artifact=artifact,
            exported=named,
            ports=dict.fromkeys(program.output_names) | {port.name: port for port in ports},
            inputs=inputs,
            tolerance=_tolerance(spec, ports, format),
        )


def _whole(
    spec: ModelSpec, module: AuditoryModule, whole: AuditoryModule
) -> tuple[Program, Inputs]:
    """The program of whole signals, and the suite."""
    silence = tuple(torch.zeros(shape) for shape in spec.inputs.values())
    names = tuple(port.name for port in module.output_ports)
    suite = {name: single(arrays) for name, arrays in suite_inputs(whole, spec.inputs).items()}
    return capture(_whole_form(spec, whole), silence, tuple(spec.inputs), names), suite


def _whole_form(spec: ModelSpec, whole: AuditoryModule) -> nn.Module:
    return WholeForm(whole) if spec.precision == "float64" else whole


def _stream(
    spec: ModelSpec, module: AuditoryModule, whole: AuditoryModule
) -> tuple[Program, Inputs]:
    """The program of one block, and of each signal of the suite a block with the states before it."""
    form = build_stream(spec, module)
    if form is None:
        raise SpecError(
            f"{spec.path}: has no streaming form; [stream] block = N in the model file asks for one"
        )
    beginning = heard_samples(getattr(module, "fs", None), spec.inputs["audio"][-1])
    suite = suite_inputs(whole, spec.inputs)
    program = capture(form, form.silence(), form.input_names, form.output_names)
    return program, {
        signal: _loudest_block(form, inputs["audio"][..., :beginning])
        for signal, inputs in suite.items()
    }


@torch.no_grad()
def _loudest_block(
    form: StreamForm, audio: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.floating]]:
    """Inputs of the streaming form for the loudest whole block of a signal, by name."""
    states = form.initial_states()
    samples = torch.from_numpy(audio).float()
    pieces = torch.split(samples, form.shape[-1], dim=-1)
    blocks = [piece for piece in pieces if piece.shape[-1] == form.shape[-1]]
    blocks = blocks or [form.silence()[0]]
    loudest = max(range(len(blocks)), key=lambda k: float(blocks[k].square().sum()))
    count = len(form.output_names) - len(states)
    for block in blocks[:loudest]:
        states = tuple(form(block, *states)[count:])
    values = (blocks[loudest], *states)
    return {name: value.numpy() for name, value in zip(form.input_names, values, strict=True)}


def _tolerance(spec: ModelSpec, ports: Iterable[Port], format: str) -> float:
    """Tolerance of linear quantities: most inner values are linear, also in a model of levels."""
    if any(port.kind == "db" for port in ports):
        return spec.parity_db[format] * DECIBEL
    return spec.parity[format]
