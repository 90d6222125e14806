"""Recordings that a command is given: files, folders with all that is below them, patterns."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from amt_export.audio.file import FORMATS, SUFFIXES
from amt_export.errors import AudioError


class Found(NamedTuple):
    """A recording, and its path below the folder or pattern that it was found by."""

    path: Path
    below: Path


def is_several(inputs: Sequence[str]) -> bool:
    """Whether the inputs are more than the name of one file."""
    return len(inputs) > 1 or Path(inputs[0]).is_dir() or _is_pattern(inputs[0])


def find_recordings(inputs: Sequence[str]) -> list[Found]:
    """Return all recordings, in the order of the inputs, each once.

    Parameters
    ----------
    inputs : sequence of str
        Files, taken as they are; folders, searched with all that is below them; and patterns such as
        ``night/*.wav``, or ``**/*.flac`` for folders at any depth.

    Raises
    ------
    AudioError
        If a folder or a pattern has no recording.
    """
    found: dict[Path, Found] = {}
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            several = [Found(file, file.relative_to(path)) for file in sorted(path.rglob("*"))]
            several = [item for item in several if _is_recording(item.path)]
        elif _is_pattern(text):
            fixed = _fixed_part(path)
            matches = sorted(map(Path, glob.glob(text, recursive=True)))  # noqa: PTH207
            several = [Found(file, file.relative_to(fixed)) for file in matches if file.is_file()]
        else:
            several = [Found(path, Path(path.name))]
        if not several:
            if path.is_dir():
                raise AudioError(f"{text}: has no recordings; give a folder of {FORMATS} files")
            raise AudioError(f"{text}: no file matches this pattern")
        for item in several:
            found.setdefault(item.path.resolve(), item)
    return list(found.values())


def result_names(found: Sequence[Found], taken: str = "", suffix: str = "") -> list[Path]:
    """Return the name of each result below the output folder, without the suffix of its format.

    The recording's name without its suffix; with it where two would be the same: ``a.wav`` and ``a.mp3``.

    Parameters
    ----------
    found : sequence of Found
    taken : str, optional
        A name in the output folder that is not free; a recording of this name keeps its suffix.
    suffix : str, optional
        Of the format, for the error.

    Raises
    ------
    AudioError
        If names are the same all the same.
    """
    stems = [item.below.with_suffix("") for item in found]
    # Names that differ in case are the same on many systems.
    often = Counter([taken, *(str(stem).lower() for stem in stems)])
    names = [
        stem if often[str(stem).lower()] == 1 else item.below
        for stem, item in zip(stems, found, strict=True)
    ]
    places: dict[str, Path] = {}
    for name, item in zip(names, found, strict=True):
        other = places.setdefault(str(name).lower(), item.path)
        if other != item.path:
            raise AudioError(
                f"{other} and {item.path} would have the same result {name}{suffix}; "
                "give the folder that holds both, or rename one"
            )
    return names


def _is_pattern(text: str) -> bool:
    return glob.has_magic(text) and not Path(text).exists()


def _fixed_part(pattern: Path) -> Path:
    """Return the folders in front of the first part that is a pattern."""
    parts: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _is_recording(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()
