"""The reference interpreter, operation by operation: torch computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coreml_checks import call, exported, mb, run_program
from filter_checks import noise
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from amt_export.coreml_reference import OPERATIONS
from amt_export.coreml_reference.signature import MismatchError
from amt_export.parity.coreml_interface import KNOWN_OPERATORS

X = noise(2, 3, 4).float().numpy()
Y = noise(3, 1, seed=1).float().numpy()
POSITIVE = np.abs(X) + np.float32(0.1)
# Through infinity, as single precision sees it.
EDGES = np.array([-np.inf, -3e38, -1.5, -0.0, 0.0, 1e-45, 1e-38, 0.5, 88.0, 1e38, np.inf], "f4")
INTEGERS = np.array([[-7, 3, 0, 2], [5, -1, 2, 9]], np.int32)
OTHERS = np.array([2, -3, 0, 4], np.int32)


def test_every_operation_of_our_graphs_is_known():
    assert KNOWN_OPERATORS - {"const"} <= OPERATIONS.keys()


# Elements

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
UNARY = {"abs": torch.abs, "square": torch.square, "exp": torch.exp, "identity": lambda x: x}


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


# Products and sums


@pytest.mark.parametrize("transpose_x", [False, True])
@pytest.mark.parametrize("transpose_y", [False, True])
def test_matmul(transpose_x, transpose_y, tmp_path):
    shapes = [
        ((5, 3), (3, 4)),
        ((2, 1, 5, 3), (4, 3, 6)),
        ((1, 5, 3), (2, 2, 3, 3)),
        ((7, 7), (7, 7)),
    ]
    inputs = {}
    for index, (a, b) in enumerate(shapes):
        a = (*a[:-2], a[-1], a[-2]) if transpose_x else a
        b = (*b[:-2], b[-1], b[-2]) if transpose_y else b
        inputs[f"a{index}"] = noise(*a, seed=index).float().numpy()
        inputs[f"b{index}"] = noise(*b, seed=9 + index).float().numpy()
    flags = {"transpose_x": transpose_x, "transpose_y": transpose_y}

    def build(*values):
        pairs = [(values[i], values[i + 1]) for i in range(0, len(values), 2)]
        variable = [mb.matmul(x=a, y=b, **flags) for a, b in pairs]
        return [*variable, *(mb.matmul(x=a, y=inputs[b.name], **flags) for a, b in pairs)]

    found = run_program(tmp_path / "a.mlpackage", build, **inputs)
    tensors = [torch.from_numpy(value) for value in inputs.values()]
    for index, result in enumerate(found):
        a, b = tensors[2 * (index % 4) : 2 * (index % 4) + 2]
        expected = (a.mT if transpose_x else a) @ (b.mT if transpose_y else b)
        np.testing.assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_matmul_of_vectors():
    a, b, m = noise(3).float(), noise(3, seed=1).float(), noise(2, 3, 3).float()
    for x, y in ((a, b), (a, m), (m, b)):
        found = call("matmul", x=x.numpy(), y=y.numpy())
        np.testing.assert_allclose(found, (x @ y).numpy(), rtol=1e-5, atol=1e-6)
    i = np.arange(6, dtype=np.int32).reshape(2, 3)
    found = call("matmul", x=i, y=i, transpose_y=True)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, i @ i.T)


@pytest.mark.parametrize("shape", [(700, 40, 30), (9, 1025, 150), (1500, 513, 1), (3000, 8, 300)])
def test_large_products_in_pieces(shape):
    """Cut into rows, so that they stay on one core."""
    rows, depth, columns = shape
    x, y = noise(2, 1, rows, depth).float(), noise(3, depth, columns, seed=1).float()
    found = call("matmul", x=x.numpy(), y=y.numpy())
    np.testing.assert_allclose(found, (x @ y).numpy(), rtol=1e-4, atol=1e-4)


def test_linear(tmp_path):
    weight, bias = noise(5, 4, seed=2).float().numpy(), noise(5, seed=3).float().numpy()

    def build(x, y):
        return [
            mb.linear(x=x, weight=weight, bias=bias),
            mb.linear(x=y, weight=weight),
            mb.linear(x=X[0, 0], weight=weight, bias=bias),
        ]

    y = noise(6, 4).float().numpy()
    found = run_program(tmp_path / "a.mlpackage", build, x=X, y=y)
    w, b = torch.from_numpy(weight), torch.from_numpy(bias)
    expected = [
        nn.functional.linear(torch.from_numpy(X), w, b),
        nn.functional.linear(torch.from_numpy(y), w),
        nn.functional.linear(torch.from_numpy(X[0, 0]), w, b),
    ]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two.numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(MismatchError, match="three dimensions"):
        call("linear", x=np.zeros((1, 2, 3, 4), np.float32), weight=weight)


REDUCTIONS = {
    "reduce_sum": torch.sum,
    "reduce_mean": torch.mean,
    "reduce_max": torch.amax,
    "reduce_min": torch.amin,
}


@pytest.mark.parametrize("axes", [None, [1], [-1], [0, 2], [-2, -1], [0, 1, 2]])
def test_reductions(axes, tmp_path):
    def build(x, i):
        options = [{}] if axes is None else [{"axes": axes}]
        options += [{**options[0], "keep_dims": flag} for flag in (False, True)]
        found = [getattr(mb, name)(x=x, **o) for name in REDUCTIONS for o in options]
        integers = [getattr(mb, name)(x=i) for name in ("reduce_sum", "reduce_max")]
        return [mb.reshape(x=v, shape=[1]) if v.rank == 0 else v for v in (*found, *integers)]

    found = run_program(tmp_path / "a.mlpackage", build, x=X, i=INTEGERS)
    x, dims = torch.from_numpy(X), [0, 1, 2] if axes is None else axes
    expected = [
        function(x, dim=dims, keepdim=flag).numpy()
        for function in REDUCTIONS.values()
        for flag in (False, False, True)
    ]
    for one, two in zip(found[:-2], expected, strict=True):
        assert one.dtype == np.float32
        assert one.shape == (two.shape or (1,))
        np.testing.assert_allclose(one.reshape(two.shape), two, rtol=1e-6, atol=1e-6)
    assert [v.tolist() for v in found[-2:]] == [[INTEGERS.sum()], [INTEGERS.max()]]
    assert found[-1].dtype == found[-2].dtype == np.int32


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans(), st.booleans(), st.data())
def test_cumsum(shape, exclusive, reverse, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    for dtype in (np.float32, np.int32):
        x = np.random.default_rng(1).integers(-9, 9, shape).astype(dtype)
        found = call("cumsum", x=x, axis=axis, exclusive=exclusive, reverse=reverse)
        t = torch.from_numpy(x)
        t = t.flip(axis) if reverse else t
        expected = t.cumsum(axis, dtype=t.dtype) - (t if exclusive else 0)
        expected = expected.flip(axis) if reverse else expected
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected.numpy())


def test_cumsum_of_a_package(tmp_path):
    def build(x, i):
        return [
            mb.cumsum(x=x),
            mb.cumsum(x=x, axis=-1, exclusive=True),
            mb.cumsum(x=i, axis=1, reverse=True),
        ]

    found = run_program(tmp_path / "a.mlpackage", build, x=X, i=INTEGERS)
    x, i = torch.from_numpy(X), torch.from_numpy(INTEGERS)
    expected = [x.cumsum(0), x.cumsum(-1) - x, i.flip(1).cumsum(1).flip(1)]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two.numpy(), rtol=1e-6, atol=1e-6)
    assert found[2].dtype == np.int32


# Compressed weights


def test_compressed_weights(tmp_path):
    """Our graphs have none; the interpreter does not stop at a package that has."""
    half = X[0].astype(np.float16)
    quantized = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    scale, zero = np.array([0.5, 0.25, 2.0], np.float32), np.array([1, -2, 3], np.int8)
    table = np.array([1.5, -2.0, 0.25, 8.0], np.float32)
    packed = np.array([0b11100100, 0b00011011, 0b01000001], np.uint8)  # two bits an entry
    mask = np.array([0b00101101, 0b00000110], np.uint8)

    def build(x):
        sizes = np.array([3, 4], np.uint32)
        compressed = [
            mb.constexpr_cast(source_val=half, output_dtype="fp32"),
            mb.constexpr_affine_dequantize(
                quantized_data=quantized, zero_point=zero, scale=scale, axis=0
            ),
            mb.constexpr_affine_dequantize(
                quantized_data=quantized, zero_point=np.int8(2), scale=np.float32(0.5), axis=0
            ),
            mb.constexpr_lut_to_dense(indices=packed, lut=table, shape=sizes),
            mb.constexpr_sparse_to_dense(nonzero_data=X.ravel()[:6], mask=mask, shape=sizes),
        ]
        return [mb.add(x=x, y=value) for value in compressed]

    found = run_program(tmp_path / "a.mlpackage", build, x=np.zeros((3, 4), np.float32))
    entries = [0, 1, 2, 3, 3, 2, 1, 0, 1, 0, 0, 1]
    sparse = np.zeros(12, np.float32)
    sparse[[0, 2, 3, 5, 9, 10]] = X.ravel()[:6]
    expected = [
        half.astype(np.float32),
        scale[:, None] * (quantized.astype(np.float32) - zero[:, None]),
        0.5 * (quantized.astype(np.float32) - 2.0),
        table[entries].reshape(3, 4),
        sparse.reshape(3, 4),
    ]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


# What is not known is refused


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("add", {"x": X}, "lacks its parameter y"),
        ("add", {"x": X, "y": Y, "alpha": Y}, "parameter alpha that is not known"),
        ("add", {"x": X, "y": INTEGERS}, "mixes float32 and int32"),
        ("add", {"x": X > 0, "y": Y > 0}, "does not take bool"),
        ("exp", {"x": X.astype(np.float64)}, "does not take float64"),
        ("real_div", {"x": INTEGERS, "y": OTHERS}, "does not take int32"),
        ("concat", {"values": [X, INTEGERS], "axis": 0}, "mixes"),
        ("cast", {"x": X, "dtype": "int64"}, "casts to int64"),
        ("cast", {"x": X, "dtype": 3}, "parameter dtype that is int64"),
        ("cumsum", {"x": X, "axis": [0]}, "parameter axis that is"),
        ("cumsum", {"x": X, "axis": 0.0}, "parameter axis that is float64"),
        ("select", {"cond": X, "a": X, "b": X}, "parameter cond that is float32"),
        ("gather", {"x": X, "indices": X}, "parameter indices that is float32"),
        ("gather", {"x": X, "indices": OTHERS}, "outside a dimension of 2"),
        ("gather", {"x": X, "indices": 0, "axis": 3}, "axis 3 beyond rank 3"),
        ("gather", {"x": X, "indices": 0, "axis": 1, "batch_dims": 1}, "shares 1 dimensions"),
        ("gather_along_axis", {"x": X, "indices": OTHERS}, "indexes"),
        ("scatter", {"data": X, "indices": 0, "updates": X}, "puts"),
        (
            "scatter_along_axis",
            {"data": X, "indices": INTEGERS[:1, None, :] * 0, "updates": X, "mode": "div"},
            "indexes|puts",
        ),
        (
            "scatter_along_axis",
            {"data": INTEGERS, "indices": 0 * INTEGERS, "updates": INTEGERS, "mode": "div"},
            "mode div that is not known here for int32",
        ),
        (
            "scatter_along_axis",
            {"data": INTEGERS, "indices": 0 * INTEGERS, "updates": INTEGERS, "mode": "xor"},
            "mode xor",
        ),
        ("slice_by_index", {"x": X, "begin": [0], "end": [1]}, "another rank than 3"),
        ("tile", {"x": X, "reps": [1, 2]}, "repeats"),
        ("split", {"x": X, "axis": 1, "num_splits": 2}, "cuts 3 into 2"),
        ("split", {"x": X, "axis": 1}, "cuts 3 into None"),
        ("split", {"x": X, "axis": 1, "split_sizes": [1, 1]}, "cuts 3"),
        ("reshape", {"x": X, "shape": [0, 12]}, "of another rank"),
        ("linear", {"x": X, "weight": Y[0]}, "weights of two"),
        ("constexpr_cast", {"source_val": X, "output_dtype": "int4"}, "casts to int4"),
    ],
)
def test_what_it_does_not_know_it_refuses(kind, arguments, message):
    with pytest.raises(MismatchError, match=message):
        call(kind, **arguments)


# Through the product's own exporter


class Mixture(nn.Module):
    """Operations as torch writes them: what the converter makes of them is evaluated."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = torch.arange(3, -1, -1)
        y = torch.cat([x.flip(-1), x[..., order], x.cumsum(-1)], dim=1).transpose(1, 2)
        level = 10.0 * torch.log10(torch.clamp(y * y, min=1e-12))
        loudest = level.amax(-1, keepdim=True)
        kept = torch.where(level > loudest - 20.0, level, torch.zeros_like(level))
        return torch.stack(torch.split(kept, [4, 4, 1], dim=-1)[:2], dim=1).sum(1)


def test_what_the_converter_makes_of_torch(tmp_path):
    x = torch.from_numpy(X)
    interpreter = exported(Mixture(), tmp_path / "a.mlpackage", x)
    found = interpreter.run({"x0": X})["y"]
    np.testing.assert_allclose(found, Mixture()(x).numpy(), rtol=1e-5, atol=1e-5)


class Trapped(nn.Module):
    """What torch users write, and the converter takes at its word."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([1.0 / x, torch.pow(2.0, x), torch.pow(10.0, x), torch.rsqrt(x)])


def test_traps_2_and_3_have_the_numbers_of_a_mac(tmp_path):
    x = torch.tensor([[1e-4, 0.01, 1.0, 3.0]])
    found = exported(Trapped(), tmp_path / "a.mlpackage", x).run({"x0": x.numpy()})["y"]
    expected = torch.stack([1.0 / (x + 1e-4), x * x, 10.0**x, torch.rsqrt(x)])
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
    assert not np.allclose(found[:2], Trapped()(x).numpy()[:2], rtol=1e-3)
