"""Outline of a model file: what it contains without the module that it names; torch is not needed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from amt_export.errors import SpecError
from amt_export.manifest.safe_files import NAME_RULE, is_safe_name
from amt_export.manifest.validation import FORMATS as FORMATS
from amt_export.model_file.section import Section

Precision = Literal["float32", "float64"]
Batch = Literal["static", "dynamic"]
# The largest in models/ has 1 kB.
MODEL_FILE_BYTES = 2**20
PARITIES = ("parity", "parity_db", "parity_mu")
SECTIONS = ("model", "parameters", "inputs", "levels", "export", "stream", *PARITIES)


def _reference(documented: str, torch_amt: str) -> str:
    """The advice for a key whose values were renamed to those of `reference`."""
    return (
        f'write [parameters] reference = "documented" for "{documented}", '
        f'reference = "torch_amt" for "{torch_amt}"'
    )


# Keys of earlier versions, and what says the same today.
REMOVED = {
    "parameters": {
        "terms": 'filters have one arithmetic now; [export] precision = "float64" computes in double',
    },
    "export": {"dtype": 'write precision = "float32" or "float64"; inputs and outputs are float32'},
    "parity": {"reference": "write float64, the precision that it is compared with"},
    "parity_db": {"reference": "write float64, the precision that it is compared with"},
}
# Keys that some modules had, by themselves or for one of their parts.
MERGE = {"merge": _reference("aligned", "torch_amt")}
SUMMATION = {"summation": _reference("power", "natural")}
REMOVED_OF_MODULES = {
    "MultiResolutionFFT": MERGE,
    "ExcitationPattern": SUMMATION,
    "Glasberg2002FrontEnd": MERGE | SUMMATION,
}


@dataclass(frozen=True)
class Outline:
    """A model file, checked as far as it can be without its module; `ModelSpec` checks the rest.

    Parameters
    ----------
    name : str
        The file's stem; published as a folder of this name.
    module : str
        Class name in :mod:`amt_export.modules`; whether there is such a class is not known here.
    description : str
        One line for people.
    parameters : dict
        ``[parameters]`` as written.
    inputs : dict of tuple of int
        Static shape of each input, in the order of the file.
    formats : tuple of str
        Some of :data:`FORMATS`.
    precision : str
        Of the arithmetic between float32 inputs and outputs: ``"float32"`` or ``"float64"``.
    batch : str
        ``"static"``, or ``"dynamic"`` where any batch may come.
    stream_block : int or None
        Samples per call of the streaming form; None for no streaming form.
    levels_hop : int or None
        Samples of a frame whose level is published instead of the samples; None for samples.
    path : Path
        The model file.
    """

    name: str
    module: str
    description: str
    parameters: dict[str, object]
    inputs: dict[str, tuple[int, ...]]
    formats: tuple[str, ...]
    precision: Precision
    batch: Batch
    stream_block: int | None
    levels_hop: int | None
    path: Path


def read_document(path: Path) -> Section:
    """Read a model file, whose sections are known then.

    Raises
    ------
    SpecError
        If it is no model file, has an unknown section, or a key of an earlier version.
    """
    document = Section(path, "", _parse(path))
    document.only(SECTIONS)
    _refuse_removed(document, str(document.section("model").table.get("module")))
    return document


def read_outline(path: Path) -> Outline:
    """Read a model file; see `read_document` and `outline_of`."""
    return outline_of(read_document(path))


def outline_of(document: Section) -> Outline:
    """Check what a model file says by itself.

    Raises
    ------
    SpecError
        If it says something impossible about anything but the parameters of its module.
    """
    path = document.file
    model = document.section("model", required=True)
    model.only(("name", "module", "description"))
    if model.text("name") != path.stem:
        raise model.error("name", f"must be the name of the file, {path.stem!r}")
    if not is_safe_name(path.stem):
        raise model.error("name", f"is part of file names and pages: {NAME_RULE}")

    export = document.section("export")
    export.only(("formats", "precision", "batch"))
    formats = export.subset("formats", FORMATS)
    precision = cast(
        "Precision", export.choice("precision", get_args(Precision), default="float32")
    )
    if precision == "float64" and "coreml" in formats:
        raise export.error(
            "precision", "Core ML has no float64; leave coreml out of formats, or take float32"
        )
    inputs = document.section("inputs", required=True)
    return Outline(
        name=path.stem,
        module=model.text("module"),
        description=model.text("description"),
        parameters=document.section("parameters").table,
        inputs={name: inputs.shape(name) for name in inputs.table},
        formats=formats,
        precision=precision,
        batch=cast("Batch", export.choice("batch", get_args(Batch), default="static")),
        stream_block=_only_size(document, "stream", "block"),
        levels_hop=_only_size(document, "levels", "hop"),
        path=path,
    )


def _refuse_removed(document: Section, module: str) -> None:
    """Refuse keys of earlier versions, also in the tables of a front end's parts."""
    of_module = REMOVED_OF_MODULES.get(module, {})
    parameters = document.section("parameters")
    parts = [key for key, value in parameters.table.items() if isinstance(value, dict)]
    places = [(document.section(name), keys) for name, keys in REMOVED.items()]
    places += [(parameters, of_module), *((parameters.section(key), of_module) for key in parts)]
    for section, keys in places:
        for key in section.table.keys() & keys.keys():
            raise section.error(key, f"no longer a key; {keys[key]}")


def _parse(path: Path) -> dict[str, object]:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise SpecError(f"{path}: not a file; give the path of a model file")
        with path.open("rb") as stream:
            data = stream.read(MODEL_FILE_BYTES + 1)
        if len(data) > MODEL_FILE_BYTES:
            raise SpecError(f"{path}: larger than {MODEL_FILE_BYTES} bytes; not a model file")
        # Editors on Windows put a byte order mark in front.
        return tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text ({error.reason})") from error
    except RecursionError as error:
        raise SpecError(f"{path}: not a model file: tables or lists are nested too deep") from error
    except ValueError as error:  # of TOML, or of an integer with thousands of digits
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"{path}: not TOML: {error}") from error


def _only_size(document: Section, name: str, key: str) -> int | None:
    """The one key of a table, a number of samples; None without the table."""
    if name not in document.table:
        return None
    section = document.section(name)
    section.only((key,))
    return section.positive_int(key)
