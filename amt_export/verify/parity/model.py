"""Proof of a model during a build: eager torch against float64, every file against eager torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from amt_export.export import FORMATS
from amt_export.manifest import Manifest, ParityRow
from amt_export.manifest.parity_row import BATCHES
from amt_export.manifest.ports import stream_outputs
from amt_export.model_file import ModelSpec
from amt_export.modules.base import AuditoryModule
from amt_export.modules.forms import StreamForm
from amt_export.verify.parity.cases import eager_runner, module_cases, single, suite_inputs
from amt_export.verify.parity.compare import Case, Variant, Worst
from amt_export.verify.parity.eager import prove_answers, prove_eager, stream_cases
from amt_export.verify.parity.finite import require_finite
from amt_export.verify.parity.prove import Evidence, Expected, prove, worse
from amt_export.verify.parity.rounding import allow_file_rounding, allow_rounding, slightly_louder
from amt_export.verify.parity.streaming import whole_as_stream
from amt_export.verify.parity.vectors import VECTORS, save_vectors

# Formats that run the kernels of eager torch and round alike.
SAME_KERNELS = ("torchscript", "exported_program")

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Forms:
    """The forms of a model that are exported and compared.

    Parameters
    ----------
    module : AuditoryModule
        As built, in the precision that is exported.
    double : AuditoryModule
        The same in float64, with what rounding took from values that were not loaded.
    frozen, reference : AuditoryModule
        Both of them frozen for the length of the input.
    whole : WholeForm
        The frozen module, as it is exported.
    stream : StreamForm or None
        The streaming form, if there is one.
    """

    module: AuditoryModule
    double: AuditoryModule
    frozen: AuditoryModule
    reference: AuditoryModule
    whole: nn.Module
    stream: StreamForm | None


@dataclass(frozen=True)
class Proof:
    """The measurements of a model.

    Parameters
    ----------
    rows : tuple of ParityRow
    worst : dict
        Of the whole form: format (or "float64") to output to the differences of each channel.
    """

    rows: tuple[ParityRow, ...]
    worst: dict[str, dict[str, Worst]] = field(default_factory=dict)


def prove_model(
    spec: ModelSpec, forms: Forms, manifest: Manifest, folder: Path, progress: Progress
) -> Proof:
    """Measure all files, and write the test vectors into the folder.

    Parameters
    ----------
    spec : ModelSpec
        Gives the tolerances.
    forms : Forms
    manifest : Manifest
        With the files that are in the folder.
    folder : Path
    progress : callable
        Called with what is being done and the share that is done, from a half to one.
    """
    ports = forms.frozen.output_ports

    def tolerance(key: str) -> dict[str, float]:
        return {
            "relative": spec.parity[key],
            "db": spec.parity_db[key],
            "frequency": 0.0,
            "absolute": spec.parity_mu[key],
        }

    progress(f"{spec.name}: running eager torch", 0.5)
    inputs = suite_inputs(forms.frozen, spec.inputs)
    reference = module_cases(inputs, forms.reference, "float64")
    reference = [replace(case, inputs=single(case.inputs)) for case in reference]
    cases = {"whole": module_cases(inputs, forms.frozen, "float32", reference)}
    if forms.stream is not None:
        cases["stream"] = stream_cases(manifest, forms.stream, cases["whole"])
    require_finite(spec, manifest, [*reference, *cases["whole"]])
    save_vectors(folder / VECTORS, reference)
    eager = _prove_eager_forms(spec, forms, manifest, reference, cases, tolerance("float64"))
    rows = [row for evidence in eager.values() for row in evidence.rows]
    worst = {"float64": eager["whole"].worst}
    more = [_cases_of_batch(spec, forms, manifest, batch) for batch in _more_batches(spec)]
    steps = len(manifest.files) + 1
    for step, entry in enumerate(manifest.files):
        progress(f"{spec.name}: checking {entry.format}", 0.5 + 0.5 * (1 + step) / (1 + steps))
        outputs = stream_outputs(ports) if entry.form == "stream" else ports
        allowed = tolerance(entry.format)
        expected = Expected(cases[entry.form], outputs, allowed)
        found = prove(folder, manifest, entry, expected)
        for others in more if FORMATS[entry.format].free_batch else []:
            expected = Expected(others[entry.form], outputs, allowed)
            found = worse(found, prove(folder, manifest, entry, expected))
        measured = found.rows
        if entry.format not in spec.given and entry.format not in SAME_KERNELS:
            measured = allow_file_rounding(measured, eager[entry.form].rows)
        rows += measured
        if entry.form == "whole":
            worst[entry.format] = found.worst
    return Proof(tuple(rows), worst)


def _prove_eager_forms(
    spec: ModelSpec,
    forms: Forms,
    manifest: Manifest,
    reference: Sequence[Case],
    cases: Mapping[str, Sequence[Case]],
    tolerance: Mapping[str, float],
) -> dict[str, Evidence]:
    """The eager forms, whose outputs are in `cases`, against float64."""
    ports = forms.frozen.output_ports
    may_round = "float64" not in spec.given and spec.precision == "float32"

    def whole_answers() -> list[Case]:
        run = eager_runner(forms.whole, [port.name for port in ports])
        louder = slightly_louder(cases["whole"])
        return [replace(case, outputs=dict(run(case.inputs))) for case in louder]

    found = prove_eager(forms.whole, cases["whole"], Expected(reference, ports, tolerance))
    if may_round:
        rows = allow_rounding(found.rows, cases["whole"], ports, whole_answers)
        found = replace(found, rows=rows)
    evidence = {"whole": found}
    if (stream := forms.stream) is not None:

        def stream_answers() -> list[Case]:
            return stream_cases(manifest, stream, slightly_louder(cases["whole"]))

        known, ports = whole_as_stream(manifest, reference), stream_outputs(ports)
        variant = Variant("float64", "stream", "torch")
        found = prove_answers(cases["stream"], Expected(known, ports, tolerance), variant)
        if may_round:
            rows = allow_rounding(found.rows, cases["stream"], ports, stream_answers)
            found = replace(found, rows=rows)
        evidence["stream"] = found
    return evidence


def _more_batches(spec: ModelSpec) -> list[int]:
    """Batches that a free one is tried with, beside that of the model file."""
    own = next(iter(spec.inputs.values()))[0]
    return [batch for batch in BATCHES if batch != own] if spec.batch == "dynamic" else []


def _cases_of_batch(
    spec: ModelSpec, forms: Forms, manifest: Manifest, batch: int
) -> dict[str, list[Case]]:
    """The suite in another batch, with the outputs of the eager forms."""
    shapes = {name: (batch, *shape[1:]) for name, shape in spec.inputs.items()}
    inputs = suite_inputs(forms.frozen, shapes)
    cases = {"whole": module_cases(inputs, forms.frozen, "float32")}
    if forms.stream is not None:
        cases["stream"] = stream_cases(manifest, forms.stream, cases["whole"])
    return cases
