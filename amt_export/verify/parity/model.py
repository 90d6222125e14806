"""Prove a whole model while it is being built: eager torch against float64, every file against eager torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from amt_export.manifest import Manifest, ParityRow
from amt_export.model_file import ModelSpec
from amt_export.modules.base import AuditoryModule
from amt_export.modules.forms import StreamForm
from amt_export.verify.parity.cases import eager_runner, module_cases, suite_inputs
from amt_export.verify.parity.compare import Version, Worst, compare
from amt_export.verify.parity.eager import prove_eager
from amt_export.verify.parity.prove import Expected, prove
from amt_export.verify.parity.streaming import settled_cases, streamed
from amt_export.verify.parity.vectors import VECTORS, save_vectors

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Forms:
    """A model as built, and what is exported and compared.

    Parameters
    ----------
    module, double : AuditoryModule
        As built; and in float64, with what rounding took from values that were not loaded.
    exported, reference : AuditoryModule
        Both of them frozen.
    stream : StreamForm or None
        For blocks.
    narrow : StreamForm or None
        The same without float64 inside, where a format needs it so.
    """

    module: AuditoryModule
    double: AuditoryModule
    exported: AuditoryModule
    reference: AuditoryModule
    stream: StreamForm | None
    narrow: StreamForm | None = None


@dataclass(frozen=True)
class Proof:
    """What was measured of a model.

    Parameters
    ----------
    rows : tuple of ParityRow
    worst : dict
        Of the whole form: format (or "reference") to output to the differences of each channel.
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
    ports = forms.exported.output_ports
    steps = len(manifest.files) + 1

    def tolerance(key: str, form: str = "whole") -> dict[str, float]:
        # A stream sums in another order than the whole form: both may be as far off as float32 is.
        keys = (key,) if form == "whole" else (key, "reference")
        relative = max(spec.parity[key] for key in keys)
        return {"relative": relative, "db": max(spec.parity_db[k] for k in keys), "frequency": 0.0}

    progress(f"{spec.name}: running eager torch", 0.5)
    inputs = suite_inputs(forms.exported, spec.inputs)
    reference = [
        replace(case, inputs={n: a.astype(spec.dtype) for n, a in case.inputs.items()})
        for case in module_cases(inputs, forms.reference, "float64")
    ]
    save_vectors(folder / VECTORS, reference)
    cases = {"whole": module_cases(inputs, forms.exported, spec.dtype, reference)}
    truth = Expected(reference, ports, tolerance("reference"))
    eager = prove_eager(forms.exported, cases["whole"], truth)
    rows, worst = list(eager.rows), {"reference": eager.worst}
    for form, computed in ((forms.stream, "torch"), (forms.narrow, "float32")):
        if form is not None:
            blocks = streamed(manifest, eager_runner(form, form.output_names))
            known = settled_cases(manifest, reference)
            version = Version("reference", "stream", computed)
            rows += compare(blocks, known, ports, version, tolerance("reference"))
    cases["stream"] = settled_cases(manifest, cases["whole"]) if forms.stream is not None else []
    for step, entry in enumerate(manifest.files):
        progress(f"{spec.name}: checking {entry.format}", 0.5 + 0.5 * (1 + step) / (1 + steps))
        expected = Expected(cases[entry.form], ports, tolerance(entry.format, entry.form))
        found = prove(folder, manifest, entry, expected)
        rows += found.rows
        if entry.form == "whole":
            worst[entry.format] = found.worst
    return Proof(tuple(rows), worst)
