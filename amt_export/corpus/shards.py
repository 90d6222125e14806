"""One Parquet file for each shard, named after all that its numbers depend on.

A shard whose file is there is skipped, and a file is there as a whole or not at all. So whatever runs shards
may run them twice, or be killed: done at least once is done exactly once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from amt_export.corpus.extractor import Extractor
from amt_export.corpus.names import hashes_of, shard_name
from amt_export.corpus.schema import START, arrow_schema, arrow_table, parquet
from amt_export.corpus.temporary import writing
from amt_export.errors import PublishError
from amt_export.manifest.schema import METADATA_KEY

FORMAT = 1
"""Version of the rows; a change of their meaning gets another one, and with it other names."""

MOST_NUMBERS = 1 << 21
"""In a row, and in a row group: 11 minutes of 30 channels every 10 ms. Writing takes 25 bytes of memory for
each, so this bounds it to 50 MB, however long a recording is."""

SETTINGS_NAME = ".settings.json"
"""In each folder of shards. Readers of Parquet folders leave names that begin with a dot out."""

SETTINGS_KEY, COUNTS_KEY = "amt_export.corpus", "amt_export.counts"
"""In the footer of a Parquet file: the settings of its extractor; rows, bad rows and seconds."""

REPORT = ("file", "rows", "bad", "seconds", "skipped", "cpu_seconds")
"""Columns that a shard leaves for the engine: its file, counts, and what it cost."""


class Shards:
    """Extract shards of recordings into a folder of Parquet files.

    Parameters
    ----------
    extractor : Extractor
    out : str or Path
        The folder, which every worker reaches under this name.
    hash : bool, optional
        Name shards after the content of their recordings rather than size and time of change: a copied corpus
        keeps its names, and every run reads all of it.

    Examples
    --------
    ::

        shards = Shards(extract, "levels")
        shards({"shard": [["a.wav", "b.wav"]]})
        ray.data.read_parquet("plan.parquet").map_batches(shards, batch_size=1)
    """

    def __init__(self, extractor: Extractor, out: str | Path, *, hash: bool = False) -> None:
        self.extractor = extractor
        self.out = Path(out).absolute()
        self._hash = hash
        self._agreed = False

    @property
    def settings(self) -> dict[str, Any]:
        """Of the extractor, and what else names depend on."""
        return {"format": FORMAT, **self.extractor.settings, "hash": self._hash}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_agreed": False}

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Extract the shards of a batch.

        Parameters
        ----------
        batch : mapping of sequences
            Column ``shard``: of each the paths of its recordings.

        Returns
        -------
        dict of list
            `REPORT`: one row for each shard.

        Raises
        ------
        PublishError
            If the folder cannot be written, or holds shards of other settings.
        """
        reports = [self.shard([str(path) for path in paths]) for paths in batch["shard"]]
        return {name: [report[name] for report in reports] for name in REPORT}

    def pandas(self, frames: Any) -> Any:
        """Extract for Spark: ``df.mapInPandas(shards.pandas, shards.schema_spark)``."""
        for frame in frames:
            yield type(frame)(self({"shard": list(frame["shard"])}))

    schema_spark = (
        "file string, rows long, bad long, seconds double, skipped boolean, cpu_seconds double"
    )

    def shard(self, paths: Sequence[str]) -> dict[str, Any]:
        """Extract one shard unless it is there; return its line of the report."""
        self._agree()
        started = time.process_time()
        hashes = hashes_of(self.settings, paths)
        file = self.out / shard_name(self.settings, paths, hashes)
        found = counts_of(file)
        skipped = found is not None
        if found is None:
            rows = (self.extractor.row(path, (hashes or {}).get(path)) for path in paths)
            found = self._write(file, rows)
        cpu = time.process_time() - started
        return {"file": file.name, **found, "skipped": skipped, "cpu_seconds": cpu}

    def _write(self, file: Path, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Write rows as they come; return what they count to."""
        counts = {"rows": 0, "bad": 0, "seconds": 0.0}
        width = len(self.extractor.frames.columns)
        schema = arrow_schema(width, start=True).with_metadata(
            {
                METADATA_KEY: self.extractor.manifest.embedded_json(),
                SETTINGS_KEY: json.dumps(self.settings),
            }
        )
        with writing(file) as stream, _writer(stream, schema) as writer:
            waiting: list[dict[str, Any]] = []
            frames = 0
            most = max(1, MOST_NUMBERS // width)
            for row in rows:
                counts["rows"] += 1
                counts["bad"] += row["error"] is not None
                counts["seconds"] += row["seconds"]
                for part in _parts(row, most):
                    if waiting and frames + part["frames"] > most:
                        writer.write_table(arrow_table(waiting, width))
                        waiting, frames = [], 0
                    waiting.append(part)
                    frames += part["frames"]
            if waiting:
                writer.write_table(arrow_table(waiting, width))
            writer.add_key_value_metadata({COUNTS_KEY: json.dumps(counts)})
        return counts

    def _agree(self) -> None:
        """Check that the folder holds shards of these settings only, or say in it that it does."""
        if self._agreed:
            return
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PublishError(f"{self.out}: {error.strerror}; give another folder") from error
        file = self.out / SETTINGS_NAME
        mine = self.settings
        if not file.exists():
            with writing(file) as stream:
                stream.write((json.dumps(mine, indent=2) + "\n").encode("ascii"))
        theirs = settings_of(self.out)
        if theirs != mine:
            raise PublishError(
                f"{self.out}: holds shards of {_difference(theirs, mine)}; give another folder"
            )
        self._agreed = True


def _difference(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """Say in what settings differ: what people chose, and not the hashes that follow from it."""
    if theirs.get("model") != mine["model"]:
        return str(theirs.get("model"))
    chosen = sorted((mine.keys() | theirs.keys()) - {"artifacts", "columns"})
    was = ", ".join(
        f"{key} {theirs.get(key)!r}, not {mine.get(key)!r}"
        for key in chosen
        if theirs.get(key) != mine.get(key)
    )
    return f"other settings ({was})" if was else f"another build of {mine['model']}"


def _writer(stream: Any, schema: Any) -> Any:
    """Open a Parquet writer. Levels hardly repeat, so dictionaries and extremes of them only cost."""
    return parquet().ParquetWriter(
        stream,
        schema,
        compression="zstd",
        use_dictionary=False,
        write_statistics=["path", "seconds", "error"],
    )


def _parts(row: dict[str, Any], most: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a recording: one, or several of at most so many frames."""
    spool = row["levels"]
    if spool is None:
        yield {**row, START: 0}
        return
    start = 0
    try:
        for levels in spool.parts(most):
            yield {**row, "frames": len(levels), START: start, "levels": levels}
            start += len(levels)
    finally:
        spool.close()


def settings_of(out: Path) -> dict[str, Any]:
    """Return the settings of a folder of shards.

    Raises
    ------
    PublishError
        If it is none.
    """
    file = out / SETTINGS_NAME
    try:
        settings = json.loads(file.read_text(encoding="ascii"))
    except FileNotFoundError:
        raise PublishError(f"{out}: holds no shards; give a folder of `corpus run`") from None
    except (OSError, ValueError) as error:
        raise PublishError(f"{file}: unreadable ({error}); remove the folder") from error
    if not isinstance(settings, dict):
        raise PublishError(f"{file}: holds no settings; remove the folder")
    return settings


def counts_of(file: Path) -> dict[str, Any] | None:
    """Return what the footer of a shard counts; None if there is no such file, or it is damaged."""
    pa = parquet()
    try:
        metadata = pa.read_metadata(file).metadata or {}
        counts: dict[str, Any] = json.loads(metadata[COUNTS_KEY.encode()])
    except (OSError, ValueError, KeyError):  # pyarrow's errors are ValueErrors
        return None
    return counts
