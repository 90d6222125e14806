"""The name of a shard's file: a hash of all that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amt_export.manifest import sha256_of


def shard_name(
    settings: Mapping[str, Any], paths: Sequence[str], hashes: Mapping[str, str | None] | None
) -> str:
    """Return the name of a shard's file, as its recordings are now.

    Parameters
    ----------
    settings : mapping
        Of `Shards`: artifacts, quantity, hop, level, version of the format and so on.
    paths : sequence of str
    hashes : mapping of str, optional
        Of the recordings by path, where these count and not their sizes and times of change.

    Examples
    --------
    >>> shard_name({"hop": 0.01}, ["gone.wav"], None)
    '3d4ff363b3a596b49fd3ec0dd20941a07dc125d4d978ab3ccd14e204dca9489f.parquet'
    """
    contents = [[path, _stamp(path) if hashes is None else hashes[path]] for path in paths]
    text = json.dumps([settings, contents], sort_keys=True)
    return f"{hashlib.sha256(text.encode('ascii')).hexdigest()}.parquet"


def hashes_of(settings: Mapping[str, Any], paths: Sequence[str]) -> dict[str, str | None] | None:
    """Return the hashes of recordings if names depend on them; None for one that cannot be read."""
    return {path: _content(path) for path in paths} if settings.get("hash") else None


def _stamp(path: str) -> list[int] | None:
    """Return size and time of change of a file in ns; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116, a path that is a str stays one
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _content(path: str) -> str | None:
    try:
        return sha256_of(Path(path)) if Path(path).is_file() else None
    except (OSError, ValueError):
        return None
