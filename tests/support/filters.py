"""What the tests of the filterbanks share: golden cases, errors per channel, gradients, small models."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import signal
from torch import Tensor, nn

from amt_export.model_file import ModelSpec, load_spec
from amt_export.recurrence.state_space import (
    StateSpace,
    butterworth_lowpass,
    one_pole_cascade,
    series,
)

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parents[1] / "golden"
FS = 16000.0  # of `recursion`


@dataclass(frozen=True)
class Golden:
    """A golden case: constructor keywords and arrays."""

    kwargs: dict[str, Any]
    arrays: dict[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]


@cache
def load_golden(name: str) -> Golden:
    with np.load(GOLDEN / f"{name}.npz") as file:
        kwargs = json.loads(str(file["meta"])).get("kwargs", {})
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}
    if "fc" in kwargs:
        kwargs["fc"] = tuple(kwargs["fc"])
    return Golden(kwargs, arrays)


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference as a share of the channel's peak; (..., F, T)."""
    assert found.shape == expected.shape
    found, expected = found.detach().double(), expected.detach().double()
    error, peak = (found - expected).abs().amax(-1), expected.abs().amax(-1)
    return float((error / peak.clamp(min=1e-300)).max())


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


def gradient_error(module: nn.Module, audio: Tensor, step: float = 1e-6) -> dict[str, float]:
    """Gradients of a random projection of the output against central differences, by parameter.

    The error is relative to the largest entry of a parameter's gradient. Real and imaginary part of
    complex entries are moved in turn; the step is relative to the entry's size.
    """
    weight = noise(*module(audio).shape, seed=1)
    loss = (module(audio) * weight).sum()
    loss.backward()
    errors = {}
    for name, parameter in module.named_parameters():
        values = parameter.detach().reshape(-1)
        found, expected = parameter.grad.reshape(-1), torch.zeros_like(values)
        for index in range(values.numel()):
            for direction in (1.0, 1.0j) if values.is_complex() else (1.0,):
                size = step * float(values[index].abs())
                ends = []
                for sign in (1.0, -1.0):
                    with torch.no_grad():
                        kept = values[index].clone()
                        values[index] += sign * size * direction
                        ends.append(float((module(audio) * weight).sum()))
                        values[index] = kept
                expected[index] += direction * (ends[0] - ends[1]) / (2.0 * size)
        assert float(expected.abs().max()) > 0, name
        errors[name] = float((found - expected).abs().max() / expected.abs().max())
    return errors


def model_file(name: str) -> Path:
    return ROOT / "models" / f"{name}.toml"


def small_specs() -> dict[str, ModelSpec]:
    """Models that build in seconds, with the tolerances of the big ones they stand for."""
    small = {
        "gammatone": ("gammatone_speech_16k", {"fc": (200.0, 7000.0), "fs": 16000}, 2000),
        "drnl": (
            "drnl_casp_44k",
            {"fc": (1000.0, 7900.0), "fs": 16000, "n_channels": 12},
            1500,
        ),
        "fast_drnl": (
            "fast_drnl_casp_44k",
            {"fc": (1000.0, 4000.0), "fs": 16000, "n_channels": 3, "ir_length": 512},
            1500,
        ),
    }
    specs = {}
    for name, (origin, parameters, samples) in small.items():
        spec = load_spec(model_file(origin)).resized(samples=samples)
        spec = replace(spec, stream_block=None)  # tests of streams ask for them
        raw = {key: value for key, value in parameters.items() if key != "fc"}
        raw["fc_range"] = list(parameters["fc"])
        specs[name] = replace(spec, name=name, parameters=parameters, raw_parameters=raw)
    return specs


FILTERBANKS = ("gammatone_speech_16k", "gammatone_music_44k", "drnl_casp_44k", "drnl_jepsen_44k")
FILTERBANKS += ("drnl_hix_44k", "fast_drnl_casp_44k")


def resized_specs() -> dict[str, ModelSpec]:
    """Model files of filterbanks with fewer channels and samples; `make artifacts` proves all of them."""
    specs = {}
    for name in FILTERBANKS:
        spec = replace(load_spec(model_file(name)).resized(samples=2000), stream_block=None)
        if "n_channels" in spec.parameters:  # few channels lie far from the tones
            spec = replace(spec, given=frozenset())
        few = {"n_channels": 4} if "n_channels" in spec.parameters else {}
        specs[name] = replace(
            spec, parameters=spec.parameters | few, raw_parameters=spec.raw_parameters | few
        )
    return specs


# Model files, and a length of audio that is enough for what tests do with them.
SHORT = {
    "gammatone_speech_16k": 4000,
    "cochleagram_speech_16k": 3200,
    "casp_44k": 4410,
    "moore2016_loudness_32k": 3200,
}


def resized_to_onnx() -> dict[str, ModelSpec]:
    """Model files of all kinds as they are, but for less audio in one call."""
    return {
        name: load_spec(model_file(name)).resized(samples=samples)
        for name, samples in SHORT.items()
    }


def recursion(audio: np.ndarray, pole: complex, order: int, cutoff: float | None) -> np.ndarray:
    """Re{(1-|p|)^n / (1 - p z^-1)^n x}, and a Butterworth low-pass after it."""
    output = (1.0 - abs(pole)) ** order * audio.astype(complex)
    for _ in range(order):
        output = signal.lfilter([1.0], [1.0, -pole], output)
    if cutoff is None:
        return output.real
    # Pole by pole: the polynomial of a low cutoff has lost digits.
    _, poles, gain = signal.butter(2, cutoff, fs=FS, output="zpk")
    output = gain * signal.lfilter([1.0, 2.0, 1.0], [1.0], output.real).astype(complex)
    for low in poles:
        output = signal.lfilter([1.0], [1.0, -low], output)
    return output.real


def system_of(poles: list[complex], order: int, cutoff: float | None) -> StateSpace:
    """What `recursion` computes, for each pole, at `FS`."""
    pairs = torch.view_as_real(torch.tensor(poles, dtype=torch.complex128))
    gain = torch.stack([(1.0 - pairs.norm(dim=-1)) ** order, torch.zeros(len(poles))], dim=-1)
    system = one_pole_cascade(pairs, order, gain)
    if cutoff is not None:
        cutoffs = torch.full((len(poles),), cutoff, dtype=torch.float64)
        system = series(system, butterworth_lowpass(cutoffs, FS))
    return system


def assert_forms_are_eager(module, shapes, scripted_within: float, frozen_within: float) -> None:
    """Scripted, frozen and traced, a module answers to noise as it does in eager torch."""
    scripted = torch.jit.script(module)
    for shape in shapes:
        audio = noise(*shape, dtype=module.dtype)
        with torch.no_grad():
            eager = module(audio)
            assert relative(scripted(audio), eager) < scripted_within
            frozen = module.freeze(shape[-1])
            traced = torch.jit.trace(frozen, (audio,))
            assert torch.equal(traced(audio), frozen(audio))
            assert relative(frozen(audio), eager) < frozen_within
        assert not frozen.state_dict()
        assert not list(frozen.parameters())
