"""Size and hash of an artifact, be it a file or a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of all files of a folder, in bytes."""
    return sum(file.stat().st_size for _, file in contents_of(path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder such as an ``.mlpackage``.

    The hash of a folder is that of one line ``<hash of the file>  <relative name>`` per file,
    sorted by name: what ``sha256sum`` prints, hashed again.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    listing = "".join(f"{sha256_of(file)}  {name}\n" for name, file in contents_of(path))
    return hashlib.sha256(listing.encode()).hexdigest()


def contents_of(path: Path) -> list[tuple[str, Path]]:
    """Return (name relative to path, file) of every file below, sorted; a file is its own."""
    if path.is_file():
        return [(path.name, path)]
    return sorted(
        (file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file()
    )
