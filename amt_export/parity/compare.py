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

    Returns
    -------
    tuple of ParityRow
        The worst signal of each output.
    """
    worst = {port.name: (-1.0, "") for port in ports}
    for case in cases:
        found = run(case.inputs)
        for port in ports:
            value = difference(found[port.name], case.outputs[port.name], port)
            if value > worst[port.name][0]:
                worst[port.name] = (value, case.signal)
    return tuple(
        ParityRow(
            format=version.format,
            form=version.form,
            provider=version.provider,
            output=port.name,
            kind=port.kind,
            # JSON has no infinity; 1e300 is beyond every tolerance as well.
            worst=min(worst[port.name][0], 1e300),
            signal=worst[port.name][1],
            tolerance=tolerance[port.kind],
            verified_by=version.verified_by,
        )
        for port in ports
    )


def failing(rows: Iterable[ParityRow]) -> tuple[ParityRow, ...]:
    """The rows beyond their tolerance."""
    return tuple(row for row in rows if row.worst is not None and not row.worst <= row.tolerance)


def parity_error(name: str, rows: Sequence[ParityRow]) -> ParityError:
    """The error that names the worst failure of `rows`; it carries all of them."""
    worst = max(failing(rows), key=lambda row: (row.worst or 0.0) / max(row.tolerance, 1e-30))
    truth = "float64" if worst.format == "reference" else "eager torch"
    unit = " dB" if worst.kind == "db" else ""
    return ParityError(
        f"{name}: {worst.format} differs from {truth} by {worst.worst:.2g}{unit} in "
        f"{worst.output} on {worst.signal}, {worst.tolerance:.2g}{unit} are allowed",
        tuple(rows),
    )
