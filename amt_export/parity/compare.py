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


# A steady tone reaches distant channels 40 dB and more below its own level, so the 1 % rule asks there for
# 2e-8 of full scale: a third of float32's resolution (6e-8) of the sound that went in. Rounding the state of
# a resonator leaves more than that behind, in any arrangement (a sequential float32 recursion: three times
# more). The tones are therefore held to a bound of their own, in rows of their own.
TONES = ("tone_1k", "tone_4k")
TONE_ALLOWANCE = 15.0


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
        The worst signal of each output; where the steady tones are among the cases, a second row for them,
        with their allowance.
    """
    found = [(case, run(case.inputs)) for case in cases]
    rows = []
    for port in ports:
        differences = {
            case.signal: difference(outputs[port.name], case.outputs[port.name], port)
            for case, outputs in found
        }
        for tones in (False, True):
            chosen = {s: d for s, d in differences.items() if (s in TONES) == tones}
            if not chosen:
                continue
            worst = max(chosen, key=lambda signal: chosen[signal])
            allowance = TONE_ALLOWANCE if tones and port.kind == "relative" else 1.0
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
                    tolerance=allowance * tolerance[port.kind],
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
