"""The traps of converters and runtimes: each test shows that one is real, and that ours is not caught in it.

Where the trap is in a library, the first half of a test fails when the library is mended: then the
guard can go. The second half fails when the guard goes before.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import metadata

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from coreml_checks import ct, exported, open_package
from filter_checks import ROOT, noise, small_specs
from onnx import TensorProto, helper
from torch import nn

from amt_export import modules
from amt_export.build import build_module
from amt_export.coreml_reference import Interpreter
from amt_export.errors import LintError
from amt_export.export import FORMATS, capture
from amt_export.export.coreml import export_coreml
from amt_export.export.onnx import export_onnx
from amt_export.export.program import quiet_torch
from amt_export.lint import Finding, errors_of, lint
from amt_export.modules.compression import broken_stick
from amt_export.parity import load, settings
from amt_export.publish import publish

MODELS = ("gammatone", "drnl", "fast_drnl")


def program_of(module: nn.Module, *inputs: torch.Tensor):
    return capture(module.eval(), inputs, tuple(f"x{i}" for i in range(len(inputs))), ("level",))


def run_onnx(path, **inputs) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def rules(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


class Wrapped(nn.Module):
    """A model with something behind it."""

    def __init__(self, module: nn.Module, behind):
        super().__init__()
        self.module, self.behind = module, behind

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.behind(self.module(audio))


def publish_with(behind, format: str, out, monkeypatch) -> None:
    """Publish the gammatone with a wrong exporter, which puts something behind the module."""
    kind = FORMATS[format]

    def export(program, path, extra):
        module = Wrapped(program.module, behind).eval()
        names = (program.input_names, program.output_names)
        kind.export(capture(module, program.inputs, *names), path, extra)

    monkeypatch.setitem(FORMATS, format, replace(kind, export=export))
    publish(small_specs()["gammatone"], out, formats=[format])


# 1. The exporter's rewriter removes + eps for eps up to 1e-8


class Level(nn.Module):
    """Silence has a level."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log10(x * x + 1e-12)


def test_trap_1_small_additions_survive(tmp_path):
    program = program_of(Level(), torch.zeros(1, 4))
    silence = {"x0": np.zeros((1, 4), np.float32)}
    with quiet_torch():
        theirs = torch.onnx.export(
            program.exported, (), dynamo=True, opset_version=18, optimize=True, verbose=False,
            input_names=["x0"], output_names=["level"],
        )  # fmt: skip
        theirs.save(tmp_path / "theirs.onnx")
    with np.errstate(divide="ignore"):
        found = run_onnx(tmp_path / "theirs.onnx", **silence)
    assert np.isneginf(found).all(), "the rewriter was mended: say so in export_onnx"
    (wrong,) = errors_of(lint(tmp_path / "theirs.onnx"))
    assert (wrong.rule, wrong.op) == ("epsilon", "Log")

    export_onnx(program, tmp_path / "ours.onnx", {})
    np.testing.assert_allclose(run_onnx(tmp_path / "ours.onnx", **silence), -12.0, atol=1e-5)
    assert not lint(tmp_path / "ours.onnx")


def test_trap_1_a_lost_epsilon_is_not_published(tmp_path, monkeypatch):
    with pytest.raises(LintError, match=r"gammatone\.onnx: Log .*reaches 0"):
        publish_with(lambda y: torch.log(y * y), "onnx", tmp_path, monkeypatch)
    assert not list(tmp_path.iterdir())


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


# 4. The runtimes' own Fourier transforms


def test_trap_4_transforms_of_runtimes_are_inaccurate(tmp_path):
    n = 4099  # prime; powers of two have been mended in onnxruntime 1.2x
    values = [("x", [1, n, 1]), ("y", [1, n, 2])]
    x_info, y_info = (helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in values)
    node = helper.make_node("DFT", ["x"], ["y"], axis=1)
    graph = helper.make_graph([node], "dft", [x_info], [y_info])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "dft.onnx")
    x = noise(1, n, 1, dtype=torch.float32).numpy()
    found = run_onnx(tmp_path / "dft.onnx", x=x)[0]
    expected = np.fft.fft(x[0, :, 0].astype(np.float64))
    error = np.abs(found[:, 0] + 1j * found[:, 1] - expected).max() / np.abs(expected).max()
    assert error > 1e-4, "ONNX Runtime's DFT was mended: say so in design and lint"
    assert "transform" in rules(errors_of(lint(tmp_path / "dft.onnx")))


@pytest.mark.parametrize("name", MODELS)
def test_trap_4_ours_have_none_and_no_other_trap(name, published):
    """Nor any other error that lint knows, in ONNX and Core ML."""
    assert not errors_of(lint(published(name)))
    model = onnx.load(published(name) / f"{name}.onnx")
    assert not {"DFT", "STFT"} & {node.op_type for node in model.graph.node}


# 5. ONNX Runtime multiplies in TF32 on CUDA


