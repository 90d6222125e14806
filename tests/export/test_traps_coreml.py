"""The traps of the Core ML converter: each is real, and ours is not caught in it."""

from __future__ import annotations

import warnings
from importlib import metadata

import numpy as np
import pytest
import torch
from torch import nn

from amt_export.coreml_interpreter import Interpreter
from amt_export.errors import LintError
from amt_export.export.capture import quiet_torch
from amt_export.export.coreml import export_coreml
from amt_export.lint import errors_of, lint
from amt_export.model_file.building import build_module
from support.coreml import ct, exported, open_package
from support.filters import ROOT, noise, small_specs
from support.traps import MODELS, Complex, program_of, publish_with, rules

# 2. coremltools turns 1/x into 1/(x + 1e-4)


class Reciprocal(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1.0 / x


class OnesOver(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(x) / x


def test_trap_2_one_over_x(tmp_path):
    x = torch.full((1, 4), 1e-3)
    inputs = {"x0": x.numpy()}
    for module in (Reciprocal(), OnesOver()):
        export_coreml(program_of(module, x), tmp_path / f"{type(module).__name__}.mlpackage", {})
    theirs, ours = tmp_path / "Reciprocal.mlpackage", tmp_path / "OnesOver.mlpackage"
    wrong = Interpreter(theirs).run(inputs)["level"]
    np.testing.assert_allclose(wrong, 1 / 1.1e-3, rtol=1e-5)  # 10 % off
    assert [f.rule for f in errors_of(lint(theirs))] == ["own-epsilon"]
    np.testing.assert_allclose(Interpreter(ours).run(inputs)["level"], 1e3, rtol=1e-6)
    assert not errors_of(lint(ours))


def test_trap_2_an_inverse_is_not_published(tmp_path, monkeypatch):
    with pytest.raises(LintError, match=r"gammatone\.mlpackage: inverse .*ones_like"):
        publish_with(lambda y: 1.0 / (y * y + 1.0), "coreml", tmp_path, monkeypatch)


# 3. Core ML evaluates pow(2, y) as y * y


class PowerOfTwo(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.pow(2.0, x)


class Exponential(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x * 0.6931471805599453)


def test_trap_3_powers_of_a_constant(tmp_path):
    x = torch.tensor([[0.5, 1.0, 3.0]])
    inputs = {"x0": x.numpy()}
    for module in (PowerOfTwo(), Exponential()):
        export_coreml(program_of(module, x), tmp_path / f"{type(module).__name__}.mlpackage", {})
    theirs, ours = tmp_path / "PowerOfTwo.mlpackage", tmp_path / "Exponential.mlpackage"
    np.testing.assert_allclose(Interpreter(theirs).run(inputs)["level"], x.numpy() ** 2)
    assert [f.rule for f in errors_of(lint(theirs))] == ["constant-base"]
    np.testing.assert_allclose(Interpreter(ours).run(inputs)["level"], 2.0 ** x.numpy(), rtol=1e-6)
    assert not lint(ours)


def test_trap_3_a_constant_base_is_not_published(tmp_path, monkeypatch):
    with pytest.raises(LintError, match=r"gammatone\.mlpackage: pow .*exp\(y \* ln"):
        publish_with(lambda y: torch.pow(10.0, y), "coreml", tmp_path, monkeypatch)


# 6. What coremltools 9.0 cannot


class Framed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unfold(1, 4, 2) * 2.0


def convert(module: nn.Module, *inputs: torch.Tensor, **options):
    with quiet_torch():
        program = torch.export.export(module.eval(), inputs).run_decompositions({})
        return ct.convert(program, convert_to="mlprogram", skip_model_load=True, **options)


def test_trap_6_no_unfold():
    with pytest.raises(Exception, match="unfold"):
        convert(Framed(), torch.zeros(1, 16))
    for name in MODELS:
        module = build_module(small_specs()[name]).freeze(1500)
        program = program_of(module, torch.zeros(1, 1500)).exported
        assert "unfold" not in str(program.graph), name


def test_trap_6_no_complex_tensors():
    with pytest.raises(ValueError, match=r"unsqueeze.*complex64"):
        convert(Complex(), torch.zeros(1, 16))


class Halved(nn.Module):
    """Shape arithmetic, which tracing leaves in the graph."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], x.shape[1] // 2, 2) * 2.0


def test_trap_6_shape_arithmetic_and_numpy(tmp_path):
    """Traced, the converter calls int() on arrays of one element: an error from numpy 2.4 on."""
    x = torch.arange(6.0)[None]
    one_element = "Conversion of an array with ndim > 0 to a scalar"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        traced = torch.jit.trace(Halved().eval(), x)
        ct.convert(
            traced,
            inputs=[ct.TensorType(shape=x.shape)],
            convert_to="mlprogram",
            skip_model_load=True,
        )
    assert [w for w in caught if one_element in str(w.message)], "mended: numpy's limit may go"
    assert tuple(map(int, metadata.version("numpy").split(".")[:2])) < (2, 4)
    assert '"numpy<2.4"' in (ROOT / "pyproject.toml").read_text()

    with warnings.catch_warnings():  # captured, nothing is left to be computed
        warnings.filterwarnings("error", message=one_element)
        found = exported(Halved(), tmp_path / "a.mlpackage", x).run({"x0": x.numpy()})["y"]
    np.testing.assert_array_equal(found, 2 * np.arange(6.0).reshape(1, 3, 2))


class Halves(nn.Module):
    """Something with weights, to see their type."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.linspace(0.1, 0.9, 2000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.table.reshape(2000, 1)


def test_trap_6_the_converters_default_is_half_precision(tmp_path):
    x = noise(1, 2000, dtype=torch.float32)
    expected = (x.double() @ torch.linspace(0.1, 0.9, 2000)[:, None].double()).numpy()
    convert(Halves(), x).save(str(tmp_path / "theirs.mlpackage"))
    theirs = Interpreter(tmp_path / "theirs.mlpackage")
    (name,) = theirs.inputs
    (wrong,) = theirs.run({name: x.numpy().astype(theirs.inputs[name].dtype)}).values()
    assert np.abs(wrong - expected).max() > 1e-4 * np.abs(expected).max()
    assert "precision" in rules(errors_of(lint(tmp_path / "theirs.mlpackage")))

    export_coreml(program_of(Halves(), x), tmp_path / "ours.mlpackage", {})
    found = Interpreter(tmp_path / "ours.mlpackage").run({"x0": x.numpy()})["level"]
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert not lint(tmp_path / "ours.mlpackage")


def test_trap_6_state_is_passed_not_kept(published):
    """Core ML's own State is float16."""
    package = open_package(published("gammatone") / "gammatone.mlpackage")
    assert not list(package.model.description.state)
