"""The files of a published folder: their description in the manifest, and checks against it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from amt_export.manifest.hashing import bytes_of, sha256_of, verify_file
from amt_export.manifest.safe_files import contents_of

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """One artifact: ``path`` relative to the folder, total ``bytes``, and its hash.

    ``form`` is ``"whole"`` or ``"stream"``; ``reproducible`` says whether building again gives
    the same bytes.
    """

    path: str
    format: str
    form: str
    bytes: int
    sha256: str
    reproducible: bool


@dataclass(frozen=True)
class OtherFile:
    """A file besides artifacts and manifest: test vectors, pictures, text."""

    path: str
    bytes: int
    sha256: str


def describe_others(folder: Path, files: Iterable[FileEntry]) -> tuple[OtherFile, ...]:
    """Describe all files of a folder except artifacts and manifest, sorted by path.

    Parameters
    ----------
    folder : Path
        A folder with all its files, before it is published.
    files : iterable of FileEntry
        Its artifacts.
    """
    known = {MANIFEST_NAME, *(entry.path for entry in files)}
    return tuple(
        OtherFile(name, bytes_of(file), sha256_of(file))
        for name, file in contents_of(folder)
        if name.split("/")[0] not in known
    )


def verify_files(folder: str | Path, entries: Iterable[FileEntry | OtherFile]) -> None:
    """Check that files are unchanged since they were published.

    Parameters
    ----------
    folder : str or Path
        The published folder.
    entries : iterable of FileEntry or OtherFile
        Which of its files to check: ``manifest.files``, or only the one about to be loaded.

    Raises
    ------
    ArtifactError
        If a file is missing, outside the folder, no regular file, or its size or hash differs.
    """
    for entry in entries:
        verify_file(Path(folder), entry.path, entry.bytes, entry.sha256)
