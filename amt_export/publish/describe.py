"""Description of a model for its manifest: its ports, its times, its streaming form."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata

import torch

from amt_export import __version__
from amt_export.errors import SpecError
from amt_export.manifest import Manifest, StateInfo, StreamInfo
from amt_export.manifest.ports import Port
from amt_export.model_file import ModelSpec
from amt_export.modules.forms import WholeForm
from amt_export.report import dois
from amt_export.report.about import about
from amt_export.verify.parity.model import Forms

VERSIONED = ("torch", "onnx", "onnxruntime", "coremltools", "numpy")


def describe(spec: ModelSpec, forms: Forms) -> Manifest:
    """Return the manifest of a model as far as it is known before anything is exported.

    Raises
    ------
    SpecError
        If the module refuses the shapes of the model file.
    """
    module = forms.module
    try:
        with torch.no_grad():
            silence = (torch.zeros(shape) for shape in spec.inputs.values())
            results = WholeForm(forms.frozen)(*silence)
    except ValueError as error:
        # The module refuses the shapes, e.g. audio shorter than a frame.
        raise SpecError(f"{spec.path}: [inputs]: {error}") from error
    free = spec.batch == "dynamic"
    return Manifest(
        name=spec.name,
        module=spec.module,
        description=spec.description,
        parameters=spec.raw_parameters,
        precision=spec.precision,
        batch=spec.batch,
        sampling_rate=getattr(module, "fs", None),
        centre_frequencies=tuple(module.centre_frequencies() or ()),
        mfc=tuple(module.modulation_filters()[0]),
        counts=tuple(module.modulation_filters()[1]),
        warm_up=module.warm_up(),
        look_ahead=module.look_ahead(),
        padding=module.padding(),
        hop=module.hop(),
        frame_length=module.frame_length(),
        inputs=tuple(
            _sized(p, spec.inputs[p.name], free)
            for p in module.input_ports
            if p.name in spec.inputs
        ),
        outputs=_outputs(module.output_ports, results, free),
        stream=_describe_stream(forms, free),
        license=about(spec.module).license,
        references=dois(spec.module),
        versions={"amt_export": __version__} | _versions(),
    )


def _versions() -> dict[str, str]:
    """Versions of the packages that made the artifacts; coremltools may be missing."""
    found = {}
    for name in VERSIONED:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _sized(port: Port, shape: Sequence[int], free_batch: bool) -> Port:
    """A port with its shape, in which a free batch is None."""
    free = free_batch and port.axes[0] == "batch"
    return replace(port, shape=(None, *shape[1:]) if free else tuple(shape), dtype="float32")


def _outputs(
    ports: Sequence[Port], results: Sequence[torch.Tensor], free_batch: bool
) -> tuple[Port, ...]:
    """Output ports with the shapes of the results; further results (the states) are left out."""
    return tuple(
        _sized(port, value.shape, free_batch) for port, value in zip(ports, results, strict=False)
    )


def _describe_stream(forms: Forms, free_batch: bool) -> StreamInfo | None:
    form, module = forms.stream, forms.module
    if form is None:
        return None
    audio, *states = form.silence()
    with torch.no_grad():
        results = form(audio, *states)
    port = module.input_ports[0]
    return StreamInfo(
        block=form.shape[-1],
        latency=module.latency(),
        states=tuple(
            StateInfo(
                name,
                f"next_{name}",
                (None, *state.shape[1:]) if free_batch else tuple(state.shape),
                meaning,
                str(state.dtype).removeprefix("torch."),
            )
            for name, state, meaning in zip(
                form.input_names[1:], states, form.meanings, strict=True
            )
        ),
        skip=module.lead_frames(),
        inputs=(_sized(port, form.shape, free_batch),),
        outputs=_outputs(form.ports, results, free_batch),
    )
