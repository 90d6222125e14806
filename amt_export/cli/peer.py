"""The same model in torch_amt, where that is installed, to compare speeds in one run.

torch_amt (GPL-3) is imported and run as it is; nothing of it is in this package.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import MissingDependencyError
from amt_export.manifest import Manifest

NAME = "torch_amt"

FASTER = {"DRNLFilterbank": "FastDRNLFilterbank"}
"""Where torch_amt has a faster class for the same model, that one is the fair comparison."""

TORCHAUDIO = ("torchaudio", "torchaudio.functional", "torchaudio.transforms")


def find_peer(folder: Path | None) -> bool:
    """Tell whether torch_amt can be imported.

    Parameters
    ----------
    folder : Path, optional
        Where it was installed with ``pip install --target``.

    Raises
    ------
    MissingDependencyError
        If it is not in the folder that was given.
    """
    if folder is not None:
        sys.path.append(str(folder))
    found = importlib.util.find_spec(NAME) is not None
    if folder is not None and not found:
        raise MissingDependencyError(f"{folder}: holds no {NAME}; pip install --target {folder}")
    return found


def peer_call(
    manifest: Manifest, inputs: Mapping[str, NDArray[Any]]
) -> Callable[[], object] | None:
    """Return a call of torch_amt's module of the same name and parameters on the same inputs.

    Parameters
    ----------
    manifest : Manifest
        Of the model.
    inputs : mapping of ndarray
        As the artifact takes them.

    Returns
    -------
    callable or None
        None when torch_amt has no such module.
    """
    import torch

    if "torchaudio" not in sys.modules and importlib.util.find_spec("torchaudio") is None:
        # torch_amt imports it at the top, but uses it for none of these modules.
        sys.modules |= {name: ModuleType(name) for name in TORCHAUDIO}
    peer = importlib.import_module(NAME)
    kind = getattr(peer, FASTER.get(manifest.module, manifest.module), None)
    if kind is None:
        return None
    module = kind(**_keywords(kind, manifest)).eval()
    arrays = dict(inputs)
    if manifest.module == "ERBIntegration":  # our artifact has its grid built in
        rate, bins = manifest.sampling_rate or 1.0, inputs["psd"].shape[-1]
        arrays["freqs"] = np.linspace(0.0, rate / 2, bins, dtype=inputs["psd"].dtype)
    tensors = [torch.from_numpy(array.copy()) for array in arrays.values()]

    def call() -> object:
        with torch.inference_mode():
            return module(*tensors)

    return call


def _keywords(kind: Callable[..., Any], manifest: Manifest) -> dict[str, Any]:
    """Return the parameters that torch_amt's constructor knows too."""
    keywords: dict[str, Any] = dict(manifest.parameters)
    if "fc_range" in keywords:
        keywords["fc"] = tuple(keywords.pop("fc_range"))
    accepted = inspect.signature(kind).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        return keywords
    return {name: value for name, value in keywords.items() if name in accepted}
