"""The products, sums and compressed weights of the reference interpreter: torch computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from amt_export.coreml_interpreter.signature import MismatchError
from support.coreml import call, mb, run_program
from support.filters import noise

X = noise(2, 3, 4).float().numpy()
Y = noise(3, 1, seed=1).float().numpy()
POSITIVE = np.abs(X) + np.float32(0.1)
# Through infinity, as single precision sees it.
EDGES = np.array([-np.inf, -3e38, -1.5, -0.0, 0.0, 1e-45, 1e-38, 0.5, 88.0, 1e38, np.inf], "f4")
INTEGERS = np.array([[-7, 3, 0, 2], [5, -1, 2, 9]], np.int32)
OTHERS = np.array([2, -3, 0, 4], np.int32)


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
