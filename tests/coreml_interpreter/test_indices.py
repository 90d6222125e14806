"""The reference interpreter's operations with indices: gathered and scattered as torch does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.coreml import call, mb, run_program
from support.filters import noise

X = noise(2, 3, 4).float().numpy()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2), st.data())
def test_gather(shape, rank, data):
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    indices = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
        -size, size, [data.draw(st.integers(1, 3)) for _ in range(rank)]
    )
    found = call("gather", x=x.numpy(), indices=indices.astype(np.int32), axis=axis)
    at = axis % len(shape)
    flat = x.index_select(at, torch.from_numpy(indices.reshape(-1) % size))
    expected = flat.reshape((*shape[:at], *indices.shape, *shape[at + 1 :]))
    np.testing.assert_array_equal(found, expected.numpy())


@given(st.data())
def test_gather_with_shared_dimensions(data):
    shape = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    shared = data.draw(st.integers(1, len(shape) - 1))
    axis = data.draw(st.integers(shared, len(shape) - 1))
    size = shape[axis]
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    more = data.draw(st.lists(st.integers(1, 3), max_size=2))
    indices = np.random.default_rng(0).integers(-size, size, [*shape[:shared], *more])
    arguments = {"x": x.numpy(), "indices": indices.astype(np.int32), "axis": axis}
    found = call("gather", **arguments, batch_dims=shared)
    for place in np.ndindex(*shape[:shared]):
        expected = call(
            "gather",
            x=x.numpy()[place],
            indices=indices[place].astype(np.int32),
            axis=axis - shared,
        )
        np.testing.assert_array_equal(found[place], expected)


def example(data, same):
    """Random data and indices along an axis, whose other sizes agree."""
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    places = list(shape)
    places[axis] = shape[axis] if same else data.draw(st.integers(1, 5))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = generator.integers(-9, 9, shape).astype(np.float32)
    indices = generator.integers(-shape[axis], shape[axis], places).astype(np.int32)
    positive = torch.from_numpy(indices.astype(np.int64) % shape[axis])
    updates = generator.integers(1, 9, places).astype(np.float32)
    return torch.from_numpy(x), axis, indices, positive, torch.from_numpy(updates)


@given(st.data())
def test_gather_along_axis(data):
    x, axis, indices, positive, _ = example(data, same=False)
    found = call("gather_along_axis", x=x.numpy(), indices=indices, axis=axis)
    np.testing.assert_array_equal(found, torch.gather(x, axis, positive).numpy())


SCATTER = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@pytest.mark.parametrize("mode", [*SCATTER, "sub", "div", "update"])
@given(data=st.data())
@settings(max_examples=40)
def test_scatter_along_axis(mode, data):
    x, axis, indices, positive, updates = example(data, same=False)
    if mode == "update":  # of repeated indices anyone may win
        positive = torch.argsort(torch.rand(x.shape), dim=axis).narrow(axis, 0, 1)
        indices, updates = positive.int().numpy(), updates.narrow(axis, 0, 1)
    arguments = {"data": x.numpy(), "indices": indices, "updates": updates.numpy(), "axis": axis}
    found = call("scatter_along_axis", **arguments, mode=mode)
    if mode in SCATTER:
        expected = x.scatter_reduce(axis, positive, updates, SCATTER[mode])
    elif mode == "sub":
        expected = x.scatter_reduce(axis, positive, -updates, "sum")
    elif mode == "div":
        expected = x.scatter_reduce(axis, positive, 1.0 / updates, "prod")
    else:
        expected = x.scatter(axis, positive, updates)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


@given(data=st.data())
def test_scatter(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size, count = shape[axis], data.draw(st.integers(1, 5))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    indices = generator.integers(-size, size, count).astype(np.int32)
    places = list(shape)
    places[axis] = count
    x, updates = (torch.from_numpy(generator.random(s, np.float32)) for s in (shape, places))
    arguments = {"data": x.numpy(), "indices": indices, "updates": updates.numpy(), "axis": axis}
    positive = torch.from_numpy(indices.astype(np.int64) % size)
    along = [1] * len(shape)
    along[axis] = count
    everywhere = positive.reshape(along).expand(places)
    for mode, expected in (
        ({}, x.index_add(axis, positive, updates)),
        ({"mode": "add"}, x.index_add(axis, positive, updates)),
        ({"mode": "max"}, x.scatter_reduce(axis, everywhere, updates, "amax")),
        ({"mode": "sub"}, x.index_add(axis, positive, -updates)),
    ):
        found = call("scatter", **arguments, **mode)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_indices_of_a_package(tmp_path):
    where = np.array([[2, -1, 0, 1], [1, 1, -3, 0]], np.int32)
    ones = np.ones((2, 4), np.int32)

    def build(x, i, w):
        return [
            mb.gather(x=x, indices=np.array([0, -1, 1], np.int32), axis=1),
            mb.gather(x=x, indices=i, axis=-1, batch_dims=0),
            mb.gather(x=x, indices=w, axis=1, batch_dims=1),
            mb.gather(x=x, indices=i),
            mb.gather_along_axis(x=i, indices=w, axis=-1),
            mb.gather_along_axis(x=i, indices=np.array([[1, -1, 0, 1]], np.int32)),
            mb.scatter_along_axis(
                data=np.zeros((2, 4), np.int32), indices=w, updates=ones, axis=-1
            ),
            mb.scatter_along_axis(data=i, indices=w, updates=ones, axis=1, mode="update"),
            mb.scatter(data=x, indices=np.array([1, 1], np.int32), updates=x, mode="add"),
        ]

    i = np.array([[0, 1, -1, 1], [1, 1, 0, 0]], np.int32)
    found = run_program(tmp_path / "a.mlpackage", build, x=X, i=i, w=where)
    x, at = torch.from_numpy(X), torch.from_numpy(i).long()
    w = torch.from_numpy(where).long()
    modulo = torch.zeros(2, 4, dtype=torch.int32)
    expected = [
        x[:, [0, -1, 1]],
        x[..., at],
        torch.stack([x[0][w[0]], x[1][w[1]]]),
        x[at],
        torch.gather(at.int(), 1, w % 4),
        torch.gather(at.int(), 0, torch.tensor([[1, 1, 0, 1]])),
        modulo.scatter_add(1, w % 4, torch.ones(2, 4, dtype=torch.int32)),
        at.int().scatter(1, w % 4, 1),
        x + torch.stack([0.0 * x[0], x.sum(0)]),
    ]
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == two.numpy().dtype
        np.testing.assert_allclose(one, two.numpy(), rtol=1e-6)
