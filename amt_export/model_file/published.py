"""The model file that a published folder was built from, recovered from its manifest."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from amt_export.errors import SpecError
from amt_export.manifest import Manifest
from amt_export.manifest.ports import FRAME_LEVELS
from amt_export.model_file.interface import constructor_keywords
from amt_export.model_file.section import Section
from amt_export.model_file.spec import (
    PARITY_DB,
    PARITY_MU,
    ModelSpec,
    default_parity,
    exported_modules,
)


def spec_of(manifest: Manifest, source: str) -> ModelSpec:
    """The model file that belongs to a manifest, with default tolerances.

    Parameters
    ----------
    manifest : Manifest
    source : str
        Where it comes from, for errors.

    Raises
    ------
    SpecError
        If this version has no such module, or the module does not take the parameters.
    """
    classes: dict[str, type[Any]] = exported_modules()
    if manifest.module not in classes:
        close = get_close_matches(manifest.module, classes, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise SpecError(f"{source}: this version knows no module {manifest.module!r}{hint}")
    parameters = Section(Path(source), "parameters", dict(manifest.parameters))
    return ModelSpec(
        name=manifest.name,
        module=manifest.module,
        description=manifest.description,
        parameters=constructor_keywords(parameters, classes[manifest.module]),
        raw_parameters=manifest.parameters,
        inputs={port.name: port.sized() for port in manifest.inputs},
        formats=tuple(dict.fromkeys(entry.format for entry in manifest.files)),
        precision=manifest.precision,
        batch=manifest.batch,
        stream_block=manifest.stream.block if manifest.stream else None,
        parity=default_parity(classes[manifest.module], manifest.precision),
        parity_db=PARITY_DB,
        parity_mu=PARITY_MU,
        path=Path(source),
        levels_hop=manifest.hop if manifest.outputs[0].name == FRAME_LEVELS else None,
    )
