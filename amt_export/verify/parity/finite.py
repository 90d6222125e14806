"""Refusal of models whose outputs are not finite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amt_export.errors import CheckpointError, SpecError
from amt_export.manifest import Manifest
from amt_export.model_file import ModelSpec
from amt_export.verify.parity.compare import Case


def require_finite(spec: ModelSpec, manifest: Manifest, cases: Sequence[Case]) -> None:
    """Refuse a model if an output is not finite.

    A comparison does not find it where both sides are infinite in the same place.

    Parameters
    ----------
    spec : ModelSpec
    manifest : Manifest
        Says whether values were loaded.
    cases : sequence of Case
        With the outputs of the eager forms.

    Raises
    ------
    SpecError, CheckpointError
        SpecError if the values come from the model file, CheckpointError if from a checkpoint.
    """
    for case in cases:
        for name, output in case.outputs.items():
            if np.isfinite(output).all():
                continue
            what = f"{name} of the signal {case.signal} is not finite; no value may be so large or so small"
            if manifest.checkpoint is not None:
                raise CheckpointError(f"{spec.name}: with the values of the checkpoint {what}")
            raise SpecError(f"{spec.path}: [parameters]: {what}")
