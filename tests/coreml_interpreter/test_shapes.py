"""The reference interpreter's operations on shapes: reshaped, cut, turned and joined as torch does it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.coreml import call, mb, run_program
from support.filters import noise

X = noise(2, 3, 4).float().numpy()
Y = noise(3, 1, seed=1).float().numpy()
INTEGERS = np.array([[-7, 3, 0, 2], [5, -1, 2, 9]], np.int32)


def test_shapes_of_a_package(tmp_path):
    """Every operation that moves elements, with all its parameters, saved and read again."""

    def build(x, y, i):
        a, b, c = mb.split(x=x, axis=-1, split_sizes=[1, 2, 1])
        d, e = mb.split(x=x, axis=0, num_splits=2)
        f, g = mb.split(x=x, axis=1, num_splits=2, split_sizes=[1, 2])
        single = mb.reshape(x=x, shape=[2, 1, 3, 1, 4])
        return [
            *(a, b, c, d, e, f, g),
            mb.reshape(x=x, shape=[6, 4]),
            mb.reshape(x=x, shape=[0, 0, -1]),
            mb.reshape(x=x, shape=[-1]),
            mb.transpose(x=x, perm=[2, 0, 1]),
            mb.transpose(x=x, perm=[-1, -3, -2]),
            mb.expand_dims(x=x, axes=[0, -1]),
            mb.expand_dims(x=x, axes=[2]),
            mb.squeeze(x=single, axes=[1]),
            mb.squeeze(x=single, axes=[-2, 1]),
            mb.squeeze(x=single),
            mb.reverse(x=x),
            mb.reverse(x=x, axes=[-1, 0]),
            mb.tile(x=x, reps=[1, 2, 3]),
            mb.concat(values=[x, X], axis=1),
            mb.concat(values=[x, x, X], axis=-1),
            mb.concat(values=[x], axis=0),
            mb.concat(values=[x, X], axis=1, interleave=True),
            mb.stack(values=[x, X, x], axis=0),
            mb.stack(values=[x, X], axis=-1),
            mb.concat(values=[i, INTEGERS], axis=0),
            mb.transpose(x=i, perm=[1, 0]),
            mb.reshape(x=y, shape=mb.const(val=np.array([1, 3], np.int32))),
        ]

    found = run_program(tmp_path / "a.mlpackage", build, x=X, y=Y, i=INTEGERS)
    x, y, i = map(torch.from_numpy, (X, Y, INTEGERS))
    negated = x.reshape(2, 1, 3, 1, 4)
    expected = [
        *x.split([1, 2, 1], -1),
        *x.split([1, 1], 0),
        *x.split([1, 2], 1),
        x.reshape(6, 4),
        x,
        x.reshape(-1),
        x.permute(2, 0, 1),
        x.permute(2, 0, 1),
        x[None, ..., None],
        x[:, :, None],
        negated.squeeze(1),
        negated.squeeze((1, 3)),
        negated.squeeze(),
        x.flip(0, 1, 2),
        x.flip(0, 2),
        x.repeat(1, 2, 3),
        torch.cat([x, x], 1),
        torch.cat([x, x, x], -1),
        x,
        torch.stack([x, x], 2).reshape(2, 6, 4),
        torch.stack([x, x, x]),
        torch.stack([x, x], -1),
        torch.cat([i, i]),
        i.T,
        y.reshape(1, 3),
    ]
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.numpy().dtype
        np.testing.assert_array_equal(one, two.numpy())


def test_slices_of_a_package(tmp_path):
    bounds = [
        ({"begin": [0, 1, 1], "end": [1, 3, 4]}, np.s_[0:1, 1:3, 1:4]),
        ({"begin": [-2, -3, -3], "end": [-1, -1, -1]}, np.s_[-2:-1, -3:-1, -3:-1]),
        (
            {"begin": [1, 2, 3], "end": [0, 0, 0], "stride": [-1, -1, -2]},
            np.s_[1:0:-1, 2:0:-1, 3:0:-2],
        ),
        (
            {"begin": [1, 1, 1], "end": [2, 3, 3], "begin_mask": [True, False, True]},
            np.s_[:2, 1:3, :3],
        ),
        (
            {"begin": [1, 0, 1], "end": [2, 2, 3], "end_mask": [False, True, True]},
            np.s_[1:2, 0:, 1:],
        ),
        (
            {
                "begin": [0, 0, 0],
                "end": [0, 0, 0],
                "stride": [1, -1, -2],
                "begin_mask": [True] * 3,
                "end_mask": [True] * 3,
            },
            np.s_[:, ::-1, ::-2],
        ),
        (
            {"begin": [1, 1, 0], "end": [0, 9, 2], "squeeze_mask": [True, False, False]},
            np.s_[1, 1:, :2],
        ),
        (
            {
                "begin": [-1, -1, 1],
                "end": [0, 0, 4],
                "stride": [1, 1, 2],
                "squeeze_mask": [True, True, False],
            },
            np.s_[-1, -1, 1:4:2],
        ),
    ]

    def build(x, i):
        found = [mb.slice_by_index(x=x, **arguments) for arguments, _ in bounds]
        return [*found, mb.slice_by_index(x=i, begin=[0, 1], end=[2, 4], stride=[1, 2])]

    found = run_program(tmp_path / "a.mlpackage", build, x=X, i=INTEGERS)
    for one, (arguments, index) in zip(found, bounds, strict=False):
        np.testing.assert_array_equal(one, X[index], err_msg=str(arguments))
    np.testing.assert_array_equal(found[-1], INTEGERS[:, 1:4:2])


def by_hand(x, axis, begin, end, stride, begin_mask, end_mask, squeeze):
    """A slice along one axis, index by index, as the documentation describes it."""
    size = x.shape[axis]
    if squeeze:
        return x.select(axis, begin)
    start = begin if begin >= 0 else begin + size
    stop = end if end >= 0 else end + size
    if stride > 0:
        start, stop = 0 if begin_mask else max(start, 0), size if end_mask else min(stop, size)
    else:
        start = size - 1 if begin_mask else min(start, size - 1)
        stop = -1 if end_mask else max(stop, -1)
    return x.index_select(axis, torch.tensor(range(start, stop, stride), dtype=torch.long))


@settings(max_examples=200)
@given(st.data())
def test_slice_by_index(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    expected, lists = x, {}
    flags = st.booleans()
    for axis in reversed(range(len(shape))):
        size = shape[axis]
        stride = data.draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        values = {
            "begin": data.draw(st.integers(-size, size - 1)),
            # Beyond -size there is nothing: -1 in Python's terms would be the last element again.
            "end": data.draw(st.integers(-size, size)),
            "stride": stride,
            "begin_mask": data.draw(flags),
            "end_mask": data.draw(flags),
            "squeeze_mask": data.draw(st.sampled_from([False, False, False, True])),
        }
        expected = by_hand(expected, axis, *values.values())
        for name, value in values.items():
            lists.setdefault(name, []).insert(0, value)
    found = call("slice_by_index", x=x.numpy(), **lists)
    assert found.shape == tuple(expected.shape)
    np.testing.assert_array_equal(found, expected.numpy())


@given(st.permutations(range(4)), st.lists(st.booleans(), min_size=4, max_size=4))
def test_transpose(perm, negative):
    x = torch.arange(120.0).reshape(2, 3, 4, 5)
    given_ = [axis - 4 if flag else axis for axis, flag in zip(perm, negative, strict=True)]
    found = call("transpose", x=x.numpy(), perm=given_)
    np.testing.assert_array_equal(found, x.permute(perm).numpy())


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_reshape(shape, data):
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    target = data.draw(st.permutations(shape))
    expected = x.reshape(target)
    given_ = [
        0 if a == b and data.draw(st.booleans()) else a for a, b in zip(target, shape, strict=True)
    ]
    if data.draw(st.booleans()):
        given_[data.draw(st.integers(0, len(shape) - 1))] = -1
    found = call("reshape", x=x.numpy(), shape=given_)
    np.testing.assert_array_equal(found, expected.numpy())


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data())
def test_tile_and_reverse(shape, data):
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    reps = [data.draw(st.integers(1, 3)) for _ in shape]
    np.testing.assert_array_equal(call("tile", x=x.numpy(), reps=reps), x.repeat(reps).numpy())
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    found = call("reverse", x=x.numpy(), axes=axes)
    np.testing.assert_array_equal(found, x.flip(axes).numpy())


@given(st.integers(1, 6), st.integers(1, 3), st.integers(-2, 1), st.data())
def test_split_and_concat(size, rest, axis, data):
    shape = [rest, rest]
    shape[axis] = size
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    sizes, left = [], size
    while left:
        sizes.append(data.draw(st.integers(1, left)))
        left -= sizes[-1]
    found = call("split", x=x.numpy(), axis=axis, split_sizes=sizes)
    expected = x.split(sizes, axis)
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two.numpy())
    np.testing.assert_array_equal(call("concat", values=list(found), axis=axis), x.numpy())
