"""Checkpoints of every module, learnable or not: what was trained is in the artifact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from filter_checks import GOLDEN, noise
from torch import Tensor, nn

from amt_export import modules
from amt_export.build import build_module, input_length
from amt_export.checkpoint import is_learnable
from amt_export.cli.main import main
from amt_export.errors import CheckpointError
from amt_export.export.program import Program
from amt_export.export.torchscript import export_torchscript
from amt_export.manifest import load_manifest
from amt_export.spec import ModelSpec, load_spec

NAMES = {
    key: list(entries)
    for key, entries in json.loads((GOLDEN / "state_dicts.json").read_text()).items()
}

Change = Callable[[Tensor], Tensor]


def larger(value: Tensor) -> Tensor:
    return value * 1.03


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
        keys = ("torchscript", "exported_program", "onnx", "coreml", "reference")
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


def changed(setup: Setup, state: dict[str, Tensor], entry: str) -> dict[str, Tensor]:
    return state | {entry: setup.changes.get(entry, larger)(state[entry].clone())}


def outputs(result) -> list[np.ndarray]:
    values = (result,) if isinstance(result, Tensor) else result
    return [value.detach().numpy() for value in values]


def torchscript(setup: Setup, spec: ModelSpec, checkpoint: Path, folder: Path) -> list[np.ndarray]:
    """What the TorchScript file built with a checkpoint says."""
    module = build_module(spec, None, checkpoint).frozen(input_length(spec))
    # Tracing needs no ExportedProgram, and making one for each of a hundred entries would take minutes.
    export_torchscript(Program(module, setup.values(), (), (), None), folder / "tiny.ts.pt", {})
    loaded = torch.jit.load(folder / "tiny.ts.pt")
    return outputs(loaded(*setup.values()))


def close(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(
        a.shape == b.shape
        and np.allclose(a, b, rtol=1e-4, atol=1e-4 * max(1e-30, float(np.abs(b).max())))
        for a, b in zip(found, expected, strict=False)
    )


def saved(setup: Setup, name: str, module: nn.Module, learnable: bool) -> dict[str, Tensor]:
    """What torch_amt would save of such a module: its names, in its order."""
    state = module.state_dict()
    names = torch_amt_names(name, learnable)
    assert sorted(names) == sorted(state), setup.module
    return {key: state[key].detach().clone() for key in names}


FILTERBANKS = ("gammatone", "poly", "drnl", "fast_drnl")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", FILTERBANKS)
def test_every_entry_of_a_filterbank_shows_in_its_channel(name, learnable, tmp_path):
    """Entry k is changed in channel k only, so one artifact says it of all of them."""
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    state = saved(setup, name, module, learnable)
    if "c" in state:
        # One exponent that is no quarter, and the DRNL compresses by the general formula in all channels: let
        # that be the formula before as well.
        state["c"][-1] *= 1.1
    path = tmp_path / "trained.pt"
    torch.save(state, path)
    before = torchscript(setup, spec, path, tmp_path)[0][0]
    per_channel = [entry for entry in state if state[entry].dim() and len(state[entry]) > 1]
    assert len(per_channel) <= len(before)
    for channel, entry in enumerate(per_channel):
        value = changed(setup, state, entry)[entry]
        state[entry] = state[entry].clone()
        state[entry][channel] = value[channel]
    torch.save(state, path)
    after = torchscript(setup, spec, path, tmp_path)[0][0]
    difference = np.abs(after - before).max(1) / np.abs(before).max(1)
    for channel, entry in enumerate(per_channel):
        if entry in setup.inert:
            assert difference[channel] == 0.0, entry
        else:
            assert difference[channel] > 1e-4, entry
    assert not difference[len(per_channel) :].any()
    module.load_state_dict(state)
    assert close([after], [outputs(module(*setup.values()))[0][0]])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", [name for name in SETUPS if name not in FILTERBANKS])
def test_every_entry_shows_in_the_artifact(name, learnable, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    state = saved(setup, name, module, learnable)
    path = tmp_path / "trained.pt"

    def artifact(content):
        torch.save(content, path)
        return torchscript(setup, spec, path, tmp_path)

    before = artifact(state)
    assert close(before, outputs(module(*setup.values())))
    for entry in state:
        if name in PARTS and not learnable and "window" in entry:
            continue  # the parts themselves are tested above; a front end takes seconds
        trained = changed(setup, state, entry)
        found = artifact(trained)
        same = all(np.array_equal(a, b) for a, b in zip(found, before, strict=True))
        assert same == (entry in setup.inert), entry
        module.load_state_dict(trained)
        assert close(found, outputs(module(*setup.values()))), entry


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SETUPS)
def test_all_of_it_at_once_from_the_command_line(name, tmp_path, capsys):
    """ONNX, with the names of a larger model; the learnable form."""
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, True)
    state = saved(setup, name, module, True)
    for entry in state:
        state = changed(setup, state, entry)
    module.load_state_dict(state)
    larger_model = {f"ears.{key}": value for key, value in state.items()}
    torch.save({"head.weight": torch.ones(3)} | larger_model, tmp_path / "model.pt")
    command = ["build", str(tmp_path / "tiny.toml"), "--format", "onnx", "--out", str(tmp_path)]
    code = main(
        [*command, "--checkpoint", str(tmp_path / "model.pt"), "--checkpoint-prefix", "ears."]
    )
    assert code == 0, capsys.readouterr().err
    session = onnxruntime.InferenceSession(
        tmp_path / "tiny" / "tiny.onnx", providers=["CPUExecutionProvider"]
    )
    feed = dict(zip(spec.inputs, (value.numpy() for value in setup.values()), strict=True))
    found = session.run(None, feed)
    assert close(found, outputs(module(*setup.values())))
    plain = outputs(setup.made(spec, True)(*setup.values()))
    assert not close(found, plain)
    manifest = load_manifest(tmp_path / "tiny")
    assert manifest.checkpoint.learnable
    assert manifest.checkpoint.prefix == "ears."


# Which form a checkpoint was saved by


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("name", SETUPS)
def test_the_order_of_names_tells_the_form(name, learnable, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    fixed, trained = (setup.made(spec, form) for form in (False, True))
    both = [torch_amt_names(name, form) for form in (False, True)]
    told = is_learnable(both[learnable], fixed, trained, tmp_path)
    if name in ("multires", "spectrum", "excitation", "moore"):
        assert both[0] == both[1], "nothing to tell them apart"
        assert told
    else:
        assert told == learnable
    if name in ("erb", "glasberg"):  # where it matters
        assert not is_learnable(sorted(both[1]), fixed, trained, tmp_path)


@pytest.mark.parametrize("learnable", [False, True])
def test_bands_are_those_of_the_form_that_was_saved(learnable, tmp_path):
    """The learnable form has Gaussian bands; the model file does not say which it is."""
    setup = SETUPS["erb"]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    module.load_state_dict(module.state_dict() | {"bandwidth_scale": torch.tensor(2.0)})
    torch.save(saved(setup, "erb", module, learnable), tmp_path / "trained.pt")
    other = setup.made(spec, not learnable)
    other.load_state_dict(module.state_dict())
    (found,) = torchscript(setup, spec, tmp_path / "trained.pt", tmp_path)
    expected, wrong = (outputs(m(psd()))[0] for m in (module, other))
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(found - wrong).max() > 0.5


def test_limits_of_trained_values_hold(tmp_path):
    setup = SETUPS["excitation"]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, True)
    found = []
    for value in (70.0, 90.0):
        state = module.state_dict() | {"reference_level": torch.tensor(value)}
        torch.save(state, tmp_path / "trained.pt")
        found.append(torchscript(setup, spec, tmp_path / "trained.pt", tmp_path)[0])
    assert np.array_equal(*found)


def test_a_module_that_was_learnable_in_part(tmp_path):
    setup = SETUPS["glasberg"]
    spec = setup.spec(tmp_path)
    part = modules.Glasberg2002FrontEnd(erb_kwargs={"learnable": True})
    torch.save(part.state_dict(), tmp_path / "part.pt")
    with pytest.raises(
        CheckpointError, match=r"erb_integration of Glasberg2002FrontEnd was learnable.*not; give"
    ):
        build_module(spec, None, tmp_path / "part.pt")
    named = Setup(setup.module, "erb_kwargs = { learnable = true }", setup.inputs, setup.arguments)
    built = build_module(named.spec(tmp_path), None, tmp_path / "part.pt")
    assert built.frozen().erb_integration.gaussian


# What the manifest says


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "entry"),
    [
        *((name, "fc") for name in FILTERBANKS),
        ("erb", "fc_erb"),
        ("excitation", "_fc_channels"),
        ("glasberg", "excitation_pattern.erb_centers"),
        ("moore", "excitation._fc_channels"),
    ],
)
@pytest.mark.parametrize("learnable", [False, True])
def test_centre_frequencies_are_those_of_the_checkpoint(name, entry, learnable, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    state = saved(setup, name, module, learnable)
    torch.save(state, tmp_path / "same.pt")
    torch.save(state | {entry: state[entry] * 1.01}, tmp_path / "other.pt")
    plain, same, other = (
        np.array(build_module(spec, None, path).centre_frequencies())
        for path in (None, tmp_path / "same.pt", tmp_path / "other.pt")
    )
    np.testing.assert_array_equal(same, plain)
    if entry.endswith("erb_centers"):
        assert (other > plain * 1.01).all()
    else:
        np.testing.assert_allclose(other, plain * 1.01, rtol=1e-6)
