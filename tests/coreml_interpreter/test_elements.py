"""The reference interpreter, element by element: torch computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.coreml import call, mb, run_program
from support.filters import noise

X = noise(2, 3, 4).float().numpy()
Y = noise(3, 1, seed=1).float().numpy()
POSITIVE = np.abs(X) + np.float32(0.1)
# Through infinity, as single precision sees it.
EDGES = np.array([-np.inf, -3e38, -1.5, -0.0, 0.0, 1e-45, 1e-38, 0.5, 88.0, 1e38, np.inf], "f4")
INTEGERS = np.array([[-7, 3, 0, 2], [5, -1, 2, 9]], np.int32)
OTHERS = np.array([2, -3, 0, 4], np.int32)


BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
COMPARISONS = {
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "equal": torch.eq,
    "not_equal": torch.ne,
}
UNARY = {
    "abs": torch.abs,
    "square": torch.square,
    "exp": torch.exp,
    "identity": lambda x: x,
}


@pytest.fixture(scope="module")
def binary(tmp_path_factory) -> dict[str, np.ndarray]:
    """All operations on two operands in one package: variable and constant, floats and integers."""

    def build(x, y, i, j):
        found = []
        for name in BINARY:
            operator = getattr(mb, name)
            found += [operator(x=x, y=y), operator(x=x, y=Y), operator(x=X, y=y)]
            if name != "real_div":
                found.append(operator(x=i, y=j))
        for name in COMPARISONS:
            operator = getattr(mb, name)
            for truth in (operator(x=x, y=y), operator(x=x, y=X), operator(x=i, y=OTHERS)):
                found.append(mb.cast(x=truth, dtype="int32"))
        return found

    folder = tmp_path_factory.mktemp("binary")
    found = iter(run_program(folder / "a.mlpackage", build, x=X, y=Y, i=INTEGERS, j=OTHERS))
    results = {name: [next(found) for _ in range(4 - (name == "real_div"))] for name in BINARY}
    return results | {name: [next(found) for _ in range(3)] for name in COMPARISONS}


@pytest.mark.parametrize("name", BINARY)
def test_two_operands_broadcast(name, binary):
    x, y, i, j = map(torch.from_numpy, (X, Y, INTEGERS, OTHERS))
    expected = BINARY[name](x, y).numpy()
    *floats, integers = binary[name] if name != "real_div" else (*binary[name], None)
    assert len(floats) == 3
    for found in floats:
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    if integers is not None:
        assert integers.dtype == np.int32
        np.testing.assert_array_equal(integers, BINARY[name](i, j).numpy())


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name, binary):
    x, y, i, j = map(torch.from_numpy, (X, Y, INTEGERS, OTHERS))
    expected = [(x, y), (x, x), (i, j)]
    for found, operands in zip(binary[name], expected, strict=True):
        np.testing.assert_array_equal(found, COMPARISONS[name](*operands).int().numpy())


def test_logic_and_selection(tmp_path):
    def build(x, y, i):
        p, q = mb.greater(x=x, y=0.0), mb.less(x=y, y=0.2)
        found = [mb.logical_and(x=p, y=q), mb.logical_or(x=p, y=q), mb.logical_not(x=p)]
        return [
            *(mb.cast(x=value, dtype="fp32") for value in found),
            mb.select(cond=p, a=x, b=y),
            mb.select(cond=q, a=y, b=x),
            mb.select(cond=p, a=1.0, b=x),
            mb.select(cond=mb.greater(x=i, y=0), a=i, b=mb.sub(x=0, y=i)),
        ]

    found = run_program(tmp_path / "a.mlpackage", build, x=X, y=Y, i=INTEGERS)
    x, y, i = map(torch.from_numpy, (X, Y, INTEGERS))
    p, q = x > 0.0, y < 0.2
    expected = [
        (p & q).float(),
        (p | q).float(),
        (~p).float(),
        torch.where(p, x, y),
        torch.where(q, y, x),
        torch.where(p, 1.0, x),
        i.abs(),
    ]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two.numpy())


def test_one_operand(tmp_path):
    def build(x, i):
        return [
            *(getattr(mb, name)(x=x) for name in UNARY),
            *(getattr(mb, name)(x=i) for name in UNARY if name != "exp"),
            mb.clip(x=x, alpha=-1.0, beta=1e4),
            mb.clip(x=x, alpha=-np.inf, beta=3e38),
            mb.fill_like(ref_tensor=x, value=-2.5),
            mb.fill_like(ref_tensor=i, value=3),
            mb.fill_like(ref_tensor=x),
        ]

    found = run_program(tmp_path / "a.mlpackage", build, x=EDGES, i=INTEGERS)
    x, i = torch.from_numpy(EDGES), torch.from_numpy(INTEGERS)
    expected = [
        *(function(x) for function in UNARY.values()),
        *(function(i) for name, function in UNARY.items() if name != "exp"),
        x.clamp(-1.0, 1e4),
        x.clamp(-np.inf, 3e38),
        torch.full_like(x, -2.5),
        torch.full_like(i, 3),
        torch.zeros_like(x),
    ]
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.numpy().dtype
        np.testing.assert_allclose(one, two.numpy(), rtol=2e-7)


def test_roots_and_logarithms_have_epsilons(tmp_path):
    """Trap 2: 1/x is 1/(x + 1e-4) where nobody says otherwise; log(0) is that of the epsilon."""
    x = np.array([0.0, 1e-45, 1e-30, 1e-5, 1e-4, 0.25, 3.0, 1e10], np.float32)

    def build(x):
        return [
            mb.log(x=x),
            mb.log(x=x, epsilon=0.5),
            mb.inverse(x=x),
            mb.inverse(x=x, epsilon=0.25),
            mb.rsqrt(x=x),
            mb.rsqrt(x=x, epsilon=2.0),
            mb.sqrt(x=x),
            mb.tanh(x=x),
        ]

    found = run_program(tmp_path / "a.mlpackage", build, x=x)
    t = torch.from_numpy(x)
    tiny = torch.tensor(1e-45)
    expected = [
        torch.log(t + tiny),
        torch.log(t + 0.5),
        1.0 / (t + 1e-4),
        1.0 / (t + 0.25),
        torch.rsqrt(t + 1e-12),
        torch.rsqrt(t + 2.0),
        torch.sqrt(t),
        torch.tanh(t),
    ]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two.numpy(), rtol=3e-7)
    # The builder writes the documented defaults out; a package may leave them away.
    for name, one in (("log", found[0]), ("inverse", found[2]), ("rsqrt", found[4])):
        np.testing.assert_array_equal(call(name, x=x), one)
    assert found[0][0] == pytest.approx(-103.28, abs=0.01), "finite"
    assert found[2][3] == pytest.approx(1.0 / 1.1e-4), "and ten times off"


def test_a_constant_base_of_two_is_squared_instead(tmp_path):
    """Trap 3: Apple's runtime computes y * y for 2 ** y, and only for the constant 2."""

    def build(x, b):
        return [
            mb.pow(x=2.0, y=x),
            mb.pow(x=np.full((4,), 2.0, np.float32), y=x),
            mb.pow(x=3.0, y=x),
            mb.pow(x=b, y=x),
            mb.pow(x=b, y=2.0),
        ]

    b = np.full((3, 1), 2.0, np.float32)
    found = run_program(tmp_path / "a.mlpackage", build, x=X, b=b)
    x, b = torch.from_numpy(X), torch.from_numpy(b)
    expected = [x * x, x * x, 3.0**x, torch.pow(b, x), b * b]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two.numpy(), rtol=1e-6)


