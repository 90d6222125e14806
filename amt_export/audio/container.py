"""Whether an audio file is all there: libsndfile reads a truncated one as a shorter recording, without a word.

Only the sizes that the container states are compared with the file; nothing is decoded.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

UNKNOWN = (0, 0xFFFFFFFF)
"""Sizes of a data chunk that was written to a pipe: nobody went back to fill them in."""

OGG_PAGE = 65307
"""Bytes of the longest Ogg page, its header of 27 bytes and 255 lengths included."""


def missing(path: Path) -> str | None:
    """Say what is missing of a file, e.g. ``"1200 of 64000 bytes of samples"``; None if nothing is.

    Parameters
    ----------
    path : Path
        A WAV, RF64, BW64, AIFF, AIFF-C or Ogg file. Of others nothing is known here.
    """
    with path.open("rb") as file:
        if chunk := _chunk_of_samples(file):
            there, stated = _sizes(file, *chunk) or (0, None)
            if stated is None:
                return "the samples"
            return None if there >= stated else f"{stated - there} of {stated} bytes of samples"
        file.seek(0)
        if file.read(4) == b"OggS":
            return _missing_page(file)
    return None


def stated_samples(path: Path) -> tuple[int, int] | None:
    """Return the bytes of samples that are there, and those that the header states.

    Parameters
    ----------
    path : Path
        A WAV, RF64, BW64, AIFF or AIFF-C file; None for others, and where the header states nothing.
    """
    with path.open("rb") as file:
        chunk = _chunk_of_samples(file)
        return None if chunk is None else _sizes(file, *chunk)


def _chunk_of_samples(file: BinaryIO) -> tuple[bytes, str] | None:
    """Return name and byte order of the chunk that holds the samples; None for other containers."""
    kind, form = file.read(4), (file.read(4), file.read(4))[1]
    if kind in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        return b"data", "<"
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return b"SSND", ">"
    return None


def _sizes(file: BinaryIO, wanted: bytes, order: str) -> tuple[int, int] | None:
    """Return what follows the header of the chunk of samples, and the size that it states."""
    long_size = None
    end = file.seek(0, 2)
    at = 12
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        if name == b"ds64":  # sizes of 64 bits: of the file, then of the samples
            sizes = file.read(16)
            long_size = struct.unpack("<Q", sizes[8:])[0] if len(sizes) == 16 else None
        if name == wanted:
            if size == 0xFFFFFFFF and long_size:
                size = long_size
            there = end - at - 8
            return (there, there if size in UNKNOWN else size)
        at += 8 + size + size % 2
    return None


def _missing_page(file: BinaryIO) -> str | None:
    """Look whether the last Ogg page is whole, and marked as the last."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 2 * OGG_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return "the last page"
    size = 27 + page[26] + sum(page[27 : 27 + page[26]])
    if len(page) < size:
        return f"{size - len(page)} bytes of the last page, and whatever followed"
    return None if page[5] & 4 else "the last page"