def test_trap_5_cuda_multiplies_in_float32(published, monkeypatch):
    """No GPU is needed to see what a session is asked for."""
    asked = []

    class Session:
        def __init__(self, path, options, providers):
            asked.extend(providers)

        def get_providers(self):
            return [name for name, _ in asked]

    cuda = "CUDAExecutionProvider"
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda])
    folder = published("gammatone")
    manifest = load.Manifest.from_json((folder / "manifest.json").read_text())
    load.open_artifact(folder, manifest, manifest.entry("onnx"), cuda)
    assert asked == [(cuda, {"use_tf32": "0"})]
    assert cuda in settings.providers()[0]


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
        module = build_module(small_specs()[name]).frozen(1500)
        program = program_of(module, torch.zeros(1, 1500)).exported
        assert "unfold" not in str(program.graph), name


class Complex(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(torch.complex(x, x).unsqueeze(1))


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


# 7. What the dynamo exporter cannot, or does besides


def test_trap_7_complex_graphs_are_not_exported():
    with quiet_torch(), pytest.raises(torch.onnx.errors.OnnxExporterError, match="unsqueeze"):
        torch.onnx.export(Complex(), (torch.zeros(1, 16),), dynamo=True, verbose=False)


@pytest.mark.parametrize("name", MODELS)
def test_trap_7_ours_compute_with_real_numbers(name):
    module = build_module(small_specs()[name]).frozen(1500)
    for node in program_of(module, torch.zeros(1, 1500)).exported.graph.nodes:
        value = node.meta.get("val")
        assert not (isinstance(value, torch.Tensor) and value.is_complex()), node


def test_trap_7_the_exporter_writes_stack_traces_unless_told_otherwise(tmp_path):
    program = program_of(Level(), torch.zeros(1, 4))
    with quiet_torch():
        module = torch.export.export(Level(), (torch.zeros(1, 4),))
        theirs = torch.onnx.export(module, (), dynamo=True, optimize=False, verbose=False)
        theirs.save(tmp_path / "theirs.onnx")
    assert b"pkg.torch" in (tmp_path / "theirs.onnx").read_bytes()
    export_onnx(program, tmp_path / "ours.onnx", {"key": "value"})
    text = (tmp_path / "ours.onnx").read_bytes()
    for word in (b"stack_trace", b"File ", b".py", b"pkg.torch", b"namespace"):
        assert word not in text


class Big(nn.Module):
    """More weights than the exporter keeps inside the file by itself."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", noise(600, 600, dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.table


def test_trap_7_weights_stay_in_the_file(tmp_path):
    program = program_of(Big(), torch.zeros(1, 600))
    with quiet_torch():
        torch.onnx.export(
            program.exported, (), tmp_path / "theirs.onnx", dynamo=True, verbose=False
        )
    assert (tmp_path / "theirs.onnx.data").exists()
    assert "external-data" in rules(errors_of(lint(tmp_path / "theirs.onnx")))
    (tmp_path / "ours").mkdir()
    export_onnx(program, tmp_path / "ours" / "a.onnx", {})
    assert [p.name for p in (tmp_path / "ours").iterdir()] == ["a.onnx"]
    assert (tmp_path / "ours" / "a.onnx").stat().st_size > 600 * 600 * 4
    assert not lint(tmp_path / "ours")


# 8. ONNX Runtime's Pow is slow, and powers near zero have no slope


def test_trap_8_compression_without_pow_and_with_a_slope_at_zero():
    v = torch.tensor([0.0, 1e-38, 1e-9, 1e-3, -1e-3, 10.0], dtype=torch.float64)
    naive = v.clone().requires_grad_()
    power = torch.exp(-0.75 * torch.log(naive.abs()))
    (naive * torch.minimum(torch.tensor(5.0), power)).sum().backward()
    assert not torch.isfinite(naive.grad).all()

    ours = v.clone().requires_grad_()
    one = torch.tensor(1.0, dtype=torch.float64)
    y = broken_stick(ours, 5.0 * one, one, -0.75 * one)
    y.sum().backward()
    expected = v.sign() * torch.minimum(5.0 * v.abs(), v.abs() ** 0.25)
    torch.testing.assert_close(y.detach(), expected)
    assert torch.isfinite(ours.grad).all()
    assert ours.grad[0] == 5.0


@pytest.mark.parametrize("name", ["drnl", "fast_drnl"])
def test_trap_8_no_pow_in_a_graph(name, published):
    model = onnx.load(published(name) / f"{name}.onnx")
    assert "Pow" not in {node.op_type for node in model.graph.node}
    assert not [f for f in lint(published(name)) if f.rule in ("slow-power", "constant-base")]


# 9. Scripting accepts less than tracing


@pytest.mark.parametrize("name", modules.__all__)
def test_trap_9_every_module_can_be_scripted(name):
    given = {
        "GammatoneFilterbank": {"fc": (500.0, 1000.0), "fs": 16000},
        "DRNLFilterbank": {"fc": (500.0, 1000.0), "fs": 16000, "n_channels": 2},
        "FastDRNLFilterbank": {"fc": (1e3, 2e3), "fs": 16000, "n_channels": 2, "ir_length": 256},
    }
    module = getattr(modules, name)(**given.get(name, {})).eval()
    with quiet_torch():
        assert torch.jit.script(module).code
