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
from typing import Any, cast

from numpy.typing import NDArray

from amt_export.errors import MissingDependencyError
from amt_export.manifest import Manifest

NAME = "torch_amt"

FASTER = {"DRNLFilterbank": "FastDRNLFilterbank"}
"""Where torch_amt has a faster class for the same model, that one is the fair comparison."""

RENAMED = {"Moore2016Loudness": "Moore2016"}
"""The same model under another name. (Its numbers are others: see docs/references.md.)"""

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
    forward = _forward(importlib.import_module(NAME), manifest)
    if forward is None:
        return None
    tensors = [torch.from_numpy(array.copy()) for array in inputs.values()]

    def call() -> object:
        with torch.inference_mode():
            return forward(*tensors)

    return call


def _forward(peer: ModuleType, manifest: Manifest) -> Callable[..., object] | None:
    """Return what computes the same as a model from the same inputs, in the same precision."""
    import torch

    if manifest.module in CHAINS:
        return CHAINS[manifest.module](peer, manifest)
    kind = getattr(peer, (FASTER | RENAMED).get(manifest.module, manifest.module), None)
    if kind is None:
        return None
    # Its DRNL is float64 by default, which torch's CPU convolution takes forty times as long for.
    module = _made(kind, {"dtype": getattr(torch, manifest.precision)}, manifest.parameters)
    if manifest.module == "ERBIntegration":
        return lambda psd: module(psd, _grid(psd, manifest))
    if manifest.module == "Moore2016ExcitationPattern":  # which takes no batch of frames
        return lambda freqs, levels: module(freqs.flatten(0, -2), levels.flatten(0, -2))
    return cast(Callable[..., object], module)


def _glasberg(peer: ModuleType, manifest: Manifest) -> Callable[..., object]:
    """The chain of Glasberg and Moore (2002) from torch_amt's own parts."""
    common = {"fs": manifest.parameters.get("fs", 32000)}
    multi, erb, pattern = (
        _made(getattr(peer, name), common, _table(manifest, key))
        for name, key in (
            ("MultiResolutionFFT", "multi_fft_kwargs"),
            ("ERBIntegration", "erb_kwargs"),
            ("ExcitationPattern", "excitation_kwargs"),
        )
    )
    return lambda audio: pattern(erb(*multi(audio)))


def _moore(peer: ModuleType, manifest: Manifest) -> Callable[..., object]:
    """The chain of Moore et al. (2016): both ears at once, then the excitation of every frame of each."""
    spectrum = _made(peer.Moore2016Spectrum, _table(manifest, "spectrum_kwargs"))
    excitation = _made(peer.Moore2016ExcitationPattern, _table(manifest, "excitation_kwargs"))

    def forward(audio: Any) -> list[object]:
        left_freqs, left, right_freqs, right = spectrum(audio)
        return [
            excitation(freqs.flatten(0, -2), levels.flatten(0, -2))
            for freqs, levels in ((left_freqs, left), (right_freqs, right))
        ]

    return forward


CHAINS: dict[str, Callable[[ModuleType, Manifest], Callable[..., object]]] = {
    "Glasberg2002FrontEnd": _glasberg,
    "Moore2016FrontEnd": _moore,
}
"""Modules of ours that torch_amt has in parts."""


def _grid(psd: Any, manifest: Manifest) -> Any:
    """Return the frequencies of a spectrum, which our artifact has built in."""
    import torch

    rate = manifest.sampling_rate or 1.0
    return torch.linspace(0.0, rate / 2, psd.shape[-1], dtype=psd.dtype)


def _table(manifest: Manifest, key: str) -> dict[str, Any]:
    return dict(cast(dict[str, Any], manifest.parameters.get(key) or {}))


def _made(kind: Callable[..., Any], *parameters: Mapping[str, Any]) -> Any:
    """Construct a module from the parameters that torch_amt's constructor knows too."""
    keywords: dict[str, Any] = {}
    for table in parameters:
        keywords |= table
    if "fc_range" in keywords:
        keywords["fc"] = tuple(keywords.pop("fc_range"))
    accepted = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        keywords = {name: value for name, value in keywords.items() if name in accepted}
    return kind(**keywords).eval()