def test_casts(tmp_path):
    x = np.array([-2.9, -0.5, 0.0, 0.49, 1.5, 2049.2, 1e-9], np.float32)

    def build(x, i):
        half = mb.cast(x=mb.cast(x=x, dtype="fp16"), dtype="fp32")
        truth = mb.cast(x=x, dtype="bool")
        return [
            mb.cast(x=x, dtype="int32"),
            half,
            mb.cast(x=truth, dtype="int32"),
            mb.cast(x=truth, dtype="fp32"),
            mb.cast(x=i, dtype="fp32"),
        ]

    found = run_program(tmp_path / "a.mlpackage", build, x=x, i=INTEGERS)
    t, i = torch.from_numpy(x), torch.from_numpy(INTEGERS)
    expected = [t.int(), t.half().float(), t.bool().int(), t.bool().float(), i.float()]
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.numpy().dtype
        np.testing.assert_array_equal(one, two.numpy())


def test_half_precision_rounds_after_every_operation(tmp_path):
    def build(x, y):
        p, q = mb.cast(x=x, dtype="fp16"), mb.cast(x=y, dtype="fp16")
        results = [
            mb.add(x=p, y=q),
            mb.matmul(x=p, y=q, transpose_y=True),
            mb.reduce_sum(x=p, axes=[-1]),
            mb.cumsum(x=p, axis=-1),
            mb.exp(x=p),
        ]
        return [mb.cast(x=value, dtype="fp32") for value in results]

    x, y = 30.0 * X, noise(3, 4, seed=3).float().numpy()
    found = run_program(tmp_path / "a.mlpackage", build, x=x / 10.0, y=y)
    p, q = torch.from_numpy(x / np.float32(10.0)).half(), torch.from_numpy(y).half()
    expected = [p + q, (p.float() @ q.float().mT).half(), p.float().sum(-1).half()]
    expected += [p.float().cumsum(-1).half(), p.exp()]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two.float().numpy(), rtol=1e-3)
        np.testing.assert_array_equal(one, one.astype(np.float16))


def test_half_precision_is_summed_in_single():
    """A half of 2048 does not change by adding 1."""
    ones = np.ones(5000, np.float16)
    assert call("reduce_sum", x=ones) == 5000
    assert call("cumsum", x=ones)[-1] == 5000
    assert call("matmul", x=ones[None], y=ones[:, None]) == 5000
    assert call("linear", x=ones, weight=ones[None])[0] == 5000
