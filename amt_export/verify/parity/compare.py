"""Run one version of a model over all cases and keep the worst difference of every output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from amt_export.errors import ParityError
from amt_export.manifest import BEYOND, ParityRow
from amt_export.manifest.ports import Port
from amt_export.verify.parity.metric import Array
from amt_export.verify.parity.threshold import Bounds, judge

Arrays = dict[str, npt.NDArray[np.floating]]
Runner = Callable[[Mapping[str, npt.NDArray[np.floating]]], Mapping[str, npt.NDArray[np.floating]]]


@dataclass(frozen=True)
class Case:
    """One signal: inputs by name, and the outputs that count as right.

    Where a module decides at a threshold, `bounds` say what else counts as right.
    """

    signal: str
    inputs: Arrays
    outputs: Arrays
    bounds: Bounds | None = None


@dataclass(frozen=True)
class Version:
    """What is compared, and how it shows in the table."""

    format: str
    form: str
    provider: str
    verified_by: str = "execution"


@dataclass(frozen=True)
class Worst:
    """The largest difference of one output over some signals.

    Parameters
    ----------
    value : float
    signal : str
        Which one caused it.
    channel : int or None
        Where; None if the output has no channels, or the whole output is wrong.
    channels : ndarray [shape=(F,)]
        The largest difference of each channel.
    flips, undecided : int
        Decisions at a threshold, of all signals; see `amt_export.verify.parity.threshold`.
    """

    value: float
    signal: str
    channel: int | None
    channels: Array
    flips: int = 0
    undecided: int = 0


def measure(run: Runner, cases: Iterable[Case], ports: Sequence[Port]) -> dict[str, Worst]:
    """Run a version of a model on all cases and keep the worst of every output, by its name.

    Parameters
    ----------
    run : callable
        From inputs by name to outputs by name.
    cases : iterable of Case
    ports : sequence of Port
        The outputs.
    """
    worst: dict[str, Worst] = {}
    for case in cases:
        found = run(case.inputs)
        for port in ports:
            judgement = judge(found, case.outputs, case.bounds, port, ports)
            errors = judgement.errors
            value = float(errors.max())
            everywhere = errors.size == 1 or np.isinf(errors).all()
            here = Worst(value, case.signal, None if everywhere else int(errors.argmax()), errors)
            before = worst.get(port.name, here)
            chosen = here if value > before.value else before
            worst[port.name] = replace(
                chosen,
                channels=np.maximum(errors, before.channels),
                flips=before.flips + judgement.flips,
                undecided=before.undecided + judgement.undecided,
            )
    return worst


def rows_of(
    worst: Mapping[str, Worst],
    ports: Sequence[Port],
    version: Version,
    tolerance: Mapping[str, float],
) -> tuple[ParityRow, ...]:
    """What was measured of a version, as rows of the table: one for each output."""
    return tuple(
        ParityRow(
            format=version.format,
            form=version.form,
            provider=version.provider,
            output=port.name,
            kind=port.kind,
            worst=finite(worst[port.name].value),
            signal=worst[port.name].signal,
            tolerance=tolerance[port.kind],
            verified_by=version.verified_by,
            channel=worst[port.name].channel,
            flips=worst[port.name].flips,
            undecided=worst[port.name].undecided,
        )
        for port in ports
    )


def finite(value: float) -> float:
    """A difference as a row says it."""
    return min(value, BEYOND)


def compare(
    run: Runner,
    cases: Iterable[Case],
    ports: Sequence[Port],
    version: Version,
    tolerance: Mapping[str, float],
) -> tuple[ParityRow, ...]:
    """Compare a version with the expected outputs of all cases.

    Parameters
    ----------
    run, cases, ports
        As `measure` takes them.
    version : Version
    tolerance : mapping
        Kind of output ("relative", "db", "frequency") to the largest difference allowed.

    Returns
    -------
    tuple of ParityRow
        The worst signal of each output.
    """
    return rows_of(measure(run, cases, ports), ports, version, tolerance)


def failing(rows: Iterable[ParityRow]) -> tuple[ParityRow, ...]:
    """The rows beyond their tolerance, or with too many flips."""
    return tuple(row for row in rows if not row.within)


def parity_error(name: str, rows: Sequence[ParityRow]) -> ParityError:
    """The error that names the worst failure of `rows`; it carries all of them."""
    worst = max(failing(rows), key=lambda row: (row.worst or 0.0) / max(row.tolerance, 1e-30))
    truth = "float64" if worst.format == "reference" else "eager torch"
    unit = " dB" if worst.kind == "db" else ""
    # Every format is on the CPU first; elsewhere is worth a word.
    gpu = worst.provider == "cuda" or worst.provider.endswith("ExecutionProvider")
    where = worst.format if worst.form == "whole" else f"{worst.format} {worst.form}"
    if gpu and worst.provider != "CPUExecutionProvider":
        where += f" on {worst.provider}"
    if (worst.worst or 0.0) <= worst.tolerance:
        return ParityError(
            f"{name}: {where} decides {worst.flips} of {worst.undecided} otherwise than {truth} at "
            f"the threshold of {worst.output}, {worst.most_flips} may be",
            tuple(rows),
        )
    amount = "infinity" if worst.worst == BEYOND else f"{worst.worst:.2g}{unit}"
    hint = ""
    if worst.format == "reference" and worst.worst != BEYOND:
        table = "parity_db" if worst.kind == "db" else "parity"
        hint = f"; where float32 can do no better, [{table}] reference allows more"
    elif worst.format in ("onnx", "coreml"):
        form = "" if worst.form == "whole" else f" --form {worst.form}"
        hint = f"; amt-export diff --format {worst.format}{form} says where"
    return ParityError(
        f"{name}: {where} differs from {truth} by {amount} in "
        f"{worst.output} on {worst.signal}, {worst.tolerance:.2g}{unit} are allowed{hint}",
        tuple(rows),
    )
