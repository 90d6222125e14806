"""Files that a command writes: refused before the work, and there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amt_export.errors import PublishError


def refuse(path: Path, protected: Path) -> None:
    """Check that a file may be written before anything is computed for it.

    Parameters
    ----------
    path : Path
        Where it shall go.
    protected : Path
        A file that it must not replace, or a folder that it must not enter.

    Raises
    ------
    PublishError
        If its folder does not exist, it is a folder itself, or it is protected.
    """
    if not path.parent.is_dir():
        raise PublishError(f"{path}: there is no folder {path.parent}; create it first")
    if path.is_dir():
        raise PublishError(f"{path}: is a folder; give the name of a file")
    target = path.resolve()
    if protected.resolve() in (target, *target.parents):
        raise PublishError(f"{path}: would change {protected}; give another place")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file that becomes `path` when the block ends well.

    Raises
    ------
    PublishError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        cause = error.__cause__ if isinstance(error, PublishError) else error
        reason = getattr(cause, "strerror", None) or cause
        raise PublishError(f"{path}: {reason}; give another place") from error
    finally:
        with suppress(
            OSError
        ):  # on a disk that is read only, whose error has the right name already
            temporary.unlink()
