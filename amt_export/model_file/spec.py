"""A valid model file, checked against the module that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amt_export.errors import SpecError
from amt_export.model_file.interface import constructor_keywords, input_shapes
from amt_export.model_file.limits import too_many
from amt_export.model_file.lookup import find_model_file
from amt_export.model_file.outline import FORMATS as FORMATS
from amt_export.model_file.outline import Outline, outline_of, read_document
from amt_export.model_file.section import Section

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
# Of adapted outputs in silence and in steady sounds, in model units, of which such sounds have up to 110.
PARITY_MU = dict.fromkeys(PARITY, 0.4) | {"torchscript": 1e-2, "exported_program": 1e-2}


def default_parity(module: type[Any], precision: str) -> dict[str, float]:
    """Default tolerances of linear outputs; a module may have its own in `parity_defaults`."""
    if precision == "float64":
        return PARITY_DOUBLE
    return PARITY | getattr(module, "parity_defaults", {})


@dataclass(frozen=True)
class ModelSpec(Outline):
    """The checked content of a model file.

    Parameters
    ----------
    name, module, description, formats, precision, batch, stream_block, levels_hop, path
        See `Outline`.
    parameters : dict
        Keyword arguments of the constructor; ``fc_range`` has become the tuple ``fc``.
    inputs : dict of tuple of int
        Static shape of each argument of forward, in its order.
    raw_parameters : dict
        ``[parameters]`` as written.
    parity, parity_db, parity_mu : dict of float
        Tolerance per format and for ``"float64"``: relative, in dB, and in model units.
    given : frozenset of str
        Keys of ``[parity]`` that the file sets itself.
    """

    raw_parameters: dict[str, object]
    parity: dict[str, float]
    parity_db: dict[str, float]
    parity_mu: dict[str, float]
    given: frozenset[str] = frozenset()

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
    document = read_document(find_model_file(path_or_name, models_dir))
    outline = outline_of(document)
    classes = exported_modules() if modules is None else modules
    module = classes[document.section("model").choice("module", classes)]
    checked = {
        "parameters": constructor_keywords(document.section("parameters"), module),
        "inputs": input_shapes(document.section("inputs"), module),
    }
    return ModelSpec(
        **vars(outline) | checked,
        raw_parameters=outline.parameters,
        parity=_tolerances(document.section("parity"), default_parity(module, outline.precision)),
        parity_db=_tolerances(document.section("parity_db"), PARITY_DB),
        parity_mu=_tolerances(document.section("parity_mu"), PARITY_MU),
        given=frozenset(document.section("parity").table),
    )


def exported_modules() -> dict[str, type[Any]]:
    """The module classes that a model file may name."""
    # Imported here, because the modules import torch, which is not needed to find model files.
    from amt_export import modules

    public = {name: getattr(modules, name) for name in modules.__all__}
    return {name: value for name, value in public.items() if hasattr(value, "input_ports")}


def _tolerances(section: Section, defaults: dict[str, float]) -> dict[str, float]:
    section.only(defaults)
    return {key: section.positive(key, default) for key, default in defaults.items()}
