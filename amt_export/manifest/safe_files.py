"""Safe access to files from a stranger: kind and size are checked before a file is opened.

A published folder holds regular files, and real folders for Core ML packages. A link may lead anywhere, a FIFO
or a device never ends, and an empty file was lost; `lstat` tells, and all are refused.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amt_export.errors import ArtifactError, first_line

# The largest manifest of the models in this repository has 0.1 MB.
MANIFEST_BYTES = 4 * 2**20
# A protobuf message, which ONNX files and Core ML specifications are, cannot be larger.
MODEL_BYTES = 2**31 - 1
# Core ML packages have four files, in folders three deep.
PACKAGE_FILES = 1000
PACKAGE_DEPTH = 8
# A torch archive has one member per weight, a file of code per class and a few more.
ARCHIVE_MEMBERS = 10_000

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
"""Pattern of names of models and files, which must be safe in paths, command lines, HTML and markdown."""
NAME_RULE = "only letters, digits, '.', '_' and '-', not starting with '.' or '-'"


def is_safe_name(name: str) -> bool:
    """Whether the name of a model or of a file is safe; see `NAME_RULE`."""
    return NAME.fullmatch(name) is not None and len(name) <= 200


def member(folder: Path, name: str) -> Path:
    """The path of a file of a published folder.

    Raises
    ------
    ArtifactError
        If the name leads outside the folder, or breaks `NAME_RULE`.
    """
    if "/" in name or "\\" in name or ".." in name:
        raise ArtifactError(f"{folder}: {name!r} points outside the folder; build the model again")
    if not is_safe_name(name):
        raise ArtifactError(f"{folder}: {name!r} is no file name of ours: {NAME_RULE}")
    return folder / name


def regular_file(path: Path, most: int | None = None) -> int:
    """Check that a path is a regular file that is not empty.

    Parameters
    ----------
    path : Path
    most : int, optional
        Largest size, in bytes.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    ArtifactError
        If it is missing, a link, a folder, a device, a FIFO, a socket, empty or too large.
    """
    status = _status(path)
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError(
            f"{path}: is {_kind(status.st_mode)}, not a regular file; build it again"
        )
    if status.st_size == 0:
        raise ArtifactError(f"{path}: is empty; build the model again")
    if most is not None and status.st_size > most:
        raise ArtifactError(f"{path}: has {status.st_size} bytes, more than the {most} allowed")
    return status.st_size


def read_file(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes; raises as `regular_file` does."""
    regular_file(path, most)
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    if len(content) > most:
        raise ArtifactError(f"{path}: grew beyond {most} bytes while it was read")
    return content


def contents_of(path: Path) -> list[tuple[str, Path]]:
    """The files of an artifact: itself, or those of a package, which is a folder.

    Returns
    -------
    list of (str, Path)
        Name relative to `path` and the file, sorted; a file is its own.

    Raises
    ------
    ArtifactError
        If it contains a link or a device, an empty file, or no file.
    """
    if not stat.S_ISDIR(_status(path).st_mode):
        regular_file(path)
        return [(path.name, path)]
    found = []
    for file in _walk(path, PACKAGE_DEPTH):
        regular_file(file)
        found.append((file.relative_to(path).as_posix(), file))
        if len(found) > PACKAGE_FILES:
            raise ArtifactError(
                f"{path}: has more than {PACKAGE_FILES} files; it is no package of ours"
            )
    if not found:
        raise ArtifactError(f"{path}: is an empty folder; build the model again")
    return sorted(found)


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise ArtifactError(f"{folder}: {error.strerror}") from error
    for entry in entries:
        if not stat.S_ISDIR(_status(entry).st_mode):
            yield entry
        elif depth == 0:
            raise ArtifactError(f"{entry}: folders are nested too deep; it is no package of ours")
        else:
            yield from _walk(entry, depth - 1)


def _status(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        if isinstance(error, FileNotFoundError):
            raise ArtifactError(f"{path}: missing; build the model again") from error
        raise ArtifactError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _kind(mode: int) -> str:
    kinds = {
        stat.S_ISLNK: "a link",
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a FIFO",
        stat.S_ISSOCK: "a socket",
    }
    return next((name for test, name in kinds.items() if test(mode)), "a device")


@contextmanager
def open_archive(path: Path, content: bytes | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive that holds its members as they are, as torch writes them.

    Nothing in it can unpack to more than the file has on disk.

    Parameters
    ----------
    path : Path
    content : bytes, optional
        The archive itself, where it lies in another one; `path` is then for messages.

    Raises
    ------
    ArtifactError
        If it is damaged, or has a compressed or encrypted member, or two members with the same name.
    """
    size = regular_file(path) if content is None else len(content)
    try:
        with zipfile.ZipFile(path if content is None else io.BytesIO(content)) as archive:
            _check_members(path, size, archive.infolist())
            yield archive
    except ArtifactError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        reason = first_line(error)
        raise ArtifactError(f"{path}: not a complete artifact ({reason})") from error


def _check_members(path: Path, size: int, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > ARCHIVE_MEMBERS:
        raise ArtifactError(f"{path}: has more than {ARCHIVE_MEMBERS} members")
    if len({info.filename for info in members}) < len(members):
        raise ArtifactError(f"{path}: has a member twice; build the model again")
    for info in members:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ArtifactError(
                f"{path}: {info.filename[:80]!r} is compressed or encrypted, as no file of ours is; "
                "build the model again"
            )
    if sum(info.file_size for info in members) > size:
        raise ArtifactError(f"{path}: its members are larger than the file; build the model again")


def check_unpacked(path: Path, most: int) -> None:
    """Check how much a compressed archive unpacks to, before a reader allocates it.

    Raises
    ------
    ArtifactError
        If it is more than `most` bytes, or the file is damaged or no regular file.
    """
    regular_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ArtifactError(f"{path}: not a complete archive ({error}); build it again") from error
    size = sum(info.file_size for info in members)
    if size > most or len(members) > ARCHIVE_MEMBERS:
        raise ArtifactError(f"{path}: unpacks to {size} bytes, more than the {most} of this model")
