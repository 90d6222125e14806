"""Comparison of one version of a model with expected outputs: the largest difference of every output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from amt_export.errors import ParityError
from amt_export.manifest import BEYOND, ParityRow
from amt_export.manifest.phrases import UNITS
from amt_export.manifest.ports import Port
from amt_export.verify.parity.metric import Array, by_channel

# Largest share of the frames of one noise that may be left out. In the suite it is 16 to 19 % at 1e-8 Pa, 3 to
# 7 % at 20 dB SPL, and 0 for louder noise. Shares of short signals vary (6 of 20 frames at 1e-8 Pa), so a few
# frames may be left out in any case.
MOST_LEFT_OUT, FEW_FRAMES = 0.2, 6

Arrays = dict[str, npt.NDArray[np.floating]]
Runner = Callable[[Mapping[str, npt.NDArray[np.floating]]], Mapping[str, npt.NDArray[np.floating]]]


@dataclass(frozen=True)
class Case:
    """One signal: inputs by name, and the expected outputs.

    `left_out` [shape=(B, S), bool] marks the frames that are not compared, None if all are; see
    `AuditoryModule.near_threshold`.
    """

    signal: str
    inputs: Arrays
    outputs: Arrays
    left_out: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Variant:
    """What is compared, as the parity table names it."""

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
    left_out, frames : int
        Frames of all signals that were not compared, and how many there are in all; both 0 where all are
        compared.
    """

    value: float
    signal: str
    channel: int | None
    channels: Array
    left_out: int = 0
    frames: int = 0


def comparisons(ports: Iterable[Port]) -> dict[str, Port]:
    """What is compared of outputs, by the name in the table.

    Each output as it is; one with onsets also by the absolute difference of what is not above its `steady`.
    """
    found = {}
    for port in ports:
        found[port.name] = port
        if port.steady is not None:
            found[f"{port.name}, steady"] = replace(port, kind="absolute")
    return found


def measure(run: Runner, cases: Sequence[Case], ports: Sequence[Port]) -> dict[str, Worst]:
    """Run a version of a model on all cases and keep the worst of every comparison, by its name.

    Parameters
    ----------
    run : callable
        From inputs by name to outputs by name.
    cases : sequence of Case
    ports : sequence of Port
        The outputs.
    """
    worst: dict[str, Worst] = {}
    for case in cases:
        found = run(case.inputs)
        for name, port in comparisons(ports).items():
            errors = by_channel(
                comparable(found[port.name], case, port), case.outputs[port.name], port
            )
            value = float(errors.max())
            everywhere = errors.size == 1 or np.isinf(errors).all()
            here = Worst(value, case.signal, None if everywhere else int(errors.argmax()), errors)
            before = worst.get(name, here)
            chosen = here if value > before.value else before
            worst[name] = replace(
                chosen,
                channels=np.maximum(errors, before.channels),
            )
    cases_left_out = [case.left_out for case in cases if case.left_out is not None]
    left_out = sum(int(mask.sum()) for mask in cases_left_out)
    frames = sum(mask.size for mask in cases_left_out) if left_out else 0
    return {name: replace(w, left_out=left_out, frames=frames) for name, w in worst.items()}


def comparable(found: npt.NDArray[np.floating], case: Case, port: Port) -> npt.NDArray[np.floating]:
    """An output in which expected frames replace those that are left out, so that these differ by 0."""
    expected = case.outputs[port.name]
    if (
        case.left_out is None
        or port.axes[:2] != ("batch", "frame")
        or found.shape != expected.shape
    ):
        return found
    return np.where(case.left_out[..., np.newaxis], expected, found)


def check_left_out(name: str, cases: Iterable[Case]) -> None:
    """Refuse a comparison that leaves out too many frames.

    Raises
    ------
    ParityError
        If more than `MOST_LEFT_OUT` of the frames of a noise signal are left out.
    """
    for case in cases:
        if case.left_out is None or "noise" not in case.signal:
            continue
        left_out, frames = int(case.left_out.sum()), case.left_out.size
        most = max(int(MOST_LEFT_OUT * frames), FEW_FRAMES)
        if left_out > most:
            raise ParityError(
                f"{name}: {left_out} of {frames} frames of {case.signal} have a component within 0.01 dB "
                f"of the relevance threshold and cannot be compared; {most} may. Choose another threshold"
            )


def rows_of(
    worst: Mapping[str, Worst],
    ports: Sequence[Port],
    version: Variant,
    tolerance: Mapping[str, float],
) -> tuple[ParityRow, ...]:
    """What was measured of a version, as rows of the table: one for each comparison."""
    return tuple(
        ParityRow(
            format=version.format,
            form=version.form,
            provider=version.provider,
            output=name,
            kind=port.kind,
            worst=finite(worst[name].value),
            signal=worst[name].signal,
            tolerance=tolerance[port.kind],
            verified_by=version.verified_by,
            channel=worst[name].channel,
            left_out=worst[name].left_out,
            frames=worst[name].frames,
        )
        for name, port in comparisons(ports).items()
    )


def finite(value: float) -> float:
    """A difference as a row holds it: finite, since JSON has no infinity."""
    return min(value, BEYOND)


def compare(
    run: Runner,
    cases: Sequence[Case],
    ports: Sequence[Port],
    version: Variant,
    tolerance: Mapping[str, float],
) -> tuple[ParityRow, ...]:
    """Compare a version with the expected outputs of all cases.

    Parameters
    ----------
    run, cases, ports
        As `measure` takes them.
    version : Variant
    tolerance : mapping
        Kind of comparison ("relative", "db", "frequency", "absolute") to the largest difference allowed.

    Returns
    -------
    tuple of ParityRow
        The worst signal of each output.
    """
    return rows_of(measure(run, cases, ports), ports, version, tolerance)


def failing(rows: Iterable[ParityRow]) -> tuple[ParityRow, ...]:
    """The rows whose difference exceeds their tolerance."""
    return tuple(row for row in rows if not row.within)


def parity_error(name: str, rows: Sequence[ParityRow]) -> ParityError:
    """The error that names the worst failure of `rows`; it carries all of them."""
    worst = max(failing(rows), key=lambda row: (row.worst or 0.0) / max(row.tolerance, 1e-30))
    truth = "float64" if worst.format == "float64" else "eager torch"
    unit = UNITS.get(worst.kind, "")
    # Every format runs on the CPU first, so only other providers are named.
    gpu = worst.provider == "cuda" or worst.provider.endswith("ExecutionProvider")
    name_of = "eager torch" if worst.format == "float64" else worst.format
    where = name_of if worst.form == "whole" else f"{name_of} {worst.form}"
    if gpu and worst.provider != "CPUExecutionProvider":
        where += f" on {worst.provider}"
    amount = "infinity" if worst.worst == BEYOND else f"{worst.worst:.2g}{unit}"
    hint = ""
    if worst.format == "float64" and worst.worst != BEYOND:
        table = {"db": "parity_db", "absolute": "parity_mu"}.get(worst.kind, "parity")
        hint = f"; where float32 can do no better, [{table}] float64 allows more"
    elif worst.format in ("onnx", "coreml"):
        form = "" if worst.form == "whole" else f" --form {worst.form}"
        hint = f"; amt-export diff --format {worst.format}{form} says where"
    return ParityError(
        f"{name}: {where} differs from {truth} by {amount} in "
        f"{worst.output} on {worst.signal}, {worst.tolerance:.2g}{unit} are allowed{hint}",
        tuple(rows),
    )
