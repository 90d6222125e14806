"""Trained values from a torch_amt checkpoint, loaded without running anything in it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from amt_export.errors import CheckpointError


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on old pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors, so it was not opened; save module.state_dict()"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not a torch checkpoint ({reason})") from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(
            f"{path}: not a state_dict (names to tensors); save module.state_dict()"
        )
    return content


def load_checkpoint(module: nn.Module, path: Path, prefix: str = "") -> None:
    """Load a `state_dict` into a module.

    Parameters
    ----------
    module : nn.Module
        With torch_amt's names; its dtype is kept.
    path : Path
        File saved by `torch.save(model.state_dict(), path)`.
    prefix : str, optional
        Only names that start with it are taken, without it.

    Raises
    ------
    CheckpointError
        If the file is no state_dict, holds code, or names or shapes differ; all of them are listed.
    """
    stored = _read(path)
    if prefix:
        stored = {n[len(prefix) :]: v for n, v in stored.items() if n.startswith(prefix)}
        if not stored:
            raise CheckpointError(f"{path}: no name starts with {prefix!r}")
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
    module.load_state_dict(stored)
