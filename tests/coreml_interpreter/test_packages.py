"""Saved packages of real models: right, they agree with eager torch; changed in one place, they do not."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from amt_export.coreml_interpreter import Interpreter, open_package
from amt_export.errors import ArtifactError
from amt_export.export import capture
from amt_export.export.capture import quiet_torch
from support.coreml import (
    TOLERANCE,
    Proven,
    argument,
    block_of,
    change_weight,
    constants,
    ct,
    edited,
    exported,
    numbers,
)
from support.coreml_modules import MODULES
from support.filters import noise


@pytest.mark.parametrize("name", MODULES)
def test_every_module_computes_what_eager_torch_does(name, proven):
    model = proven(name)
    worst = model.worst(model.package)
    assert {port.name for port in model.ports} == worst.keys()
    for port in model.ports:
        assert worst[port.name] <= TOLERANCE[port.kind], worst
    assert model.outcome(model.package) == "passes"


# One change


def change_slice(model, operation) -> None:
    """Move the slice by one, or its beginning where it runs to the end."""
    begin, end = (numbers(argument(model, operation, name)) for name in ("begin", "end"))
    to_the_end = numbers(argument(model, operation, "end_mask"))
    for axis in range(len(begin)):
        if not to_the_end[axis]:
            step = -1 if begin[axis] > 0 else 1
            begin[axis] += step
            end[axis] += step
            return
        if begin[axis] > 0:
            begin[axis] -= 1
            return


def change_product(model, operation) -> None:
    flag = numbers(argument(model, operation, "transpose_y"))
    flag[0] = not flag[0]


def changed_one_by_one(model: Proven, kind: str, change, folder: Path) -> list[str]:
    """What becomes of copies in which one operation of a kind is changed."""
    block = block_of(open_package(model.package).model)
    found = []
    for index, operation in enumerate(block.operations):
        if operation.type == kind:
            package = model.copy(folder)
            with edited(package) as damaged:
                change(damaged, block_of(damaged).operations[index])
            found.append(model.outcome(package))
    return found


@pytest.mark.parametrize(
    ("name", "kind", "change", "expected"),
    [
        ("gammatone", "slice_by_index", change_slice, {"differs"}),
        ("gammatone", "matmul", change_product, {"differs", "refused"}),
        ("multires", "slice_by_index", change_slice, {"differs", "refused"}),
    ],
)
def test_a_changed_slice_or_product_is_found_out(name, kind, change, expected, proven, tmp_path):
    """All of them, one at a time; a shape that cannot be is refused before it is computed with."""
    found = changed_one_by_one(proven(name), kind, change, tmp_path)
    assert len(found) >= 3
    assert set(found) == expected, found


@pytest.mark.parametrize(("name", "tables"), [("gammatone", 8), ("multires", 8)])
def test_one_changed_weight_is_found_out(name, tables, proven, tmp_path):
    """The largest number of each table, larger by half. Some tables make up 1e-3 of a sum only."""
    model, found = proven(name), []
    for value in constants(open_package(model.package).model).values():
        if value.WhichOneof("value") == "blobFileValue":
            package = model.copy(tmp_path)
            if change_weight(package, value.blobFileValue.offset, 0.5):
                found.append(model.outcome(package))
    assert len(found) >= tables
    assert set(found) == {"differs"}


class Turned(nn.Module):
    """Dimensions in another order, of equal and of different sizes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x.permute(2, 0, 1)).permute(1, 0, 2)


def test_a_changed_transpose_is_found_out(tmp_path):
    x = noise(4, 4, 5).float()
    interpreter = exported(Turned(), tmp_path / "a.mlpackage", x)
    expected = Turned()(x).numpy()
    np.testing.assert_allclose(interpreter.run({"x0": x.numpy()})["y"], expected, rtol=1e-6)
    for axes, outcome in (((1, 2), "differs"), ((0, 1), "refused")):
        # The sizes of the last two axes are equal, those of the first two are not.
        package = Path(shutil.copytree(tmp_path / "a.mlpackage", tmp_path / f"{outcome}.mlpackage"))
        with edited(package) as model:
            turn = next(o for o in block_of(model).operations if o.type == "transpose")
            perm = numbers(argument(model, turn, "perm"))
            perm[axes[0]], perm[axes[1]] = perm[axes[1]], perm[axes[0]]
        changed = Interpreter(package)
        if outcome == "differs":
            assert not np.allclose(changed.run({"x0": x.numpy()})["y"], expected)
        else:
            with pytest.raises(ArtifactError, match="the program declares"):
                changed.run({"x0": x.numpy()})


def test_half_precision_is_found_out(proven, tmp_path):
    """Trap 6: the converter's default, if somebody forgot to say float32."""
    frozen = MODULES["gammatone"][0]().freeze(2000)
    program = capture(frozen, (torch.zeros(2, 2000),), ("audio",), ("subbands",))
    with quiet_torch(), torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        converted = ct.convert(
            program.exported,
            inputs=[ct.TensorType(name="audio", shape=(2, 2000), dtype=np.float32)],
            outputs=[ct.TensorType(name="subbands", dtype=np.float32)],
            minimum_deployment_target=ct.target.iOS16,
            skip_model_load=True,
        )
    converted.save(str(tmp_path / "half.mlpackage"))
    assert proven("gammatone").outcome(tmp_path / "half.mlpackage") == "differs"
