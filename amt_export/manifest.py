"""``manifest.json``: what a published folder contains, as typed, immutable records.

Standard library only: an app reads it, and needs nothing else to trust the files beside it. The
field order of the records is the key order of the JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from amt_export.errors import ArtifactError

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
METADATA_KEY = "amt_export.manifest"
"""Key under which every format carries :meth:`Manifest.embedded_json`."""


@dataclass(frozen=True)
class Port:
    """One named array at the interface of an artifact; ``unit`` and ``axes`` describe it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str
    axes: tuple[str, ...]


@dataclass(frozen=True)
class StateInfo:
    """One state array of the streaming form: fed to ``input``, returned as ``output``."""

    input: str
    output: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True)
class StreamInfo:
    """The streaming form: samples per ``block``, ``latency`` in samples, and its states."""

    block: int
    latency: int
    states: tuple[StateInfo, ...]


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
class ParityRow:
    """The worst difference of one output of one artifact over the signal suite.

    ``worst`` is measured as `amt_export.parity.metric` says; it and ``signal`` are None where nothing
    was executed (``verified_by="interface"``).
    """

    format: str
    form: str
    provider: str
    output: str
    kind: str
    worst: float | None
    signal: str | None
    tolerance: float
    verified_by: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that is known about a published model.

    Parameters
    ----------
    schema : int
        Version of this layout.
    name, module, description : str
        As in the model file.
    parameters : dict
        The model file's ``[parameters]``, unchanged.
    dtype : str
        Of the exported module: ``"float32"`` or ``"float64"``.
    sampling_rate : float or None
        In Hz; None for modules that know no time.
    centre_frequencies : tuple of float
        One per channel, in Hz; empty for modules without channels.
    warm_up, look_ahead : int
        The frame at sample t depends on the samples t - warm_up to t + look_ahead; what lies
        before matters no longer. Causal models look 0 samples ahead.
    padding : str
        What the model takes the signal to be beyond its ends: ``"zero"`` or ``"reflect"``.
    hop, frame_length : int
        Frame k belongs to sample k * hop, and T samples have 1 + (T - frame_length) // hop frames;
        both 1 for sample-rate outputs; frame_length 0 for centred frames.
    inputs, outputs : tuple of Port
        In the order of the artifacts' arguments and results.
    stream : StreamInfo or None
        The block-by-block form, if published.
    files, parity
        What was published, and how far each artifact is from eager torch. Absent in the copy
        inside an artifact.
    versions : dict
        Package name to version at build time.
    """

    schema: int = SCHEMA
    name: str
    module: str
    description: str
    parameters: dict[str, object]
    dtype: str
    sampling_rate: float | None
    centre_frequencies: tuple[float, ...]
    warm_up: int
    look_ahead: int = 0
    padding: str = "zero"
    hop: int
    frame_length: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    stream: StreamInfo | None = None
    files: tuple[FileEntry, ...] = ()
    parity: tuple[ParityRow, ...] = ()
    versions: dict[str, str]

    def to_json(self) -> str:
        """Return the text of ``manifest.json``; equal manifests give equal bytes."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def embedded_json(self) -> str:
        """Return the JSON carried inside each artifact: all but ``files`` and ``parity``."""
        content = asdict(self)
        del content["files"], content["parity"]
        return json.dumps(content, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, source: str = MANIFEST_NAME) -> Manifest:
        """Read a manifest, published or embedded.

        Parameters
        ----------
        text : str
            The JSON.
        source : str
            Where it comes from, for error messages.

        Raises
        ------
        ArtifactError
            If it is not JSON, of another schema, or a key is missing or of the wrong type.
            Unknown keys are ignored, so that additions do not break older apps.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ArtifactError(f"{source}: not JSON ({error}); build the model again") from error
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA:
            raise ArtifactError(f"{source}: schema is {schema!r}, this version reads {SCHEMA}")
        try:
            return cast(Manifest, _decode(content, cls, ""))
        except _MismatchError as error:
            raise ArtifactError(f"{source}: {error}; build the model again") from error

    def entry(self, format: str, form: str = "whole") -> FileEntry:
        """Return the file of one format and form.

        Raises
        ------
        ArtifactError
            If it was not published.
        """
        for entry in self.files:
            if (entry.format, entry.form) == (format, form):
                return entry
        published = ", ".join(f"{entry.format} ({entry.form})" for entry in self.files)
        raise ArtifactError(
            f"{self.name}: no {format} ({form}) in this folder, only {published or 'nothing'}"
        )


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of all files of a folder, in bytes."""
    return sum(file.stat().st_size for _, file in _contents(path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder such as an ``.mlpackage``.

    The hash of a folder is that of one line ``<hash of the file>  <relative name>`` per file,
    sorted by name: what ``sha256sum`` prints, hashed again.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    listing = "".join(f"{sha256_of(file)}  {name}\n" for name, file in _contents(path))
    return hashlib.sha256(listing.encode()).hexdigest()


def load_manifest(folder: str | Path) -> Manifest:
    """Read ``manifest.json`` of a published folder.

    Raises
    ------
    ArtifactError
        If there is none, or it is truncated or foreign.
    """
    path = Path(folder) / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ArtifactError(
            f"{path}: {reason}; expected a folder published by amt-export build"
        ) from error
    return Manifest.from_json(text, str(path))


def verify_files(folder: str | Path, entries: Iterable[FileEntry]) -> None:
    """Check that artifacts are what was published.

    Parameters
    ----------
    folder : str or Path
        The published folder.
    entries : iterable of FileEntry
        Which of its files to check: ``manifest.files``, or only the one about to be loaded.

    Raises
    ------
    ArtifactError
        If a file is missing, outside the folder, or its size or hash differs.
    """
    for entry in entries:
        relative = PurePosixPath(entry.path)
        if relative.is_absolute() or ".." in relative.parts:
            raise ArtifactError(f"{folder}: {entry.path} points outside the folder")
        path = Path(folder) / relative
        if not path.exists():
            raise ArtifactError(f"{path}: missing; build the model again")
        size = bytes_of(path)
        if size != entry.bytes:
            raise ArtifactError(
                f"{path}: {size} bytes, published with {entry.bytes}; build the model again"
            )
        if sha256_of(path) != entry.sha256:
            raise ArtifactError(
                f"{path}: SHA-256 differs from the manifest's; build the model again"
            )


def _contents(path: Path) -> list[tuple[str, Path]]:
    """Return (name relative to path, file) of every file below, sorted; a file is its own."""
    if path.is_file():
        return [(path.name, path)]
    return sorted(
        (file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file()
    )


class _MismatchError(ValueError):
    """A JSON value is not of the annotated type."""


def _decode(value: object, hint: Any, where: str) -> object:
    """Turn parsed JSON into the annotated type, refusing anything else."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:  # only X | None occurs
        return None if value is None else _decode(value, arguments[0], where)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _decode(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if is_dataclass(hint) and isinstance(value, dict):
        return _decode_record(value, hint, where)
    # The exact type, because a JSON true is not the number 1; but 16000 is a fine float.
    if hint is object or type(value) is hint or (hint is float and type(value) is int):
        return value
    expected = getattr(hint, "__name__", hint)
    raise _MismatchError(f"{where or 'the whole'} is {value!r}, not {expected}")


def _decode_record(value: dict[str, object], hint: Any, where: str) -> object:
    hints = get_type_hints(hint)
    found = {}
    for field in fields(hint):
        inner = f"{where}.{field.name}" if where else field.name
        if field.name in value:
            found[field.name] = _decode(value[field.name], hints[field.name], inner)
        elif field.default is MISSING:
            raise _MismatchError(f"{inner} is missing")
    return hint(**found)
