"""`lint` on Core ML packages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from amt_export.errors import ArtifactError
from amt_export.export import capture
from amt_export.export.coreml import export_coreml
from amt_export.lint import errors_of, lint
from support.coreml import ct, edited, mb, save_program, weight_file
from support.lint import judged


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rsqrt(x * x + 1e-3)


def test_core_ml_epsilons(tmp_path):
    x = torch.ones(1, 4)
    export_coreml(capture(Root(), (x,), ("x",), ("level",)), tmp_path / "a.mlpackage", {})
    assert judged(lint(tmp_path / "a.mlpackage")) == [("warning", "own-epsilon")]
    x = np.ones((1, 4), np.float32)
    for epsilon, severity in ((None, "error"), (1e-4, "error"), (1e-12, "warning"), (0.0, "")):
        options = {} if epsilon is None else {"epsilon": np.float32(epsilon)}
        package = save_program(
            tmp_path / f"{epsilon}.mlpackage",
            lambda x, options=options: [mb.inverse(x=mb.exp(x=mb.abs(x=x)), **options)],
            x=x,
        )
        found = [f for f in lint(package) if f.rule == "own-epsilon"]
        assert [f.severity for f in found] == ([severity] if severity else []), epsilon


def test_core_ml_epsilons_of_log_count(tmp_path):
    x = np.ones((1, 4), np.float32)
    for epsilon, expected in (
        (1e-45, [("error", "epsilon")]),
        (1e-12, [("warning", "own-epsilon")]),
    ):
        package = save_program(
            tmp_path / f"{epsilon}.mlpackage",
            lambda x, epsilon=epsilon: [mb.log(x=mb.square(x=x), epsilon=np.float32(epsilon))],
            x=x,
        )
        assert [j for j in judged(lint(package)) if j[1] != "name"] == expected


def test_core_ml_loops_are_seen_inside_and_out(tmp_path):
    package = save_program(
        tmp_path / "a.mlpackage",
        lambda x: [
            mb.cond(
                pred=mb.greater(x=mb.reduce_sum(x=x, axes=[0, 1]), y=0.0),
                _true_fn=lambda: mb.log(x=mb.abs(x=x)),
                _false_fn=lambda: mb.exp(x=x),
            )
        ],
        x=np.ones((1, 4), np.float32),
    )
    found = lint(package)
    assert {(f.severity, f.rule, f.op) for f in found if f.rule != "name"} == {
        ("error", "control-flow", "cond"),
        ("error", "epsilon", "log"),
    }


def test_core_ml_weights_are_looked_into(tmp_path):
    table = np.ones(4096, np.float32)
    table[17] = np.inf
    package = save_program(
        tmp_path / "a.mlpackage", lambda x: [mb.mul(x=x, y=table)], x=np.ones(4096, np.float32)
    )
    assert [f.rule for f in errors_of(lint(package))] == ["not-finite"]
    data = bytearray(weight_file(package).read_bytes())
    weight_file(package).write_bytes(data[:-2000])
    with pytest.raises(ArtifactError, match=r"weight file is truncated"):
        lint(package)
    weight_file(package).unlink()
    with pytest.raises(ArtifactError, match=r"weight file is missing"):
        lint(package)


def test_core_ml_dynamic_shapes_and_versions(tmp_path):
    x = np.ones((1, 4), np.float32)
    package = save_program(tmp_path / "a.mlpackage", lambda x: [mb.exp(x=x)], x=x)
    with edited(package) as spec:
        spec.specificationVersion = 6
        flexible = spec.description.input[0].type.multiArrayType.shapeRange
        flexible.sizeRanges.add(lowerBound=1, upperBound=8)
    assert {("error", "dynamic-shape"), ("warning", "version")} <= set(judged(lint(package)))


def test_core_ml_compressed_weights(tmp_path):
    import coremltools.optimize as cto

    table = np.linspace(0, 1, 64 * 128, dtype=np.float32).reshape(64, 128)
    package = save_program(
        tmp_path / "a.mlpackage",
        lambda x: [mb.linear(x=x, weight=table)],
        x=np.ones((1, 128), np.float32),
    )
    whole = ct.models.MLModel(str(package), skip_model_load=True)
    options = cto.coreml.OptimizationConfig(
        global_config=cto.coreml.OpLinearQuantizerConfig(weight_threshold=16)
    )
    cto.coreml.linear_quantize_weights(whole, options).save(str(tmp_path / "b.mlpackage"))
    assert "precision" in {f.rule for f in errors_of(lint(tmp_path / "b.mlpackage"))}
