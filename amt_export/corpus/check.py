"""Whether a folder of shards is all that a plan asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from amt_export.corpus.names import hashes_of, shard_name
from amt_export.corpus.plan import Plan
from amt_export.corpus.schema import parquet, pyarrow
from amt_export.corpus.shards import counts_of, settings_of
from amt_export.corpus.temporary import leftovers


@dataclass(frozen=True)
class Checked:
    """What a folder of shards holds, compared with a plan.

    Parameters
    ----------
    shards, done : int
        Of the plan, and how many of them are there.
    rows : int
        Recordings of the shards that are there.
    missing : list of int
        Rows of the plan whose shards are not there, from 0 on.
    strange : list of str
        Parquet files that the plan does not name: of recordings that have changed since, or of another plan.
    damaged : list of str
        Parquet files that cannot be read.
    twice : list of str
        Recordings with a row in more than one file.
    swept : list of str
        Temporary files of killed writers, which were removed.
    bad : list of (str, str)
        Recordings with an error, and which.
    """

    shards: int
    done: int
    rows: int
    missing: list[int]
    strange: list[str]
    damaged: list[str]
    twice: list[str]
    swept: list[str]
    bad: list[tuple[str, str]]

    @property
    def complete(self) -> bool:
        """Whether every recording of the plan has one row."""
        return not (self.missing or self.strange or self.damaged or self.twice)


def check(
    out: str | Path,
    planned: Plan,
    report: Callable[[float], None] = lambda _share: None,
) -> Checked:
    """Compare a folder with a plan, and remove what killed writers left in it.

    Parameters
    ----------
    out : str or Path
        What `Shards` wrote into.
    planned : Plan
    report : callable, optional
        Given the share of the work that is done, from 0 to 1.

    Raises
    ------
    PublishError
        If `out` holds no shards.
    """
    folder = Path(out)
    settings = settings_of(folder)
    swept = leftovers(folder)
    for path in swept:
        path.unlink(missing_ok=True)
    names = [shard_name(settings, shard, hashes_of(settings, shard)) for shard in planned.shards]
    wanted = set(names)
    files = sorted(path for path in folder.glob("*.parquet"))
    damaged: list[str] = []
    strange = [path.name for path in files if path.name not in wanted]
    seen: Counter[str] = Counter()
    bad: list[tuple[str, str]] = []
    whole = set()
    for k, path in enumerate(files):
        report(k / len(files))
        if (rows := _paths_and_errors(path)) is None:
            damaged.append(path.name)
            continue
        whole.add(path.name)
        paths, errors = rows
        seen.update(set(paths))  # a long recording has several rows
        if path.name in wanted:
            bad += [(p, e) for p, e in zip(paths, errors, strict=True) if e is not None]
    missing = [k for k, file in enumerate(names) if file not in whole]
    return Checked(
        shards=len(names),
        done=len(names) - len(missing),
        rows=sum(len(shard) for shard, n in zip(planned.shards, names, strict=True) if n in whole),
        missing=missing,
        strange=strange,
        damaged=damaged,
        twice=sorted(path for path, count in seen.items() if count > 1),
        swept=[path.name for path in swept],
        bad=bad,
    )


def strange_shards(out: str | Path, wanted: Iterable[str], planned: Plan) -> tuple[list[str], int]:
    """Return the Parquet files of a folder that a plan does not name, and how many of its recordings they hold.

    Parameters
    ----------
    out : str or Path
    wanted : iterable of str
        Names of the files of the plan.
    planned : Plan
    """
    strange = sorted({path.name for path in Path(out).glob("*.parquet")} - set(wanted))
    held: set[str] = set()
    for name in strange:
        rows = _paths_and_errors(Path(out) / name)
        held.update(() if rows is None else rows[0])
    return strange, sum(path in held for shard in planned.shards for path in shard)


def _paths_and_errors(file: Path) -> tuple[list[str], list[str | None]] | None:
    """Return two columns of a shard; None if it is damaged."""
    if counts_of(file) is None:
        return None
    try:
        table = parquet().read_table(file, columns=["path", "error"])
        paths, errors = (table[name].cast(pyarrow().string()) for name in ("path", "error"))
    except (OSError, ValueError, KeyError, NotImplementedError):  # as pyarrow's own errors are
        return None
    return paths.to_pylist(), errors.to_pylist()
