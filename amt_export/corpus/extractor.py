"""Recordings in, rows of numbers out: the function that Ray, Spark, datasets and a plain loop all call."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from amt_export.audio.reader import AudioReader, check_calibration
from amt_export.corpus.frames import FrameReducer, frames_of
from amt_export.corpus.header import stated_seconds
from amt_export.corpus.pieces import PieceRunner
from amt_export.corpus.schema import COLUMNS, arrow_schema
from amt_export.corpus.spool import Spool
from amt_export.errors import (
    ArtifactError,
    AudioError,
    BackendError,
    InputError,
    MissingDependencyError,
    StreamError,
)
from amt_export.manifest import Manifest, load_manifest, sha256_of
from amt_export.runtime.lookup import find_model

Row = dict[str, Any]

FAULTS_OF_THE_FILE = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    AudioError,
    InputError,
    StreamError,
)
"""What makes a row with `error`. Anything else (no memory, a disk that fails, an artifact that was replaced)
ends the shard, and running it again is the remedy."""


NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path that no file can have: a line of prose in a list, a link to itself."""

OPTION_OF_RUN = "; --truncated"
"""Begins a hint in the reader's errors that holds for `amt-export run`, and not for a corpus."""

RAW_OF_RUN = ", or feed samples as they are"
"""Begins another one: recordings of a corpus are always sound pressure."""


