"""Programs in the converters' dialect without a second trace."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn

from amt_export.export.capture import quiet_torch
from amt_export.export.to_aten import functional
from amt_export.modules import DRNLFilterbank, Moore2016FrontEnd

aten = torch.ops.aten


class Function(nn.Module):
    """A function of one tensor as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor):
        return self.function(x)


@pytest.fixture
def traces(monkeypatch):
    """How often a program was decomposed by running it anew."""
    found = []
    original = torch.export.ExportedProgram.run_decompositions

    def counted(self, *arguments, **options):
        found.append(1)
        return original(self, *arguments, **options)

    monkeypatch.setattr(torch.export.ExportedProgram, "run_decompositions", counted)
    return found


def exported(module, *inputs):
    with torch.no_grad():
        return torch.export.export(module, inputs, strict=False)


def targets(program):
    """Operations in order; not what torch asserts of an argument before it is cast."""
    calls = [node.target for node in program.graph.nodes if node.op == "call_function"]
    return [call for call in calls if call is not aten._assert_tensor_metadata.default]


def assert_same_answers(program, module, *inputs):
    """As the module answers, before and after a file."""
    archive = io.BytesIO()
    with quiet_torch():
        torch.export.save(program, archive)
    archive.seek(0)
    with torch.no_grad():
        expected = module(*inputs)
        for version in (program, torch.export.load(archive)):
            found = version.module()(*inputs)
            assert type(found) is type(expected)
            pairs = (
                [(found, expected)]
                if isinstance(found, Tensor)
                else zip(found, expected, strict=True)
            )
            for ours, right in pairs:
                assert ours.dtype == right.dtype
                assert torch.equal(ours, right)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: DRNLFilterbank((500.0, 2000.0), 16000, 4, dtype=torch.float32), (1, 640)),
        (Moore2016FrontEnd, (1, 2, 2144)),
    ],
    ids=["DRNL", "front end"],
)
def test_our_modules_need_no_second_trace(make, shape, traces):
    module = make().frozen(shape[-1])
    torch.manual_seed(1)
    audio = 0.1 * torch.randn(shape)
    program = functional(exported(module, audio))
    assert not traces
    assert program.dialect == "ATEN"
    assert_same_answers(program, module, audio)
    # What torch makes of it has no other operations; some of them more often.
    usual = targets(exported(module, audio).run_decompositions({}))
    assert set(usual) == set(targets(program))
    assert len(usual) >= len(targets(program))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.reshape(4, 3), [aten.view.default]),
        (
            lambda x: x.transpose(0, 1).reshape(12),
            [aten.transpose.int, aten.clone.default, aten.view.default],
        ),
        (lambda x: x.to(torch.float32) + 1.0, [aten.add.Tensor]),
        (lambda x: x.to(torch.float64), [aten._to_copy.default]),
        (lambda x: (x + 1.0) * (x + 1.0), [aten.add.Tensor, aten.mul.Tensor]),
        (lambda x: (x + 1.0, x * 2.0)[0], [aten.add.Tensor]),
        (lambda x: (x + 1.0, x + 1.0), [aten.add.Tensor]),
        (lambda x: (x + 1.0) - (x + 1), [aten.add.Tensor, aten.add.Tensor, aten.sub.Tensor]),
        (lambda x: x @ x.transpose(0, 1), [aten.transpose.int, aten.matmul.default]),
    ],
    ids=[
        "view",
        "reshape that copies",
        "no cast",
        "cast",
        "twice",
        "unused",
        "both",
        "int and float",
        "product",
    ],
)
def test_rewritten(function, expected, traces):
    module, x = Function(function), torch.arange(12.0).reshape(2, 6)
    program = functional(exported(module, x))
    assert not traces
    assert targets(program) == expected
    assert_same_answers(program, module, x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x * 1.0).add_(1.0),
        lambda x: torch.chunk(x, 2, dim=1)[1] + 1.0,
        lambda x: x.to(torch.float64, copy=True),
    ],
    ids=["in place", "chunk", "copy"],
)
def test_what_is_not_simple_is_traced_again(function, traces):
    module, x = Function(function), torch.arange(12.0).reshape(2, 6)
    program = functional(exported(module, x))
    assert traces
    assert program.dialect == "ATEN"
    assert not any(
        target._schema.is_mutable for target in targets(program) if hasattr(target, "_schema")
    )
    assert_same_answers(program, module, x)


def test_random_numbers_are_not_merged():
    program = functional(
        exported(Function(lambda x: torch.rand_like(x) - torch.rand_like(x)), torch.ones(9))
    )
    assert program.module()(torch.ones(9)).abs().max() > 0.0
