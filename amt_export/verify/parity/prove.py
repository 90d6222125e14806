"""Measurement of one artifact on every provider of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amt_export.errors import AmtExportError, ArtifactError
from amt_export.manifest import FileEntry, Manifest, ParityRow, Setting, Skip
from amt_export.manifest.ports import Port
from amt_export.verify.parity.compare import Case, Runner, Worst, finite, measure, rows_of
from amt_export.verify.parity.load import open_artifact, providers_for
from amt_export.verify.parity.settings import DEFAULT, OTHERS, REDUCED_SIGNALS, OrtSettings


@dataclass(frozen=True)
class Evidence:
    """The measurements of one artifact.

    Parameters
    ----------
    rows : tuple of ParityRow
        One for each output and provider.
    worst : dict of Worst
        By output, on the usual provider, with the differences of each channel.
    """

    rows: tuple[ParityRow, ...]
    worst: dict[str, Worst]


@dataclass(frozen=True)
class Expected:
    """Expected results of an artifact: cases, outputs, and the tolerance of each kind of output."""

    cases: Sequence[Case]
    ports: Sequence[Port]
    tolerance: Mapping[str, float]


def prove(folder: Path, manifest: Manifest, entry: FileEntry, expected: Expected) -> Evidence:
    """Run a file on every provider that starts here, and in every setting of the usual one.

    Raises
    ------
    ArtifactError
        If it cannot be opened, or does not run as the manifest says.
    BackendError, MissingDependencyError
        If this machine cannot run the format at all.
    """
    (usual, *others), skipped = providers_for(entry)
    run, version = open_artifact(folder, manifest, entry, usual)
    worst = _measured(folder / entry.path, run, expected)
    rows = list(rows_of(worst, expected.ports, version, expected.tolerance))
    if entry.format == "onnx":
        rows = _in_all_settings(folder, manifest, entry, expected, rows)
    skips = list(skipped)
    elsewhere: list[ParityRow] = []
    for provider in others:
        try:
            run, version = open_artifact(folder, manifest, entry, provider)
            found = _measured(folder / entry.path, run, expected)
        except AmtExportError as error:  # the file is good: it ran on the usual provider
            skips.append(Skip(provider, reason_of(error)))
            continue
        elsewhere += rows_of(found, expected.ports, version, expected.tolerance)
    rows = [replace(row, skipped=tuple(skips)) for row in rows]
    return Evidence((*rows, *elsewhere), worst)


def _measured(path: Path, run: Runner, expected: Expected) -> dict[str, Worst]:
    try:
        return measure(run, expected.cases, expected.ports)
    except AmtExportError:
        raise
    except Exception as error:  # runtimes raise their own kinds
        raise ArtifactError(
            f"{path}: does not run as the manifest says ({reason_of(error)})"
        ) from error


def _in_all_settings(
    folder: Path,
    manifest: Manifest,
    entry: FileEntry,
    expected: Expected,
    rows: Sequence[ParityRow],
) -> list[ParityRow]:
    """Rows of the default settings, replaced by those of other settings where these are worse."""
    signals = tuple(case.signal for case in expected.cases)
    merged = [replace(row, settings=(_setting(DEFAULT, signals, row),)) for row in rows]
    for ort_settings in OTHERS:
        few = [
            case for case in expected.cases if case.signal == REDUCED_SIGNALS[ort_settings.threads]
        ]
        if not few:
            continue
        run, version = open_artifact(folder, manifest, entry, ort_settings=ort_settings)
        found = _measured(folder / entry.path, run, replace(expected, cases=few))
        merged = [
            _merged(row, other, ort_settings, tuple(case.signal for case in few))
            for row, other in zip(
                merged, rows_of(found, expected.ports, version, expected.tolerance), strict=True
            )
        ]
    return merged


def _merged(
    row: ParityRow, other: ParityRow, ort_settings: OrtSettings, signals: tuple[str, ...]
) -> ParityRow:
    worse = other if (other.worst or 0.0) > (row.worst or 0.0) else row
    return replace(
        row,
        worst=worse.worst,
        signal=worse.signal,
        channel=worse.channel,
        settings=(*row.settings, _setting(ort_settings, signals, other)),
    )


def _setting(ort_settings: OrtSettings, signals: tuple[str, ...], row: ParityRow) -> Setting:
    return Setting(ort_settings.name, signals, finite(row.worst or 0.0), row.signal or "")


def worse(one: Evidence, other: Evidence) -> Evidence:
    """Evidence of a file on two sets of signals, with the larger difference of each output."""
    rows = tuple(
        second if (second.worst or 0.0) > (first.worst or 0.0) else first
        for first, second in zip(one.rows, other.rows, strict=True)
    )
    worst = {
        name: max(one.worst[name], other.worst[name], key=lambda w: w.value) for name in one.worst
    }
    return Evidence(rows, worst)


def reason_of(error: Exception) -> str:
    """The last line of an error message, which in most libraries says what is wrong."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
