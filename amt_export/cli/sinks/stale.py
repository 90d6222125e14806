"""Side files of an earlier result of the same name, which the new one does not have: ``OUT.<output>.csv``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from amt_export.errors import ArtifactError
from amt_export.manifest.safe_files import MANIFEST_BYTES, read_file


def stale_files(path: Path, new: Iterable[Path]) -> list[Path]:
    """Return what an earlier run wrote for this result, and what the new result would not replace.

    Parameters
    ----------
    path : Path
        ``OUT.csv`` or ``OUT.npy``; the list is in the ``OUT.json`` of the earlier run.
    new : iterable of Path
        The files of the new result.

    Returns
    -------
    list of Path
        Regular files beside `path`, of its stem and format, that are no result of another recording.
    """
    try:
        text = read_file(path.with_suffix(".json"), MANIFEST_BYTES).decode("utf-8")
        names = json.loads(text)["files"]
    except (ArtifactError, OSError, ValueError, TypeError, KeyError, RecursionError):
        return []  # none, or somebody else's
    kept = {file.name for file in new}
    return [
        path.with_name(name)
        for name in (names if isinstance(names, list) else [])
        if isinstance(name, str) and name not in kept and _is_side_file(name, path)
    ]


def remove(files: Iterable[Path]) -> None:
    """Remove files; those that cannot be removed stay."""
    for file in files:
        with suppress(OSError):
            file.unlink()


def _is_side_file(name: str, path: Path) -> bool:
    """Whether a name is one that a run gives to a side file of `path`; the list may be anybody's."""
    if Path(name).name != name or "\0" in name or "\\" in name:
        return False
    if not (name.startswith(f"{path.stem}.") and name.endswith(path.suffix)):
        return False
    file = path.with_name(name)
    # With a JSON file of its own it is the result of another recording: that of `OUT.<output>.wav`.
    foreign = file != path and file.with_suffix(".json").exists()
    return file.is_file() and not file.is_symlink() and not foreign
