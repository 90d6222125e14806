"""Trained values from a torch_amt checkpoint, loaded without running code from it."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from amt_export.errors import CheckpointError, first_line
from amt_export.model_file.stored_tensors import check_stored
from amt_export.modules.base import AuditoryModule

# Values of a DRNL in the checkpoints of torch_amt 0.2.0 that torch_amt itself does not use.
UNUSED = ("CF_lin", "BW_lin_norm", "LP_lin_cutoff", "CF_nlin", "BW_nlin_norm", "LP_nlin_cutoff")
# Modules whose learnable form differs from the fixed one in torch_amt 0.2.0, and the difference on speech:
# median and largest difference of bands after ERBIntegration and of components (docs/checkpoints.md).
OTHERWISE = {"MultiResolutionFFT": "0.3 dB, up to 40", "Moore2016Spectrum": "0.1 dB, up to 44"}


def _read(path: Path) -> dict[str, Tensor]:
    check_stored(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors, so it was not opened; save module.state_dict()"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        reason = first_line(error)
        raise CheckpointError(f"{path}: not a torch checkpoint ({reason})") from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(
            f"{path}: not a state_dict (names to tensors); save module.state_dict()"
        )
    return content


def read_checkpoint(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Read a `state_dict`.

    Parameters
    ----------
    path : Path
        File saved by `torch.save(model.state_dict(), path)`.
    prefix : str, optional
        Only names that start with it are taken, without it.

    Returns
    -------
    dict of Tensor
        In the order in which it was saved.

    Raises
    ------
    CheckpointError
        If the file is no state_dict or holds code, or no name starts with the prefix.
    """
    stored = _read(path)
    if prefix:
        stored = {n[len(prefix) :]: v for n, v in stored.items() if n.startswith(prefix)}
        if not stored:
            raise CheckpointError(f"{path}: no name starts with {prefix!r}")
    return stored


def is_learnable(names: Iterable[str], fixed: nn.Module, learnable: nn.Module, path: Path) -> bool:
    """Whether a `state_dict` was saved by the learnable form of a module.

    It says so by its order: torch saves the parameters of a module before its buffers, and what is
    learnable is a parameter. It matters where the learnable form computes something else: it
    has Gaussian bands in `ERBIntegration`, and limits in `Moore2016ExcitationPattern`.

    Parameters
    ----------
    names : iterable of str
        Of the `state_dict`, in order.
    fixed, learnable : nn.Module
        Both forms of the module.
    path : Path
        Of the file, for the error.

    Returns
    -------
    bool
        Where what is learnable comes first in both forms, True: limits do nothing to values that were
        not trained. A file whose names were sorted says False.

    Raises
    ------
    CheckpointError
        If some parts of the module were learnable and others were not.
    """
    stored, of_fixed = _by_part(names), _by_part(fixed.state_dict())
    parameters = _by_part(name for name, _ in learnable.named_parameters())

    def come_first(part: str, order: Sequence[str]) -> bool:
        return set(order[: len(parameters[part])]) == set(parameters[part])

    distinguishable = [part for part in parameters if not come_first(part, of_fixed.get(part, ()))]
    trained = [part for part in distinguishable if come_first(part, stored.get(part, ()))]
    if trained and trained != distinguishable:
        plain = [part for part in distinguishable if part not in trained]
        raise CheckpointError(
            f"{path}: {', '.join(trained)} of {type(fixed).__name__} was learnable when it was saved, "
            f"{', '.join(plain)} was not; give the learnable part `learnable = true` in its own "
            "arguments in [parameters]"
        )
    return trained == distinguishable


def _by_part(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of each submodule's own entries, in order."""
    parts: dict[str, list[str]] = {}
    for name in names:
        part, _, own = name.rpartition(".")
        parts.setdefault(part, []).append(own)
    return parts


def departure(module: nn.Module) -> str | None:
    """Differences between torch_amt 0.2.0 and this package for the values that a module has.

    Parameters
    ----------
    module : nn.Module
        With a checkpoint loaded, in the form that saved it as far as that can be known.

    Returns
    -------
    str or None
        Half a sentence for the user; None where both compute the same.
    """
    for part in module.modules():
        if not isinstance(part, AuditoryModule):
            continue
        name = type(part).__name__
        if name in OTHERWISE and part.learnable:
            return (
                f"torch_amt's learnable {name} computes something else than its fixed one, which is built "
                f"here: if this file is of a learnable one, results differ (speech: by {OTHERWISE[name]})"
            )
        if name == "DRNLFilterbank" and (moved := _moved(part)):
            return (
                f"torch_amt does not use {', '.join(moved)} of a checkpoint, the module built here does: "
                "results differ (by 2 dB for 10 % of a CF)"
            )
    return None


def _moved(drnl: AuditoryModule) -> list[str]:
    """Names of DRNL values that torch_amt does not use and that differ from the design."""
    return [
        name
        for name in UNUSED
        if not torch.allclose(getattr(drnl, name).double(), drnl._designed[name], rtol=1e-6, atol=0)
    ]


def load_checkpoint(module: nn.Module, path: Path, prefix: str = "") -> None:
    """Load a `state_dict` from a file into a module; see `read_checkpoint` and `load_state`."""
    load_state(module, read_checkpoint(path, prefix), path)


def load_state(module: nn.Module, stored: dict[str, Tensor], path: Path) -> None:
    """Load a `state_dict` into a module.

    Parameters
    ----------
    module : nn.Module
        With torch_amt's names; its dtype is kept.
    stored : dict of Tensor
    path : Path
        Where it comes from, for the error.

    Raises
    ------
    CheckpointError
        If names or shapes differ, all of which are listed, or values, or what is designed of them, are not
        finite.
    """
    wanted = module.state_dict()
    problems = []
    for what, names in (
        ("missing", sorted(wanted.keys() - stored.keys())),
        ("unexpected", sorted(stored.keys() - wanted.keys())),
        (
            "misshaped",
            [
                f"{n} {tuple(stored[n].shape)} for {tuple(wanted[n].shape)}"
                for n in sorted(wanted.keys() & stored.keys())
                if stored[n].shape != wanted[n].shape
            ],
        ),
        (
            "complex for real",
            [
                n
                for n in sorted(wanted.keys() & stored.keys())
                if stored[n].is_complex() and not wanted[n].is_complex()
            ],
        ),
    ):
        if names:
            problems.append(f"{what}: {', '.join(names)}")
    if problems:
        raise CheckpointError(
            f"{path}: does not fit {type(module).__name__}; {'; '.join(problems)}"
        )
    broken = [
        n
        for n, v in stored.items()
        if not torch.isfinite(torch.view_as_real(v) if v.is_complex() else v).all()
    ]
    if broken:
        raise CheckpointError(f"{path}: not finite: {', '.join(sorted(broken))}")
    try:
        module.load_state_dict(stored)
    except Exception as error:  # finite numbers for which the design fails
        reason = first_line(error)
        raise CheckpointError(
            f"{path}: its values make no {type(module).__name__} ({reason})"
        ) from error
    for name, buffer in module.named_buffers():
        if buffer.is_floating_point() and not bool(torch.isfinite(buffer).all()):
            raise CheckpointError(
                f"{path}: its values are too large or too small: {name} of "
                f"{type(module).__name__} is not finite"
            )
