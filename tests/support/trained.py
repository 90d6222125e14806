"""What the tests of trained values share: a small model of every module, and its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from amt_export import modules
from amt_export.export.capture import Program
from amt_export.export.torchscript import export_torchscript
from amt_export.model_file import ModelSpec, load_spec
from amt_export.model_file.building import build_module, input_length
from support.filters import GOLDEN, noise

NAMES = {
    key: list(entries)
    for key, entries in json.loads((GOLDEN / "state_dicts.json").read_text()).items()
}

Change = Callable[[Tensor], Tensor]


def shifted(value: Tensor) -> Tensor:
    """Of a window, which must not stay even, or a scaled one."""
    return value.roll(-3)


@dataclass(frozen=True)
class Setup:
    """A small model, and how its checkpoint entries are changed; `inert` ones say nothing to it."""

    module: str
    parameters: str
    inputs: str
    arguments: tuple[Callable[[], Tensor], ...]
    inert: tuple[str, ...] = ()
    changes: dict[str, Change] = field(default_factory=dict)
    key: str = ""

    def toml(self, folder: Path, tolerance: float | None = None) -> Path:
        path = folder / "tiny.toml"
        keys = ("torchscript", "exported_program", "onnx", "coreml", "float64")
        # The trained values are of interest here, not the last digit of tones far outside a band, which
        # the long transforms of fast_drnl round away.
        if tolerance is None:
            tolerance = 1e-4 if self.module == "FastDRNLFilterbank" else 1e-5
        allowed = "\n".join(f"{name} = {tolerance}" for name in keys)
        path.write_text(
            f'[model]\nname = "tiny"\nmodule = "{self.module}"\ndescription = "tiny"\n'
            f"[parameters]\n{self.parameters}\n[inputs]\n{self.inputs}\n[parity]\n{allowed}\n"
        )
        return path

    def spec(self, folder: Path) -> ModelSpec:
        return load_spec(self.toml(folder))

    def made(self, spec: ModelSpec, learnable: bool) -> nn.Module:
        keywords: dict[str, Any] = dict(spec.parameters)
        return getattr(modules, self.module)(**keywords, learnable=learnable)

    def values(self) -> tuple[Tensor, ...]:
        return tuple(argument() for argument in self.arguments)


def psd() -> Tensor:
    return torch.rand(1, 3, 1025, generator=torch.Generator().manual_seed(1)) * 1e-4


def band_levels() -> Tensor:
    return torch.rand(1, 3, 150, generator=torch.Generator().manual_seed(2)) * 40 + 30


def loud(*shape: int) -> Callable[[], Tensor]:
    return lambda: 0.05 * noise(*shape, dtype=torch.float32)


def components() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    freqs = (20 * 700 ** torch.rand(1, 6, 958, generator=generator)).sort(-1)[0]
    return freqs, torch.rand(1, 6, 958, generator=generator) * 60 + 100


COMPRESSION = {"a": lambda v: v * 1.5, "b": lambda v: v * 1.5, "c": lambda v: v * 1.5}
DRNL_FILTERS = (
    *("CF_lin", "BW_lin_norm", "LP_lin_cutoff", "g", "CF_nlin", "BW_nlin_norm", "LP_nlin_cutoff"),
)
SPECTRUM = {
    "threshold_max_minus": lambda v: v * 0.25,
    "freq_limits": lambda v: v * 1.1,
    **{f"window_{i}": shifted for i in range(6)},
}
EXCITATION = {"min_p_lower": lambda v: v * 9, "reference_level": lambda v: v * 1.2}
MULTIRES = {
    "freq_thresholds": lambda v: v * 1.2,
    **{f"window_{2048 >> i}": shifted for i in range(6)},
}


def prefixed(prefix: str, entries: dict[str, Change]) -> dict[str, Change]:
    return {f"{prefix}.{name}": change for name, change in entries.items()}


GAMMATONE = "fc_range = [700.0, 1400.0]\nfs = 16000"
DRNL = "fc_range = [400.0, 3000.0]\nfs = 16000\nn_channels = 18"
SETUPS = {
    "gammatone": Setup(
        "GammatoneFilterbank",
        GAMMATONE,
        "audio = [1, 240]",
        (loud(1, 240),),
        inert=("fc", "betamul"),
        changes={"poles": lambda v: v * 0.98},
    ),
    "poly": Setup(
        "GammatoneFilterbank",
        GAMMATONE + '\nimplementation = "poly"',
        "audio = [1, 240]",
        (loud(1, 240),),
        inert=("fc", "betamul"),
        changes={"a": lambda v: v * torch.tensor([1.0, 0.98, 0.96, 0.94, 0.92])},
        key="GammatoneFilterbank(implementation='poly')",
    ),
    "drnl": Setup(
        "DRNLFilterbank",
        DRNL,
        "audio = [1, 240]",
        (lambda: 1e-3 * loud(1, 240)(),),
        inert=("fc",),
        changes=COMPRESSION,
    ),
    "fast_drnl": Setup(
        "FastDRNLFilterbank",
        DRNL + "\nir_length = 1024",
        "audio = [1, 240]",
        (lambda: 1e-3 * loud(1, 240)(),),
        inert=("fc", *DRNL_FILTERS),
        changes=COMPRESSION,
    ),
    "multires": Setup(
        "MultiResolutionFFT",
        "fs = 32000",
        "audio = [1, 3000]",
        (loud(1, 3000),),
        changes=MULTIRES,
    ),
    "erb": Setup("ERBIntegration", "fs = 32000", "psd = [1, 3, 1025]", (psd,)),
    "pattern": Setup(
        "ExcitationPattern",
        "fs = 32000",
        "levels = [1, 3, 150]",
        (band_levels,),
        inert=("fc_erb",),
    ),
    "spectrum": Setup(
        "Moore2016Spectrum",
        "fs = 32000",
        "audio = [1, 2, 2112]",
        (loud(1, 2, 2112),),
        inert=("threshold_absolute",),
        changes=SPECTRUM,
    ),
    "excitation": Setup(
        "Moore2016ExcitationPattern",
        "erb_step = 0.25",
        "freqs = [1, 6, 958]\nlevels = [1, 6, 958]",
        (lambda: components()[0], lambda: components()[1]),
        inert=("_erb_channels", "_p_channels"),
        changes=EXCITATION,
    ),
    "glasberg": Setup(
        "Glasberg2002FrontEnd",
        "fs = 32000",
        "audio = [1, 3000]",
        (loud(1, 3000),),
        inert=("excitation_pattern.fc_erb",),
        changes=prefixed("multi_fft", MULTIRES),
    ),
    "moore": Setup(
        "Moore2016FrontEnd",
        "fs = 32000",
        "audio = [1, 2, 2112]",
        (lambda: 2e5 * loud(1, 2, 2112)(),),  # loud enough for the least slope
        inert=(
            "spectrum.threshold_absolute",
            "excitation._erb_channels",
            "excitation._p_channels",
        ),
        changes=prefixed("spectrum", SPECTRUM) | prefixed("excitation", EXCITATION),
    ),
}
PARTS = {
    "glasberg": {
        "multi_fft": "MultiResolutionFFT",
        "erb_integration": "ERBIntegration",
        "excitation_pattern": "ExcitationPattern",
    },
    "moore": {"spectrum": "Moore2016Spectrum", "excitation": "Moore2016ExcitationPattern"},
}


def torch_amt_names(name: str, learnable: bool) -> list[str]:
    """Names of torch_amt 0.2.0's `state_dict`, in its order."""
    if name in PARTS:
        return [
            f"{part}.{entry}"
            for part, module in PARTS[name].items()
            for entry in NAMES[f"{module} learnable={learnable}"]
        ]
    setup = SETUPS[name]
    return NAMES[f"{setup.key or setup.module} learnable={learnable}"]


def outputs(result) -> list[np.ndarray]:
    values = (result,) if isinstance(result, Tensor) else result
    return [value.detach().numpy() for value in values]


def torchscript(setup: Setup, spec: ModelSpec, checkpoint: Path, folder: Path) -> list[np.ndarray]:
    """What the TorchScript file built with a checkpoint says."""
    module = build_module(spec, None, checkpoint).freeze(input_length(spec))
    # Tracing needs no ExportedProgram, and making one for each of a hundred entries would take minutes.
    export_torchscript(Program(module, setup.values(), (), (), None), folder / "tiny.ts.pt", {})
    loaded = torch.jit.load(folder / "tiny.ts.pt")
    return outputs(loaded(*setup.values()))


def saved(setup: Setup, name: str, module: nn.Module, learnable: bool) -> dict[str, Tensor]:
    """What torch_amt would save of such a module: its names, in its order."""
    state = module.state_dict()
    names = torch_amt_names(name, learnable)
    assert sorted(names) == sorted(state), setup.module
    return {key: state[key].detach().clone() for key in names}


FILTERBANKS = ("gammatone", "poly", "drnl", "fast_drnl")
