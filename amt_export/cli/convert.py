"""One recording through a model to files: what `run` does once, or for each of many recordings."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amt_export.audio.reader import AudioReader
from amt_export.cli.recording_options import remark_diotic
from amt_export.cli.sinks.files import SINKS, result_files
from amt_export.cli.sinks.sink import Account, Sink
from amt_export.cli.terminal.progress import Report
from amt_export.manifest import load_manifest
from amt_export.runtime.loudness import LoudnessSummary
from amt_export.runtime.recording import check_length, open_for_recordings, recording_pieces

if TYPE_CHECKING:
    from amt_export.cli.sinks.picture import PictureSink


@dataclass(frozen=True)
class Settings:
    """The model, and what recordings are taken to be; can be pickled.

    Parameters
    ----------
    folder : Path
        A published folder.
    backend : str
    reading : dict
        How recordings are read, see `amt_export.audio.reader.OPTIONS`.
    limits : tuple of two float, optional
        Of the colours of pictures, in dB.
    """

    folder: Path
    backend: str = "onnx"
    reading: dict[str, Any] = field(default_factory=dict)
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Task:
    """A recording, and where its results go; None for what is not wanted."""

    source: Path
    output: Path | None = None
    picture: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a recording.

    Parameters
    ----------
    source : Path
    files : tuple of Path
        That were written.
    seconds : float
        Duration of the recording.
    averaged : int
        Channels that were averaged for the model's one ear; 0 where it has only one, or goes to two ears.
    level : float or None
        dB SPL RMS.
    elapsed : float
        s that it took.
    remarks : tuple of str
        What a user should know of the recording.
    loudness : LoudnessSummary or None
    colours : tuple of two float, or None
        Levels in dB of the darkest and the brightest colour of the picture.
    error : str
        Why there is no result; empty if there is one.
    """

    source: Path
    files: tuple[Path, ...] = ()
    seconds: float = 0.0
    averaged: int = 0
    level: float | None = None
    elapsed: float = 0.0
    remarks: tuple[str, ...] = ()
    loudness: LoudnessSummary | None = None
    colours: tuple[float, float] | None = None
    error: str = ""


class Converter:
    """A model that is opened once, for any number of recordings.

    Parameters
    ----------
    settings : Settings
    **session_options
        As for `amt_export.runtime.load`.

    Raises
    ------
    AmtExportError
        If the model cannot be opened.
    """

    def __init__(self, settings: Settings, **session_options: object) -> None:
        self._settings = settings
        self.manifest = load_manifest(settings.folder)
        self._opened = open_for_recordings(settings.folder, settings.backend, **session_options)

    def read(self, source: Path) -> AudioReader:
        """Open a recording.

        Raises
        ------
        AudioError, InputError
            If the model cannot be given this recording.
        """
        recording = AudioReader(source, self.manifest, **self._settings.reading)
        check_length(recording, self._opened)
        remark_diotic(recording, **self._settings.reading)
        return recording

    def convert(self, task: Task, recording: AudioReader, report: Report) -> Outcome:
        """Run the model on a recording and write the results: all of them, or none.

        Raises
        ------
        AmtExportError
            If the recording is bad, or a file cannot be written.
        """
        account = Account(self.manifest, recording)
        with ExitStack() as stack:
            picture = _picture(task, account, self._settings.limits)
            # The last one is finished first: no picture without its numbers.
            sinks = [
                stack.enter_context(sink) for sink in (picture, _numbers(task, account)) if sink
            ]
            started = time.perf_counter()
            done = 0
            for audio, outputs in recording_pieces(self._opened, recording):
                account.add(outputs)
                for sink in sinks:
                    sink.write(audio, outputs)
                done += audio.shape[-1]
                clock = f"{done / recording.fs:.0f} of {recording.seconds:.0f} s"
                report(clock, done / recording.samples)
            elapsed = time.perf_counter() - started
            report("writing" if task.picture is None else "drawing", 1.0)
        return Outcome(
            task.source,
            tuple(files_of(task, self)),
            recording.seconds,
            recording.channels if recording.averaged else 0,
            recording.level,
            elapsed,
            tuple(recording.remarks),
            account.loudness(),
            None if picture is None else picture.colours,
        )


def files_of(task: Task, converter: Converter) -> list[Path]:
    """Return the files that a task writes."""
    files = [] if task.output is None else result_files(task.output, converter.manifest)
    return files if task.picture is None else [*files, task.picture]


def _picture(
    task: Task, account: Account, limits: tuple[float, float] | None
) -> PictureSink | None:
    """Return what draws the outputs; None if no picture is wanted."""
    if task.picture is None:
        return None
    from amt_export.cli.sinks.picture import PictureSink

    return PictureSink(task.picture, account, limits)


def _numbers(task: Task, account: Account) -> Sink | None:
    """Return what writes the outputs as numbers; None if only a picture is wanted."""
    if task.output is None:
        return None
    return SINKS[task.output.suffix.lower()](task.output, account)
