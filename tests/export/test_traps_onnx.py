"""The traps of the ONNX exporter and its runtime: each is real, and ours is not caught in it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from amt_export.errors import LintError
from amt_export.export.capture import quiet_torch
from amt_export.export.onnx import export_onnx
from amt_export.lint import errors_of, lint
from amt_export.model_file.building import build_module
from amt_export.modules.filterbanks.compression import broken_stick
from amt_export.verify.parity import load, settings
from support.filters import noise, small_specs
from support.traps import MODELS, Complex, program_of, publish_with, rules


def run_onnx(path, **inputs) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


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
    folder = published("gammatone")
    manifest = load.Manifest.from_json((folder / "manifest.json").read_text())

    def as_session_says(port):
        return SimpleNamespace(name=port.name, shape=list(port.shape), type="tensor(float)")

    class Session:
        def __init__(self, path, options, providers):
            asked.extend(providers)

        def get_providers(self):
            return [name for name, _ in asked]

        def get_inputs(self):
            return [as_session_says(port) for port in manifest.inputs]

        def get_outputs(self):
            return [as_session_says(port) for port in manifest.outputs]

    cuda = "CUDAExecutionProvider"
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda])
    load.open_artifact(folder, manifest, manifest.entry("onnx"), cuda)
    assert asked == [(cuda, {"use_tf32": "0"})]
    assert cuda in settings.providers()[0]


# 7. What the dynamo exporter cannot, or does besides


def test_trap_7_complex_graphs_are_not_exported():
    with quiet_torch(), pytest.raises(torch.onnx.errors.OnnxExporterError, match="unsqueeze"):
        torch.onnx.export(Complex(), (torch.zeros(1, 16),), dynamo=True, verbose=False)


@pytest.mark.parametrize("name", MODELS)
def test_trap_7_ours_compute_with_real_numbers(name):
    module = build_module(small_specs()[name]).freeze(1500)
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
