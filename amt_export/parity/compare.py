"""Run one version of a model over all cases and keep the worst difference of every output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amt_export.errors import ParityError
from amt_export.manifest import ParityRow
from amt_export.modules.ports import Port
from amt_export.parity.metric import difference

Arrays = dict[str, npt.NDArray[np.floating]]
Runner = Callable[[Mapping[str, npt.NDArray[np.floating]]], Mapping[str, npt.NDArray[np.floating]]]


TONES = ("tone_1k", "tone_4k")


@dataclass(frozen=True)
class Case:
    """One signal: inputs by name, and the outputs that count as right."""

    signal: str
    inputs: Arrays
    outputs: Arrays


@dataclass(frozen=True)
class Version:
    """What is compared, and how it shows in the table."""

    format: str
    form: str
    provider: str
    verified_by: str = "execution"


def compare(
    run: Runner,
    cases: Iterable[Case],
    ports: Sequence[Port],
    version: Version,
    tolerance: Mapping[str, float],
    tone_allowance: float = 1.0,
) -> tuple[ParityRow, ...]:
    """Compare a version with the expected outputs of all cases.

    Parameters
    ----------
    run : callable
        From inputs by name to outputs by name.
    cases : iterable of Case
    ports : sequence of Port
        The outputs.
    version : Version
    tolerance : mapping
        Kind of output ("relative", "db", "frequency") to the largest difference allowed.
    tone_allowance : float, optional
        How many times that is allowed on the steady tones; see `AuditoryModule.tone_allowance`.

    Returns
    -------
    tuple of ParityRow
        The worst signal of each output; with an allowance, a second row for the tones.
    """
    found = [(case, run(case.inputs)) for case in cases]
    rows = []
    for port in ports:
        differences = {
            case.signal: difference(outputs[port.name], case.outputs[port.name], port)
            for case, outputs in found
        }
        relaxed = set(TONES) & differences.keys() if tone_allowance > 1.0 else set()
        for signals in (differences.keys() - relaxed, relaxed):
            chosen = {signal: differences[signal] for signal in differences if signal in signals}
            if not chosen:
                continue
            worst = max(chosen, key=lambda signal: chosen[signal])
            allowance = tone_allowance if signals is relaxed else 1.0
            rows.append(
                ParityRow(
                    format=version.format,
                    form=version.form,
                    provider=version.provider,
                    output=port.name,
                    kind=port.kind,
                    # JSON has no infinity; 1e300 is beyond every tolerance as well.
                    worst=min(chosen[worst], 1e300),
                    signal=worst,
                    tolerance=float(f"{allowance * tolerance[port.kind]:.6g}"),
                    verified_by=version.verified_by,
                )
            )
    return tuple(rows)


def failing(rows: Iterable[ParityRow]) -> tuple[ParityRow, ...]:
    """The rows beyond their tolerance."""
    return tuple(row for row in rows if row.worst is not None and not row.worst <= row.tolerance)


def parity_error(name: str, rows: Sequence[ParityRow]) -> ParityError:
    """The error that names the worst failure of `rows`; it carries all of them."""
    worst = max(failing(rows), key=lambda row: (row.worst or 0.0) / row.tolerance)
    unit = " dB" if worst.kind == "db" else ""
    return ParityError(
        f"{name}: {worst.format} differs from eager torch by {worst.worst:.2g}{unit} in "
        f"{worst.output} on {worst.signal}, {worst.tolerance:.2g}{unit} are allowed",
        tuple(rows),
    )
