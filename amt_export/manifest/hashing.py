"""Size and hash of an artifact, which is a file or a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from amt_export.errors import ArtifactError
from amt_export.manifest.onnx_file import refuse_external_data
from amt_export.manifest.safe_files import contents_of as contents_of
from amt_export.manifest.safe_files import member


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of all files of a folder, in bytes; raises as `contents_of` does."""
    return sum(file.stat().st_size for _, file in contents_of(path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder such as an ``.mlpackage``.

    The hash of a folder is that of one line ``<hash of the file>  <relative name>`` per file,
    sorted by name: what ``sha256sum`` prints, hashed again. Raises as `contents_of` does for a folder.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    listing = "".join(f"{sha256_of(file)}  {name}\n" for name, file in contents_of(path))
    return hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest()


def verify_file(folder: Path, name: str, size: int, digest: str) -> None:
    """Check that a file or package of a published folder is unchanged.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file in the folder.
    size : int
        In bytes, as published.
    digest : str
        SHA-256, as published.

    Raises
    ------
    ArtifactError
        If it is missing, outside the folder, no regular file or real folder, if its size or hash
        differs, or if it is an ONNX file that keeps weights in other files.
    """
    path = member(folder, name)
    found = bytes_of(path)
    if found != size:
        raise ArtifactError(f"{path}: {found} bytes, published with {size}; build the model again")
    if sha256_of(path) != digest:
        raise ArtifactError(f"{path}: SHA-256 differs from the manifest's; build the model again")
    if name.endswith(".onnx"):
        refuse_external_data(path)
