"""`diff`: the node that is wrong is named, and nothing is where nothing is wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from amt_export.errors import ArtifactError, SpecError
from amt_export.export import capture
from amt_export.export.onnx import export_onnx, named_program
from amt_export.manifest import Checkpoint, load_manifest
from amt_export.manifest.ports import Port
from amt_export.model_file.building import build_module
from amt_export.publish import publish
from amt_export.verify.divergence import diverge, search, subject, subject_of
from support.coreml import constants, edited, weight_file
from support.divergence import NUMBERS, SIGNAL, perturb


@pytest.fixture
def published(published_short):
    """Folders of models whose graphs are short, in the two formats that can be looked into."""
    return published_short


def compare(folder: Path, format: str = "onnx", signal: str = SIGNAL):
    with subject_of(str(folder), format) as found:
        return diverge(found, signal)


def plain(program, path: Path) -> subject.Subject:
    """An artifact of a module with one input x and one output y."""
    return subject.Subject(
        name="a",
        format="onnx",
        artifact=path,
        exported=named_program(program),
        ports={"y": Port("y", ("batch", "time"), "", "relative")},
        inputs={"s": {"x": np.linspace(-1, 1, 8, dtype=np.float32)[None]}},
        tolerance=1e-6,
    )


def test_values_that_do_not_fit_in_memory_together_are_all_compared(published, monkeypatch):
    together = compare(published("gammatone"))
    monkeypatch.setattr(search, "CHUNK", 3000)  # some have more numbers, some fewer
    assert compare(published("gammatone")).steps == together.steps


@pytest.mark.parametrize("format", ["onnx", "coreml"])
@pytest.mark.parametrize("name", ["gammatone", "fast_drnl", "levels"])
def test_nothing_departs_in_a_good_artifact(name, format, published):
    found = compare(published(name), format)
    assert found.first is None
    assert not found.constants
    assert found.computed_from == ()
    # Most of what the artifact computes is known by name.
    assert len(found.steps) > max(3 * found.unmatched, 12)
    manifest = load_manifest(published(name))
    assert found.steps[-1].name == manifest.outputs[0].name
    assert found.steps[-1].error < 1e-5
    assert not any(step.departs for step in found.steps)


def test_the_node_that_uses_a_perturbed_initializer_is_named(writable):
    folder, name = writable("gammatone"), NUMBERS
    model = perturb(folder / "gammatone.onnx", name)
    users = {out for node in model.graph.node if name in node.input for out in node.output}
    found = compare(folder)
    assert found.first.name in users
    assert 1e-4 < found.first.error < 1.01e-3
    assert any(name in piece for piece in found.computed_from)
    assert list(found.constants) == [name]
    assert found.constants[name] == pytest.approx(1e-3, rel=0.01)
    before = found.steps[: found.steps.index(found.first)]
    assert all(not step.departs for step in before)


def test_a_wrong_node_in_the_middle_is_named(writable):
    """No weight is wrong, an operator is."""
    folder = writable("fast_drnl")
    model = onnx.load(folder / "fast_drnl.onnx")
    node = next(n for n in model.graph.node if n.op_type == "Sqrt")
    node.op_type = "Abs"
    onnx.save(model, folder / "fast_drnl.onnx")
    found = compare(folder)
    assert (found.first.name, found.first.op) == (node.output[0], "Abs")
    assert not found.constants
    assert set(found.computed_from) & set(node.input)


def sizes(value) -> list[int]:
    """Shape of a constant of a package."""
    return [size.constant.size for size in value.type.tensorType.dimensions]


def test_a_wrong_weight_of_a_core_ml_package_is_named(writable):
    folder = writable("gammatone")
    package = folder / "gammatone.mlpackage"
    with edited(package) as model:
        # The first terms of the impulse responses, as Toeplitz matrices.
        name, value = next(
            (name, value)
            for name, value in constants(model).items()
            if sizes(value)[1:] == [32, 32] and value.WhichOneof("value") == "blobFileValue"
        )
        offset = value.blobFileValue.offset
    data = bytearray(weight_file(package).read_bytes())
    start = int.from_bytes(data[offset + 16 : offset + 24], "little")
    size = int.from_bytes(data[offset + 8 : offset + 16], "little")
    weights = np.frombuffer(data, "<f4", size // 4, start)
    weights[np.abs(weights).argmax()] *= np.float32(1.001)
    weight_file(package).write_bytes(data)
    found = compare(folder, "coreml")
    assert 1e-4 < found.first.error < 1.01e-3
    assert any(name in piece for piece in found.computed_from)
    assert list(found.constants) == [name]


def test_what_lies_between_is_told(tmp_path):
    """Operators without a counterpart in torch are followed back to values that have one."""

    class Root(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.softsign(x * 2.0) + 1.0

    program = capture(Root(), (torch.ones(1, 8),), ("x",), ("y",))
    export_onnx(program, tmp_path / "a.onnx", {})
    model = onnx.load(tmp_path / "a.onnx")
    names = {n for node in model.graph.node for n in node.output}
    last = model.graph.node[-1]
    node = onnx.helper.make_node("Mul", [last.input[0], "wrong"], ["between"])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1.5), "wrong"))
    last.input[0] = "between"
    model.graph.node.insert(len(model.graph.node) - 1, node)
    onnx.save(model, tmp_path / "a.onnx")
    found = diverge(plain(program, tmp_path / "a.onnx"), "s")
    assert found.first.name == "y"
    assert "between (Mul, not compared)" in found.computed_from
    assert "wrong (constant)" in found.computed_from
    assert names & set(found.computed_from)


@pytest.mark.parametrize(("decibels", "departs"), [(0.0005, False), (0.01, True)])
def test_levels_are_compared_in_decibels(decibels, departs, writable):
    """0.01 dB of 90 dB are little as a share, and ten times what is allowed."""
    folder = writable("levels")
    path = folder / "levels.onnx"
    model = onnx.load(path)
    (output,) = (value.name for value in model.graph.output)
    node = next(n for n in model.graph.node if output in n.output)
    node.output[0] = "right"
    model.graph.node.append(onnx.helper.make_node("Add", ["right", "off"], [output]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(decibels), "off"))
    onnx.save(model, path)
    with subject_of(str(folder), "onnx") as levels:
        assert levels.tolerance == pytest.approx(1e-3 * math.log(10) / 20)
        found = diverge(levels, SIGNAL)
    assert found.steps[-1].error == pytest.approx(decibels * math.log(10) / 20, rel=0.05)
    assert (found.first is not None and found.first.name == output) is departs


def test_what_does_not_reach_an_output_does_not_count(tmp_path):
    class Root(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.clamp(x * 2.0 + 9.0, max=1.0) + x

    program = capture(Root(), (torch.ones(1, 8),), ("x",), ("y",))
    export_onnx(program, tmp_path / "a.onnx", {})
    model = onnx.load(tmp_path / "a.onnx")
    (node,) = (n for n in model.graph.node if n.op_type == "Mul")
    node.op_type = "Div"
    onnx.save(model, tmp_path / "a.onnx")
    found = diverge(plain(program, tmp_path / "a.onnx"), "s")
    assert [step.op for step in found.steps if step.beyond] == ["Div", "Add"]
    assert found.first is None
    assert found.computed_from == ()


def test_an_artifact_of_another_model_shares_nothing_or_departs(writable, tmp_path):
    folder = writable("gammatone")
    model = onnx.load(folder / "gammatone.onnx")
    renamed = {
        name: f"n{i}" for i, name in enumerate(n for x in model.graph.node for n in x.output)
    }
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed[name] for name in node.output]
    model.graph.output[0].name = renamed[model.graph.output[0].name]
    del model.graph.value_info[:]
    onnx.save(model, folder / "gammatone.onnx")
    with pytest.raises(ArtifactError, match="shares no value"):
        compare(folder)


def test_a_model_file_is_built_for_it(published, monkeypatch):
    spec = published.spec("gammatone")
    monkeypatch.setattr(subject, "load_spec", lambda _: spec)
    with subject_of("gammatone", "onnx", samples=2048) as whole:
        assert whole.inputs[SIGNAL]["audio"].shape == (1, 2048)
        assert diverge(whole, SIGNAL).first is None
        perturb(whole.artifact, NUMBERS)
        assert NUMBERS in diverge(whole, SIGNAL).constants
    assert not whole.artifact.exists()


def test_a_checkpoint_has_to_be_given_again(published, tmp_path):
    spec = published.spec("gammatone")
    module = build_module(spec)
    module.gains.mul_(1.5)
    torch.save(module.state_dict(), tmp_path / "values.pt")
    values = tmp_path / "values.pt"
    manifest = publish(spec, tmp_path, formats=["onnx"], checkpoint=values)
    assert isinstance(manifest.checkpoint, Checkpoint)
    folder = str(tmp_path / "gammatone")
    with pytest.raises(SpecError, match="--checkpoint FILE"), subject_of(folder, "onnx"):
        pass
    with subject_of(folder, "onnx", checkpoint=values) as found:
        assert diverge(found, SIGNAL).first is None
