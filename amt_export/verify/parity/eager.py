"""Eager torch: compared with float64 when a model is built, and what published folders are compared with."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from amt_export.errors import AmtExportError, SpecError
from amt_export.manifest import Manifest, ParityRow, Skip
from amt_export.model_file.building import build_module, input_length
from amt_export.model_file.published import spec_of
from amt_export.verify.parity.cases import eager_runner, module_cases, suite_inputs
from amt_export.verify.parity.compare import Case, Version, compare, measure, rows_of
from amt_export.verify.parity.load import CUDA, cuda_device
from amt_export.verify.parity.prove import Evidence, Expected, reason_of


def prove_eager(module: nn.Module, own: Sequence[Case], expected: Expected) -> Evidence:
    """Compare a module with what float64 says, on the CPU and on CUDA if there is one.

    Parameters
    ----------
    module : nn.Module
        Frozen, on the CPU.
    own : sequence of Case
        What it answers there.
    expected : Expected
        The same signals in the module's dtype, with the outputs of the float64 module.
    """
    names = [port.name for port in expected.ports]
    answers = iter(own)
    worst = measure(lambda _inputs: next(answers).outputs, expected.cases, expected.ports)
    usual = Version("reference", "whole", "torch")
    rows = rows_of(worst, expected.ports, usual, expected.tolerance)
    elsewhere: tuple[ParityRow, ...] = ()
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
        rows = tuple(replace(row, skipped=(Skip(CUDA, reason_of(error)),)) for row in rows)
    return Evidence((*rows, *elsewhere), worst)


def eager_cases(manifest: Manifest, source: str) -> list[Case]:
    """The whole signal suite, and what the eager module of a published folder answers to it.

    Parameters
    ----------
    manifest : Manifest
        Whose parameters say everything: not one of a model built with a checkpoint.
    source : str
        Where it comes from, for errors.

    Raises
    ------
    SpecError
        If this version of the package cannot build the module, or builds one with other outputs.
    """
    spec = spec_of(manifest, source)
    try:
        module = build_module(spec).frozen(input_length(spec))
        cases = module_cases(suite_inputs(module, spec.inputs), module, spec.dtype)
    except SpecError:
        raise
    except ValueError as error:
        raise SpecError(f"{source}: its parameters make no module here ({error})") from error
    for port in manifest.outputs:
        if (found := cases[0].outputs[port.name].shape) != port.shape:
            raise SpecError(
                f"{source}: its parameters make {port.name} of shape {found}, the manifest says "
                f"{port.shape}; it was built from something else"
            )
    return cases