class Extractor:
    """Levels or loudness of recordings, frame by frame.

    It can be pickled and opens the artifact when it is first called, once in each process: a pool may be forked
    or spawned around it.

    Parameters
    ----------
    model : str or Path
        The name of a model, or a published folder.
    hop : float, optional
        s from frame to frame. Default: 0.010, or that of a model which has frames of its own.
    quantity : {"level", "loudness"}, optional
        What is expected; an error says so where the model gives the other one.
    level : float, optional
        dB SPL RMS that each recording shall have. Default: a full-scale sine has 93.98 dB SPL.
    threads : int, optional
        Of ONNX Runtime. One for each worker; more workers use processors better than more threads.
    full_scale : float, optional
        dB SPL RMS of a full-scale sine, instead of `level`: what a calibrated recorder states.
    diotic : bool, optional
        Play files of one channel to both ears of a model that has two.
    remove_dc : bool, optional
        Subtract the mean of each of the model's channels.

    Attributes
    ----------
    manifest : Manifest
        Of the model.
    frames : Frames
        What a frame is: quantity, unit, hop, names of its columns.

    Raises
    ------
    ArtifactError
        If the folder is not a published one, or has no ONNX file.
    AudioError, InputError
        If the model takes no recordings or gives no frames, or an argument is impossible.

    Examples
    --------
    ::

        extract = Extractor("gammatone_speech_16k")
        batch = extract({"path": ["speech.wav", "gone.wav"]})
        batch["levels"][0].shape    # (335, 30)
        batch["error"]              # [None, 'gone.wav: no such file; give a WAV, ...']
    """

    def __init__(
        self,
        model: str | Path,
        hop: float | None = None,
        quantity: str | None = None,
        level: float | None = None,
        threads: int = 1,
        *,
        full_scale: float | None = None,
        diotic: bool = False,
        remove_dc: bool = False,
    ) -> None:
        self._folder = find_model(model).absolute()
        self.manifest = load_manifest(self._folder)
        self._artifacts = {"whole": self.manifest.entry("onnx").sha256}
        for entry in self.manifest.files:
            if (entry.format, entry.form) == ("onnx", "stream"):
                self._artifacts["stream"] = entry.sha256
        if level is not None and full_scale is not None:
            raise AudioError("give either the level of the recordings or that of full scale")
        # Refused here, once, and not in every row.
        try:
            check_calibration(self.manifest, level=level, full_scale=full_scale)
        except AudioError as error:
            raise AudioError(str(error).partition(RAW_OF_RUN)[0]) from None
        self.frames = frames_of(self.manifest, hop, quantity)
        if self.manifest.padding == "reflect" and "stream" not in self._artifacts:
            raise ArtifactError(
                f"{self.manifest.name}: needs its streaming form here; give its model file a [stream] block "
                "and build it again"
            )
        if not isinstance(threads, int) or threads < 1:
            raise InputError(f"threads is {threads!r}; give a whole number, 1 or more")
        self._reading: dict[str, Any] = {
            "level": level,
            "full_scale": full_scale,
            "diotic": diotic,
            "remove_dc": remove_dc,
        }
        self._threads = threads

    @property
    def settings(self) -> dict[str, Any]:
        """All that the numbers depend on, beside the recordings."""
        return {
            "model": self.manifest.name,
            "artifacts": dict(self._artifacts),
            "quantity": self.frames.quantity,
            "unit": self.frames.unit,
            "hop": self.frames.hop,
            **self._reading,
            "columns": list(self.frames.columns),
        }

    @property
    def schema_arrow(self) -> Any:
        """The ``pyarrow.Schema`` of the rows."""
        return arrow_schema(len(self.frames.columns))

    @property
    def schema_spark(self) -> str:
        """The same for Spark, which has no float16."""
        return (
            "path string, sha256 string, seconds double, expected_seconds double, frames int, "
            "error string, levels array<array<float>>"
        )

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Extract a batch of recordings.

        Parameters
        ----------
        batch : mapping of sequences
            Columns; ``path`` holds the recordings. Others are passed through.

        Returns
        -------
        dict of list
            The columns of `schema_arrow`, ``levels`` as float16 arrays (frames, columns).
        """
        rows = [_in_memory(self.row(str(path))) for path in batch["path"]]
        return {**batch, **{name: [row[name] for row in rows] for name in COLUMNS}}

    def pandas(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Extract for Spark: ``df.mapInPandas(extract.pandas, extract.schema_spark)``.

        Parameters
        ----------
        frames : iterable of pandas.DataFrame
            With a column ``path``.

        Yields
        ------
        pandas.DataFrame
            With the columns of `schema_spark`, one for each that came.
        """
        for frame in frames:
            rows = [_in_memory(self.row(str(path))) for path in frame["path"]]
            for row in rows:
                if row["levels"] is not None:
                    row["levels"] = list(row["levels"].astype(np.float32))
            yield type(frame)(rows, columns=list(COLUMNS))

    def row(self, path: str, sha256: str | None = None) -> Row:
        """Extract one recording; what is wrong with it stands in ``error``.

        ``levels`` is a `Spool`: an array for whoever wants one, pieces for whoever writes them.

        Parameters
        ----------
        path : str
        sha256 : str, optional
            Of its content, if that is known already.
        """
        row: Row = dict.fromkeys(COLUMNS)
        row.update(path=path, seconds=0.0, frames=0)
        file = Path(path)
        try:
            row["expected_seconds"] = stated_seconds(file)
            if file.is_file():
                row["sha256"] = sha256 or sha256_of(file)
            row["levels"], row["seconds"] = self._levels(file)
            row["frames"] = len(row["levels"])
        except (ArtifactError, BackendError, MissingDependencyError):
            raise
        except (*FAULTS_OF_THE_FILE, OSError) as error:
            if not (isinstance(error, FAULTS_OF_THE_FILE) or error.errno in NO_NAME):
                raise
            words = (
                f"{path}: {error.strerror}" if isinstance(error, OSError) else error.command_line
            )
            row["error"] = " ".join(_about(file, words.partition(OPTION_OF_RUN)[0]).split())
        return row

    def _levels(self, file: Path) -> tuple[Spool, float]:
        """Return the frames of a recording, and its duration in s."""
        reader = AudioReader(file, self.manifest, **self._reading)
        reducer = FrameReducer(self.frames)
        runner = _opened(self._folder, self._threads, tuple(self._artifacts.items()), os.getpid())
        levels = Spool(len(self.frames.columns))
        try:
            for outputs in runner.outputs(reader.pieces(), reader.samples):
                levels.add(reducer.rows(outputs))
            if not len(levels):
                raise AudioError(
                    f"{file}: {reader.seconds:.3g} s are shorter than a frame of {self.frames.hop:g} s"
                )
        except BaseException:
            levels.close()
            raise
        return levels, reader.seconds


def _about(file: Path, words: str) -> str:
    """Return what is wrong with a recording, its path once in front."""
    for start in (str(file), file.name, "audio"):
        words = words.removeprefix(f"{start}: ")
    return f"{file}: {words}"


def _in_memory(row: Row) -> Row:
    """Return a row with its frames as one array."""
    spool = row["levels"]
    if spool is not None:
        row["levels"] = spool.array()
        spool.close()
    return row


@lru_cache(maxsize=4)  # processes serve one model; a notebook a few
def _opened(
    folder: Path, threads: int, artifacts: tuple[tuple[str, str], ...], _process: int
) -> PieceRunner:
    """Open a model, once in each process: a session does not survive a fork, hence the process in the key.

    Raises
    ------
    ArtifactError
        If the folder holds another artifact than when the extractor was made.
    """
    manifest: Manifest = load_manifest(folder)
    for form, sha256 in artifacts:
        if manifest.entry("onnx", form).sha256 != sha256:
            raise ArtifactError(
                f"{manifest.name}: was built anew since the extractor was made; make it again"
            )
    return PieceRunner(folder, manifest, threads)
