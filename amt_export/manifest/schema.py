"""``manifest.json``, the description of a published folder, as typed, immutable records.

Standard library only: an app reads it, and needs nothing else to trust the files beside it. The
field order of the records is the key order of the JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from amt_export.errors import ArtifactError
from amt_export.manifest.files import MANIFEST_NAME as MANIFEST_NAME
from amt_export.manifest.files import FileEntry as FileEntry
from amt_export.manifest.files import OtherFile as OtherFile
from amt_export.manifest.files import describe_others as describe_others
from amt_export.manifest.files import verify_files as verify_files
from amt_export.manifest.hashing import bytes_of as bytes_of
from amt_export.manifest.hashing import sha256_of as sha256_of
from amt_export.manifest.json_records import OMITTED, MismatchError, decode, encode
from amt_export.manifest.json_text import read_json
from amt_export.manifest.parity_row import BEYOND as BEYOND
from amt_export.manifest.parity_row import ParityRow as ParityRow
from amt_export.manifest.parity_row import Setting as Setting
from amt_export.manifest.parity_row import Skip as Skip
from amt_export.manifest.ports import Port as Port
from amt_export.manifest.ports import sized
from amt_export.manifest.safe_files import MANIFEST_BYTES, read_file
from amt_export.manifest.schema1 import converted
from amt_export.manifest.validation import invalid_value

SCHEMA = 2
METADATA_KEY = "amt_export.manifest"
"""Key under which every format carries :meth:`Manifest.embedded_json`."""


@dataclass(frozen=True)
class StateInfo:
    """One state array of the streaming form: fed to ``input``, returned as ``output``.

    Before the first block every number in it is ``initial``.
    """

    input: str
    output: str
    shape: tuple[int | None, ...]
    meaning: str
    dtype: str = "float32"
    initial: float = 0.0

    def sized(self, batch: int = 1) -> tuple[int, ...]:
        """Return the shape with `batch` rows where the batch is free; a fixed one stays."""
        return sized(self.shape, batch)


@dataclass(frozen=True)
class StreamInfo:
    """The streaming form: one block of audio and the states in, outputs and the next states out.

    Parameters
    ----------
    block : int
        Samples of a call.
    latency : int
        Samples after a frame's position that a stream needs before it returns the frame; 0 where outputs
        depend on nothing that follows.
    states : tuple of StateInfo
        In the order of the artifact's inputs (after the audio) and outputs (after the others).
    skip : int
        The first so many frames of a stream come before the first one of the whole form and are
        dropped: its frame k is the stream's frame ``skip + k``.
    inputs, outputs : tuple of Port
        Of one call, without the states. Outputs are joined along their axis "time" or "frame".
    """

    block: int
    latency: int
    states: tuple[StateInfo, ...]
    skip: int = 0
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """The file of trained values that a model was built with: its hash, and the prefix of names.

    ``learnable`` says that it was saved by the learnable form of the module, and that this is what was
    exported: it computes something else where bands are Gaussian or values have limits.
    """

    sha256: str
    prefix: str
    learnable: bool = field(default=False, metadata=OMITTED)


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
    precision : {"float32", "float64"}
        What the artifacts compute in between their inputs and outputs.
    batch : {"static", "dynamic"}
        Whether the first size of the arrays is the one they were exported with, or free; a free one is
        null in shapes.
    sampling_rate : float or None
        In Hz; None for modules without a time axis.
    centre_frequencies : tuple of float
        One per channel, in Hz; empty for modules without channels.
    mfc : tuple of float
        Centre frequencies in Hz along an axis "modulation", 0 for a low-pass; empty without such an axis.
    counts : tuple of int
        How many of these filters each channel has: the first so many; the others give 0.
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
    checkpoint : Checkpoint or None
        Given where values come from a file, which ``parameters`` do not hold.
    license : str
        SPDX expression of what the artifacts may be used for; empty where nothing was said.
    references : tuple of str
        DOIs of the papers that describe the model.
    files, other_files, parity
        What was published, and how far each artifact is from eager torch. Absent in the copy
        inside an artifact.
    versions : dict
        Package name to version at build time.
    converted_from : int or None
        The schema that the manifest was published with, where that was an older one.
    """

    schema: int = SCHEMA
    name: str
    module: str
    description: str
    parameters: dict[str, object]
    precision: Literal["float32", "float64"] = "float32"
    batch: Literal["static", "dynamic"] = "static"
    sampling_rate: float | None
    centre_frequencies: tuple[float, ...]
    mfc: tuple[float, ...] = field(default=(), metadata=OMITTED)
    counts: tuple[int, ...] = field(default=(), metadata=OMITTED)
    warm_up: int
    look_ahead: int = 0
    padding: str = "zero"
    hop: int
    frame_length: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    stream: StreamInfo | None = None
    checkpoint: Checkpoint | None = field(default=None, metadata=OMITTED)
    license: str = ""
    references: tuple[str, ...] = ()
    files: tuple[FileEntry, ...] = ()
    other_files: tuple[OtherFile, ...] = ()
    parity: tuple[ParityRow, ...] = ()
    versions: dict[str, str]
    converted_from: int | None = field(default=None, metadata=OMITTED)

    def to_json(self) -> str:
        """Return the text of ``manifest.json``; equal manifests give equal bytes."""
        return json.dumps(encode(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def embedded_json(self) -> str:
        """Return the JSON inside each artifact: everything except files and parity."""
        content = cast(dict[str, Any], encode(self))
        del content["files"], content["other_files"], content["parity"]
        return json.dumps(content, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, source: str = MANIFEST_NAME) -> Manifest:
        """Read a manifest, published or embedded, of this schema or the one before.

        Parameters
        ----------
        text : str
            The JSON.
        source : str
            Where it comes from, for error messages.

        Raises
        ------
        ArtifactError
            If it is not JSON, of another schema, or a key is missing, of the wrong type or impossible.
            Unknown keys are ignored.
        """
        content = read_json(text, source)
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema == 1:
            content = converted(content)
        elif schema != SCHEMA:
            raise ArtifactError(
                f"{source}: schema is {schema!r}, this version reads 1 and {SCHEMA}"
            )
        try:
            manifest = cast(Manifest, decode(content, cls))
        except MismatchError as error:
            raise ArtifactError(f"{source}: {error}; build the model again") from error
        if problem := invalid_value(manifest):
            raise ArtifactError(f"{source}: {problem}; build the model again")
        return manifest

    def streaming(self) -> Manifest:
        """Return the manifest of the streaming form's own files, states among inputs and outputs.

        Raises
        ------
        ArtifactError
            If there is no streaming form.
        """
        if self.stream is None:
            raise ArtifactError(
                f"{self.name}: has no streaming form; give its model file a [stream] block and "
                "build it again"
            )

        def port(name: str, state: StateInfo) -> Port:
            axes = ("state",) * len(state.shape)
            return Port(name, axes, "", shape=state.shape, dtype=state.dtype)

        states = self.stream.states
        return replace(
            self,
            inputs=(*self.stream.inputs, *(port(s.input, s) for s in states)),
            outputs=(*self.stream.outputs, *(port(s.output, s) for s in states)),
        )

    def of(self, form: str) -> Manifest:
        """Return the manifest of the files of one form, "whole" or "stream"."""
        return self.streaming() if form == "stream" else self

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


def load_manifest(folder: str | Path) -> Manifest:
    """Read ``manifest.json`` of a published folder.

    Raises
    ------
    ArtifactError
        If there is none, or it is truncated or foreign.
    """
    path = Path(folder) / MANIFEST_NAME
    try:
        text = read_file(path, MANIFEST_BYTES).decode("utf-8")
    except (ArtifactError, UnicodeDecodeError) as error:
        if Path(folder).is_dir() and path not in Path(folder).iterdir():
            what = f"is no published model: it has no {MANIFEST_NAME}"
            raise ArtifactError(
                f"{folder}: {what}; amt-export list shows the models there are"
            ) from error
        reason = error if isinstance(error, ArtifactError) else f"{path}: not text"
        raise ArtifactError(f"{reason}; expected a folder published by amt-export build") from error
    return Manifest.from_json(text, str(path))
