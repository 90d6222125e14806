"""What the tests of the spectral modules share: golden cases, state_dict, captured forms."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from amt_export.export.capture import capture
from amt_export.export.onnx import export_onnx

GOLDEN = Path(__file__).parents[1] / "golden"
STATE_DICTS = json.loads((GOLDEN / "state_dicts.json").read_text())


def golden(name: str) -> dict[str, Tensor]:
    """Arrays of one golden case."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}


def outputs(value) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def relative(value: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the peak of each last-axis column."""
    peak = expected.abs().amax(dim=tuple(range(expected.dim() - 1)))
    difference = (value - expected).abs().amax(dim=tuple(range(expected.dim() - 1)))
    return float((difference / torch.where(peak > 0, peak, 1.0)).max())


def assert_same(first, second, rtol: float = 0.0, atol: float = 0.0) -> None:
    for a, b in zip(outputs(first), outputs(second), strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def entries_of(module: nn.Module) -> dict[str, dict]:
    """Shape, dtype and kind of every entry of the `state_dict`."""
    parameters = dict(module.named_parameters())
    return {
        key: {
            "shape": list(value.shape),
            "dtype": str(value.dtype).removeprefix("torch."),
            "parameter": key in parameters,
        }
        for key, value in module.state_dict().items()
    }


def assert_state_dict(make: Callable[[bool], nn.Module], name: str) -> None:
    """Names, shapes, dtypes and kind of every entry are those of torch_amt 0.2.0."""
    for learnable in (False, True):
        assert entries_of(make(learnable)) == STATE_DICTS[f"{name} learnable={learnable}"]


def assert_effects(
    make: Callable[[bool], nn.Module], inputs: tuple[Tensor, ...], changes: dict[str, Callable]
) -> None:
    """Every changed entry of a state_dict changes the output, frozen or not; the others do not."""
    for learnable in (False, True):
        before = outputs(make(learnable)(*inputs))
        for key in make(learnable).state_dict():
            module = make(learnable)
            state = module.state_dict()
            state[key] = changes.get(key, lambda value: value * 1.25)(state[key].clone())
            module.load_state_dict(state)
            after = outputs(module(*inputs))
            same = all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
            assert same == (changes.get(key, True) is ignored), (key, learnable)
            frozen = module.freeze()
            assert not list(frozen.state_dict()), "a frozen module saves nothing"
            assert_same(frozen(*inputs[: 1 if frozen.baked_inputs else None]), after, 1e-5, 2e-4)


def ignored(value: Tensor) -> Tensor:
    """A change without effect."""
    return value * 1.25


@torch.no_grad()
def assert_captured(
    module: nn.Module, inputs: tuple[Tensor, ...], samples: int, tmp_path, atol: float = 1e-3
) -> None:
    """Script, trace, ExportedProgram and ONNX agree with eager."""
    eager = module(*inputs)
    frozen = module.freeze(samples)
    assert not list(frozen.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; tracing warns of shape checks
        scripted = torch.jit.script(module)
        traced = torch.jit.trace(frozen, inputs)
    assert_same(scripted(*inputs), eager, 1e-6, 0.1 * atol)
    assert_same(traced(*inputs), frozen(*inputs))
    assert_same(frozen(*inputs), eager, 1e-6, 0.1 * atol)
    names = tuple(f"x{i}" for i in range(len(inputs)))
    program = capture(frozen, inputs, names, tuple(f"y{i}" for i in range(len(outputs(eager)))))
    assert_same(program.exported.module()(*inputs), frozen(*inputs), 1e-6, 0.1 * atol)
    path = tmp_path / "module.onnx"
    export_onnx(program, path, {})
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = dict(zip(names, (x.numpy() for x in inputs), strict=True))
    found = session.run(None, feed)
    for a, b in zip(found, outputs(eager), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-6, atol=atol)
