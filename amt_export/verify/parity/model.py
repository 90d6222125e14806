"""Prove a whole model while it is being built: eager torch against float64, every file against eager torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from amt_export.manifest import Manifest, ParityRow
from amt_export.manifest.ports import courses
from amt_export.model_file import ModelSpec
from amt_export.modules.base import AuditoryModule
from amt_export.modules.forms import StreamForm, WholeForm
from amt_export.verify.parity.cases import module_cases, single, suite_inputs
from amt_export.verify.parity.compare import Variant, Worst
from amt_export.verify.parity.eager import prove_answers, prove_eager, stream_cases
from amt_export.verify.parity.prove import Expected, prove
from amt_export.verify.parity.streaming import whole_as_stream
from amt_export.verify.parity.vectors import VECTORS, save_vectors

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Forms:
    """A model as built, and what is exported and compared.

    Parameters
    ----------
    module : AuditoryModule
        As built, in the precision that is exported.
    double : AuditoryModule
        The same in float64, with what rounding took from values that were not loaded.
    frozen, reference : AuditoryModule
        Both of them frozen for the length of the input.
    whole : WholeForm
        Of `freeze`.
    stream : StreamForm or None
        For blocks.
    """

    module: AuditoryModule
    double: AuditoryModule
    frozen: AuditoryModule
    reference: AuditoryModule
    whole: WholeForm
    stream: StreamForm | None


@dataclass(frozen=True)
class Proof:
    """What was measured of a model.

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
    """Measure everything, and leave the test vectors in the folder.

    Parameters
    ----------
    spec : ModelSpec
        Gives the tolerances.
    forms : Forms
    manifest : Manifest
        With the files that are in the folder.
    folder : Path
    progress : callable
        Told what is being done, and the share that is done, from a half to one.
    """
    ports = forms.frozen.output_ports

    def tolerance(key: str) -> dict[str, float]:
        return {"relative": spec.parity[key], "db": spec.parity_db[key], "frequency": 0.0}

    progress(f"{spec.name}: running eager torch", 0.5)
    inputs = suite_inputs(forms.frozen, spec.inputs)
    reference = module_cases(inputs, forms.reference, "float64")
    reference = [replace(case, inputs=single(case.inputs)) for case in reference]
    save_vectors(folder / VECTORS, reference)
    cases = {"whole": module_cases(inputs, forms.frozen, "float32", reference)}
    truth = Expected(reference, ports, tolerance("float64"))
    eager = prove_eager(forms.whole, cases["whole"], truth)
    rows, worst = list(eager.rows), {"float64": eager.worst}
    if forms.stream is not None:
        cases["stream"] = stream_cases(manifest, forms.stream, cases["whole"])
        known = whole_as_stream(manifest, reference)
        truth = Expected(known, courses(ports), tolerance("float64"))
        rows += prove_answers(cases["stream"], truth, Variant("float64", "stream", "torch")).rows
    steps = len(manifest.files) + 1
    for step, entry in enumerate(manifest.files):
        progress(f"{spec.name}: checking {entry.format}", 0.5 + 0.5 * (1 + step) / (1 + steps))
        outputs = courses(ports) if entry.form == "stream" else ports
        expected = Expected(cases[entry.form], outputs, tolerance(entry.format))
        found = prove(folder, manifest, entry, expected)
        rows += found.rows
        if entry.form == "whole":
            worst[entry.format] = found.worst
    return Proof(tuple(rows), worst)
