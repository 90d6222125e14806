"""The plan of a corpus: which recordings belong to which shard, a Parquet file with a row for each shard."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from amt_export.audio.calibration import is_number
from amt_export.audio.file import SUFFIXES
from amt_export.corpus.header import stated_seconds
from amt_export.corpus.schema import parquet, pyarrow
from amt_export.corpus.temporary import writing
from amt_export.errors import AudioError

LISTS = frozenset((".txt", ".lst", ".list"))
"""Files that name recordings, one in each line."""

MOST_FILES = 10_000
"""In a shard; files without a duration, and very short ones, would otherwise all be in one."""


@dataclass(frozen=True)
class Plan:
    """Shards of recordings.

    Parameters
    ----------
    shards : list of list of str
        Absolute paths.
    seconds : list of float
        Of each shard, by the headers.
    unknown : int
        Files that state no duration; they become rows with an error, most of them.
    nameless : tuple of str
        Files left out because their names are no UTF-8, which Parquet cannot hold.
    """

    shards: list[list[str]]
    seconds: list[float]
    unknown: int = 0
    nameless: tuple[str, ...] = ()


def plan(sources: str | Path | Sequence[str | Path], minutes: float = 30.0) -> Plan:
    """Share recordings out.

    Parameters
    ----------
    sources : str, Path, or sequence of them
        Recordings, folders that are searched for them, or lists (.txt, .lst) with one path in each line,
        relative to the list.
    minutes : float, optional
        Of audio in a shard; a longer recording is a shard of its own.

    Raises
    ------
    AudioError
        If a source does not exist, or there are no recordings in them.
    """
    if not (is_number(minutes) and 0 < minutes < 1e9):
        raise AudioError(f"minutes is {minutes!r}: give a number of minutes above zero for a shard")
    if isinstance(sources, str | Path):  # one, which would be taken for its letters
        sources = [sources]
    # Sorted and each once, so that the same files make the same plan.
    names = sorted({os.path.abspath(path) for path in recordings(sources)})  # noqa: PTH100
    good = [name for name in names if _is_text(name)]
    if not good:
        raise AudioError(
            f"no recordings in {', '.join(map(str, sources))}; looked for {', '.join(sorted(SUFFIXES))}"
        )
    shards: list[list[str]] = []
    seconds: list[float] = []
    unknown = 0
    for name in good:
        stated = stated_seconds(Path(name))
        unknown += stated is None
        duration = stated or 0.0
        full = (
            not shards
            or len(shards[-1]) >= MOST_FILES
            or seconds[-1] + duration > 60 * minutes * (1 + 1e-9)
        )
        if full:
            shards.append([])
            seconds.append(0.0)
        shards[-1].append(name)
        seconds[-1] += duration
    return Plan(shards, seconds, unknown, tuple(n for n in names if not _is_text(n)))


def recordings(sources: Iterable[str | Path]) -> Iterator[Path]:
    """Yield the recordings of files, folders and lists."""
    for source in map(Path, sources):
        if source.is_dir():
            yield from (
                path
                for path in source.rglob("*")
                if path.suffix.lower() in SUFFIXES
                and not (path.name.startswith(".") or path.is_dir())
            )
        elif not source.exists():
            raise AudioError(
                f"{source}: no such file or folder; give recordings, folders, or a .txt list"
            )
        elif source.suffix.lower() in LISTS:
            yield from _listed(source)
        else:
            yield source


def write_plan(planned: Plan, file: str | Path) -> None:
    """Write a plan: columns ``shard`` (list of paths), ``files`` and ``seconds``.

    Raises
    ------
    PublishError
        If it cannot be written.
    """
    pa, pq = pyarrow(), parquet()
    table = pa.table(
        {
            "shard": pa.array(planned.shards, pa.list_(pa.string())),
            "files": pa.array([len(shard) for shard in planned.shards], pa.int64()),
            "seconds": pa.array(planned.seconds, pa.float64()),
        }
    )
    with writing(Path(file)) as stream:
        pq.write_table(table, stream, compression="zstd")


def read_plan(file: str | Path) -> Plan:
    """Read a plan.

    Raises
    ------
    AudioError
        If it is none.
    """
    pa, pq = pyarrow(), parquet()
    try:
        table = pq.read_table(file, columns=["shard", "seconds"])
        shards = table["shard"].cast(pa.list_(pa.string())).to_pylist()
        seconds = table["seconds"].cast(pa.float64()).to_pylist()
    except FileNotFoundError as error:
        raise AudioError(
            f"{file}: no such file; make a plan with `amt-export corpus plan`"
        ) from error
    except (OSError, ValueError, KeyError, NotImplementedError) as error:  # pyarrow's
        raise AudioError(f"{file}: is no plan; make one with `amt-export corpus plan`") from error
    if any(shard is None or None in shard for shard in shards):
        raise AudioError(f"{file}: a shard has no paths; make the plan again")
    return Plan(shards, [value or 0.0 for value in seconds])


def _listed(source: Path) -> Iterator[Path]:
    """Yield what a list names; empty lines and lines that begin with # name nothing."""
    try:
        lines = source.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise AudioError(f"{source}: {error.strerror}") from error
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield source.parent / line.strip()


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
