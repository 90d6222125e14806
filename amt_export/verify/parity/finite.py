"""Outputs that are not finite: what no artifact may be published with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amt_export.errors import CheckpointError, SpecError
from amt_export.manifest import Manifest
from amt_export.model_file import ModelSpec
from amt_export.verify.parity.compare import Case


def require_finite(spec: ModelSpec, manifest: Manifest, cases: Sequence[Case]) -> None:
    """Refuse a model of which some output is not finite.

    Both sides of a comparison may be infinite in the same place, so that comparing does not find it.

    Parameters
    ----------
    spec : ModelSpec
    manifest : Manifest
        Says whether values were loaded.
    cases : sequence of Case
        What the eager forms answer.

    Raises
    ------
    SpecError, CheckpointError
        Whichever file the values are of.
    """
    for case in cases:
        for name, output in case.outputs.items():
            if np.isfinite(output).all():
                continue
            what = f"{name} of the signal {case.signal} is not finite; no value may be so large or so small"
            if manifest.checkpoint is not None:
                raise CheckpointError(f"{spec.name}: with the values of the checkpoint {what}")
            raise SpecError(f"{spec.path}: [parameters]: {what}")
