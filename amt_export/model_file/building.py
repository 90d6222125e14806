"""Construction of the torch module that a checked model file describes."""

from __future__ import annotations

import warnings
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from amt_export import modules
from amt_export.errors import SpecError, first_line
from amt_export.model_file import ModelSpec
from amt_export.model_file.checkpoint import departure, is_learnable, load_state, read_checkpoint
from amt_export.modules.base import AuditoryModule
from amt_export.modules.forms import StreamForm
from amt_export.modules.frame_levels import FrameLevels

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def build_module(
    spec: ModelSpec,
    dtype: torch.dtype | None = None,
    checkpoint: Path | None = None,
    checkpoint_prefix: str = "",
) -> AuditoryModule:
    """Construct the module of a model file, with trained values and frame levels if they are given.

    Parameters
    ----------
    spec : ModelSpec
    dtype : torch.dtype, optional
        By default the one that is computed in, `spec.precision`.
    checkpoint : Path, optional
        File with a `state_dict`.
    checkpoint_prefix : str, optional
        Part of a larger model's names that leads to this module, e.g. "drnl.".

    Returns
    -------
    AuditoryModule
        In eval mode; learnable if a checkpoint was, see `amt_export.model_file.checkpoint.is_learnable`.

    Raises
    ------
    SpecError
        If the constructor refuses a value.
    CheckpointError
        If the checkpoint does not fit.
    """
    module_class: type[AuditoryModule] = getattr(modules, spec.module)
    keywords: dict[str, Any] = dict(spec.parameters)
    if isinstance(keywords.get("fc"), list):
        keywords["fc"] = torch.tensor(keywords["fc"], dtype=torch.float64)
    dtype = DTYPES[spec.precision] if dtype is None else dtype

    def constructed(quiet: bool, **more: Any) -> AuditoryModule:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if quiet else "default")
                # Designed in float64 and cast once; a module without a dtype argument is cast as a whole.
                return module_class(**keywords, **more).to(dtype)
        except (ValueError, TypeError) as error:
            raise SpecError(f"{spec.path}: [parameters]: {error}") from error
        except (OverflowError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
            reason = first_line(error)
            raise SpecError(
                f"{spec.path}: [parameters]: too large or too small to design filters with ({reason})"
            ) from error

    if checkpoint is not None and "learnable" not in signature(module_class).parameters:
        raise SpecError(
            f"{spec.path}: {spec.module} has nothing to be trained; leave out --checkpoint"
        )
    module = constructed(quiet=dtype == torch.float64)  # warn once, for the module that is exported
    if checkpoint is not None:
        stored = read_checkpoint(checkpoint, checkpoint_prefix)
        trained = constructed(quiet=True, learnable=True)
        if is_learnable(stored, module, trained, checkpoint):
            module = trained
        load_state(module, stored, checkpoint)
        if different := departure(module):
            warnings.warn(f"{checkpoint}: {different}; see docs/checkpoints.md", stacklevel=2)
    return _with_levels(spec, module).eval()


def _with_levels(spec: ModelSpec, module: AuditoryModule) -> AuditoryModule:
    """The module, or `FrameLevels` of it where the model file asks for levels."""
    if spec.levels_hop is None:
        return module
    try:
        return FrameLevels(module, spec.levels_hop)
    except ValueError as error:
        raise SpecError(f"{spec.path}: [levels]: {error}") from error


def build_stream(spec: ModelSpec, module: AuditoryModule) -> StreamForm | None:
    """The streaming form that a model file asks for, or None.

    Raises
    ------
    SpecError
        If the module has no such form.
    """
    if spec.stream_block is None:
        return None
    if "audio" not in spec.inputs:
        raise SpecError(f"{spec.path}: [stream]: {spec.module} takes no audio, so nothing streams")
    try:
        return StreamForm(module, spec.stream_block, spec.inputs["audio"])
    except ValueError as error:
        raise SpecError(f"{spec.path}: [stream] block = {spec.stream_block}: {error}") from error


def input_length(spec: ModelSpec) -> int:
    """Last dimension of the first input, which `AuditoryModule.freeze` prepares for."""
    return next(iter(spec.inputs.values()))[-1]
