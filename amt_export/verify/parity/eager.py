"""Eager torch: compared with float64 during a build, and the reference for published folders."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from amt_export.errors import AmtExportError, SpecError
from amt_export.manifest import Manifest, Skip
from amt_export.model_file.building import build_module, build_stream, input_length
from amt_export.model_file.published import spec_of
from amt_export.modules.forms import StreamForm
from amt_export.verify.parity.cases import eager_runner, module_cases, suite_inputs
from amt_export.verify.parity.compare import Case, Variant, compare, measure, rows_of
from amt_export.verify.parity.load import CUDA, cuda_device
from amt_export.verify.parity.prove import Evidence, Expected, reason_of
from amt_export.verify.parity.streaming import streamed, whole_as_stream


def prove_answers(answers: Sequence[Case], expected: Expected, variant: Variant) -> Evidence:
    """Compare outputs that were computed before with the expected ones."""
    given = iter(answers)
    worst = measure(lambda _inputs: next(given).outputs, expected.cases, expected.ports)
    return Evidence(rows_of(worst, expected.ports, variant, expected.tolerance), worst)


def prove_eager(module: nn.Module, answers: Sequence[Case], expected: Expected) -> Evidence:
    """Compare a module with the float64 module, on the CPU and on CUDA where there is a device.

    Parameters
    ----------
    module : nn.Module
        Whole form, on the CPU.
    answers : sequence of Case
        Its outputs on the CPU.
    expected : Expected
        The same signals, with the outputs of the float64 module.
    """
    names = [port.name for port in expected.ports]
    usual = Variant("float64", "whole", "torch")
    found = prove_answers(answers, expected, usual)
    try:
        device = cuda_device()
        elsewhere = compare(
            eager_runner(copy.deepcopy(module).to(device), names, device),
            expected.cases,
            expected.ports,
            replace(usual, provider=CUDA),
            expected.tolerance,
        )
    except AmtExportError as error:
        skip = Skip(CUDA, reason_of(error))
        return replace(found, rows=tuple(replace(row, skipped=(skip,)) for row in found.rows))
    return replace(found, rows=(*found.rows, *elsewhere))


def stream_cases(manifest: Manifest, form: StreamForm, cases: Sequence[Case]) -> list[Case]:
    """The same signals with the outputs of the eager streaming form, block by block."""
    run = streamed(manifest, eager_runner(form, form.output_names))
    return [
        replace(case, outputs=dict(run(case.inputs))) for case in whole_as_stream(manifest, cases)
    ]


def eager_cases(manifest: Manifest, source: str) -> dict[str, list[Case]]:
    """The signal suite with the outputs of the eager forms of a published folder.

    Parameters
    ----------
    manifest : Manifest
        Its parameters must be complete: not of a model that was built with a checkpoint.
    source : str
        Where it comes from, for errors.

    Returns
    -------
    dict of list of Case
        For "whole", and "stream" where there is one.

    Raises
    ------
    SpecError
        If this version of the package cannot build the module, or builds one with other outputs.
    """
    spec = spec_of(manifest, source)
    try:
        module = build_module(spec)
        frozen = module.freeze(input_length(spec))
        cases = {"whole": module_cases(suite_inputs(frozen, spec.inputs), frozen, "float32")}
        if (form := build_stream(spec, module)) is not None:
            cases["stream"] = stream_cases(manifest, form, cases["whole"])
    except SpecError:
        raise
    except ValueError as error:
        raise SpecError(f"{source}: its parameters make no module here ({error})") from error
    for port in manifest.outputs:
        if (found := cases["whole"][0].outputs[port.name].shape) != port.shape:
            raise SpecError(
                f"{source}: its parameters make {port.name} of shape {found}, the manifest says "
                f"{port.shape}; it was built from something else"
            )
    return cases
