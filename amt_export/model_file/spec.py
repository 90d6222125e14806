"""Model files, ``models/<name>.toml``: finding, reading and checking them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from amt_export.errors import SpecError
from amt_export.manifest.safe_files import NAME_RULE, is_safe_name
from amt_export.model_file.interface import constructor_keywords, input_shapes
from amt_export.model_file.limits import too_many
from amt_export.model_file.section import Section, choices

FORMATS = ("torchscript", "exported_program", "onnx", "coreml")
Precision = Literal["float32", "float64"]
Batch = Literal["static", "dynamic"]
# The largest in models/ has 1 kB.
MODEL_FILE_BYTES = 2**20
SECTIONS = ("model", "parameters", "inputs", "levels", "export", "stream", "parity", "parity_db")

# Keys of earlier versions, and what to write instead.
REMOVED = {
    "parameters": {
        "terms": 'filters have one arithmetic now; [export] precision = "float64" computes in double',
        "merge": 'write reference = "documented" for "aligned", reference = "torch_amt" for "torch_amt"',
        "summation": 'write reference = "documented" for "power", reference = "torch_amt" for "natural"',
    },
    "export": {"dtype": 'write precision = "float32" or "float64"; inputs and outputs are float32'},
    "parity": {"reference": "write float64, the precision that it is compared with"},
    "parity_db": {"reference": "write float64, the precision that it is compared with"},
}

# Largest relative difference of linear outputs. torch's own formats run the same kernels; other runtimes add in
# another order, and float32 itself is so far from float64: see docs/numerics.md.
PARITY = {
    "torchscript": 1e-6,
    "exported_program": 1e-6,
    "onnx": 1e-5,
    "coreml": 1e-5,
    "float64": 1e-5,
}
# With precision = "float64" nothing is left but the rounding of the outputs.
PARITY_DOUBLE = dict.fromkeys(PARITY, 1e-6)
PARITY_DB = dict.fromkeys(PARITY, 1e-3)  # largest difference of level outputs, in dB


def default_parity(module: type[Any], precision: str) -> dict[str, float]:
    """Default tolerances of linear outputs; a module may have its own in `parity_defaults`."""
    if precision == "float64":
        return PARITY_DOUBLE
    return PARITY | getattr(module, "parity_defaults", {})


@dataclass(frozen=True)
class ModelSpec:
    """The checked content of a model file.

    Parameters
    ----------
    name : str
        The file's stem; published as a folder of this name.
    module : str
        Class name in :mod:`amt_export.modules`.
    description : str
        One line for people.
    parameters : dict
        Keyword arguments of the constructor; ``fc_range`` has become the tuple ``fc``.
    raw_parameters : dict
        ``[parameters]`` as written.
    inputs : dict of tuple of int
        Static shape of each argument of forward, in its order.
    formats : tuple of str
        Some of :data:`FORMATS`.
    precision : str
        Of the arithmetic between float32 inputs and outputs: ``"float32"`` or ``"float64"``.
    batch : str
        ``"static"``, or ``"dynamic"`` where any batch may come.
    stream_block : int or None
        Samples per call of the streaming form; None for no streaming form.
    parity, parity_db : dict of float
        Tolerance per format and for ``"float64"``: relative, and in dB.
    path : Path
        The model file.
    given : frozenset of str
        Keys of ``[parity]`` that the file sets itself.
    levels_hop : int or None
        Samples of a frame whose level is published instead of the samples; None for samples.
    """

    name: str
    module: str
    description: str
    parameters: dict[str, object]
    raw_parameters: dict[str, object]
    inputs: dict[str, tuple[int, ...]]
    formats: tuple[str, ...]
    precision: Precision
    batch: Batch
    stream_block: int | None
    parity: dict[str, float]
    parity_db: dict[str, float]
    path: Path
    given: frozenset[str] = frozenset()
    levels_hop: int | None = None

    def resized(self, samples: int | None = None, batch: int | None = None) -> ModelSpec:
        """Return this model for audio of another length or batch.

        Parameters
        ----------
        samples, batch : int, optional
            Replace the last and the first size of the audio input.

        Raises
        ------
        SpecError
            If the module takes no audio, or a size is not above zero.
        """
        if samples is None and batch is None:
            return self
        if "audio" not in self.inputs:
            takes = ", ".join(self.inputs)
            raise SpecError(f"{self.path}: takes {takes}, not audio: samples and batch stay as set")
        for what, size in (("samples", samples), ("batch", batch)):
            if size is not None and size < 1:
                raise SpecError(f"{self.path}: {what} is {size}; it must be above zero")
        shape = self.inputs["audio"]
        resized = (batch or shape[0], *shape[1:-1], samples or shape[-1])
        if problem := too_many(resized):
            raise SpecError(f"{self.path}: samples or batch: the input {problem}")
        return replace(self, inputs={**self.inputs, "audio": resized})


def model_files(models_dir: str | Path | None = None) -> list[Path]:
    """Return the model files of a folder, sorted by name.

    Parameters
    ----------
    models_dir : str or Path, optional
        By default ``models`` in the working directory, or else beside this package's source.
    """
    return sorted(_folder(models_dir).glob("*.toml"))


def load_spec(
    path_or_name: str | Path,
    models_dir: str | Path | None = None,
    *,
    modules: Mapping[str, type[Any]] | None = None,
) -> ModelSpec:
    """Read and check a model file.

    Parameters
    ----------
    path_or_name : str or Path
        A path ending in ``.toml``, or the name of a file in `models_dir`.
    models_dir : str or Path, optional
        As for :func:`model_files`.
    modules : mapping of str to class, optional
        The classes a model file may name; by default those of :mod:`amt_export.modules`.

    Raises
    ------
    SpecError
        If anything in it is unknown, of the wrong type or impossible. The message names file,
        key, value, what is allowed, and the closest match.
    """
    path = _find(path_or_name, models_dir)
    document = Section(path, "", _parse(path))
    document.only(SECTIONS)
    _refuse_removed(document)

    model = document.section("model", required=True)
    model.only(("name", "module", "description"))
    if model.text("name") != path.stem:
        raise model.error("name", f"must be the name of the file, {path.stem!r}")
    if not is_safe_name(path.stem):
        raise model.error("name", f"is part of file names and pages: {NAME_RULE}")
    classes = exported_modules() if modules is None else modules
    module = model.choice("module", classes)

    parameters = document.section("parameters")
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
    keywords = constructor_keywords(parameters, classes[module])

    return ModelSpec(
        name=path.stem,
        module=module,
        description=model.text("description"),
        parameters=keywords,
        raw_parameters=parameters.table,
        inputs=input_shapes(document.section("inputs", required=True), classes[module]),
        formats=formats,
        precision=precision,
        batch=cast("Batch", export.choice("batch", get_args(Batch), default="static")),
        stream_block=_only_size(document, "stream", "block"),
        parity=_tolerances(document.section("parity"), default_parity(classes[module], precision)),
        parity_db=_tolerances(document.section("parity_db"), PARITY_DB),
        path=path,
        given=frozenset(document.section("parity").table),
        levels_hop=_only_size(document, "levels", "hop"),
    )


def _refuse_removed(document: Section) -> None:
    for name, keys in REMOVED.items():
        section = document.section(name)
        for key in section.table.keys() & keys.keys():
            raise section.error(key, f"no longer a key; {keys[key]}")


def _folder(models_dir: str | Path | None) -> Path:
    if models_dir is not None:
        return Path(models_dir)
    here = Path("models")
    return here if here.is_dir() else Path(__file__).parents[2] / "models"


def _find(path_or_name: str | Path, models_dir: str | Path | None) -> Path:
    if Path(path_or_name).suffix == ".toml":
        return Path(path_or_name)
    known = model_files(models_dir)
    for path in known:
        if path.stem == str(path_or_name):
            return path
    names = choices(path_or_name, (path.stem for path in known))
    raise SpecError(f"{path_or_name}: no such model in {_folder(models_dir)}; {names}")


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
    except (
        ValueError
    ) as error:  # raised for wrong TOML, and for an integer with thousands of digits
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"{path}: not TOML: {error}") from error


def exported_modules() -> dict[str, type[Any]]:
    """The module classes that a model file may name."""
    # Imported here, because the modules import torch, which is not needed to find model files.
    from amt_export import modules

    public = {name: getattr(modules, name) for name in modules.__all__}
    return {name: value for name, value in public.items() if hasattr(value, "input_ports")}


def _only_size(document: Section, name: str, key: str) -> int | None:
    """The only key of a table, a number of samples; None if there is no such table."""
    if name not in document.table:
        return None
    section = document.section(name)
    section.only((key,))
    return section.positive_int(key)


def _tolerances(section: Section, defaults: dict[str, float]) -> dict[str, float]:
    section.only(defaults)
    return {key: section.positive(key, default) for key, default in defaults.items()}
