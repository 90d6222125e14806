"""Run one version of a model over all cases and keep the worst difference of every output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from amt_export.errors import ParityError
from amt_export.manifest import ParityRow
from amt_export.modules.ports import Port
from amt_export.parity.metric import course, difference

Arrays = dict[str, npt.NDArray[np.floating]]
Runner = Callable[[Mapping[str, npt.NDArray[np.floating]]], Mapping[str, npt.NDArray[np.floating]]]


@dataclass(frozen=True)
class Case:
    """One signal: inputs by name, the outputs that count as right, and what `with_bands` adds."""

    signal: str
    inputs: Arrays
    outputs: Arrays
    bands: Arrays = field(default_factory=dict)


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
    strict = {port.name: -1.0 for port in ports}
    for case in cases:
        found = run(case.inputs)
        for port in ports:
            pair = found[port.name], case.outputs[port.name]
            value = difference(*pair, port, case.bands.get(port.name))
            if value > worst[port.name][0]:
                worst[port.name] = (value, case.signal)
            strict[port.name] = max(strict[port.name], difference(*pair, port))
    return tuple(
        ParityRow(
            format=version.format,
            form=version.form,
            provider=version.provider,
            output=port.name,
            kind=port.kind,
            # JSON has no infinity; 1e300 is beyond every tolerance as well.
            worst=min(worst[port.name][0], 1e300),
            strict=min(strict[port.name], 1e300),
            signal=worst[port.name][1],
            tolerance=tolerance[port.kind],
            verified_by=version.verified_by,
        )
        for port in ports
    )


def with_bands(cases: Sequence[Case], ports: Sequence[Port]) -> list[Case]:
    """Add to each case what each channel answers to a sound of its amplitude at its best frequency.

    Taken from the cases themselves: the largest response in proportion to the input, among those at
    least as loud (a compressive channel answers softer sounds with more gain). Only for outputs at
    the sampling rate of audio, which are proportional to it.
    """
    found: list[Arrays] = [{} for _ in cases]
    for port in ports:
        if "time" in port.axes and "audio" in cases[0].inputs:
            for bands, band in zip(found, _in_band(cases, port), strict=True):
                bands[port.name] = band
    return [replace(case, bands=bands) for case, bands in zip(cases, found, strict=True)]


def _in_band(cases: Sequence[Case], port: Port) -> list[npt.NDArray[np.float64]]:
    heard = [_peak(case.inputs["audio"], (-1,)) for case in cases]
    answered = [_peak(case.outputs[port.name], course(port)) for case in cases]
    bands: list[npt.NDArray[np.float64]] = []
    for loudness in heard:
        band = np.zeros_like(answered[0])
        for other, answer in zip(heard, answered, strict=True):
            louder = (other >= 0.9 * loudness) & (other > 0)
            share = np.where(louder, loudness / np.where(louder, other, 1.0), 0.0)
            # (batch, 1) beside (batch, channel, 1)
            band = np.maximum(band, share.reshape(share.shape[0], *[1] * (band.ndim - 1)) * answer)
        bands.append(band)
    return bands


def _peak(array: npt.NDArray[np.floating], axes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    peak: npt.NDArray[np.float64] = np.max(
        np.abs(array.astype(np.float64)), axis=axes, keepdims=True
    )
    return peak


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
