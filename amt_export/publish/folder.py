"""The folder that a build writes into, before it takes the place of the published one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amt_export.errors import AmtExportError, PublishError, SpecError
from amt_export.manifest import MANIFEST_NAME
from amt_export.manifest.exchange import staging
from amt_export.manifest.safe_files import NAME_RULE, is_safe_name


@contextmanager
def hidden_folder(out: Path, name: str) -> Iterator[Path]:
    """Give a hidden folder beside the published ones, gone in the end.

    Raises
    ------
    SpecError
        If the name is none that a folder may have.
    PublishError
        If it cannot be written, or what would be replaced is no published folder.
    """
    if not is_safe_name(name):
        raise SpecError(f"{name!r}: no name of a model; allowed are {NAME_RULE}")
    target = out / name
    if os.path.lexists(target) and not _is_published(target):
        raise PublishError(
            f"{target}: is there and is no published folder, so it is not replaced; move it away or "
            "choose another --out"
        )
    try:
        with staging(out, name) as temporary:
            folder = temporary / name
            folder.mkdir()
            yield folder
    except OSError as error:
        if isinstance(error, AmtExportError):
            raise
        raise PublishError(
            f"{out}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error


def _is_published(folder: Path) -> bool:
    """Whether a folder is one that a build made, or holds nothing."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return (folder / MANIFEST_NAME).is_file() or not any(folder.iterdir())
