"""Columns of a picture: gathered in pieces they are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amt_export.errors import InputError
from amt_export.manifest import Port
from amt_export.plot import panels
from amt_export.plot.columns import columns_for, gathered
from amt_export.plot.level_columns import MAX_COLUMNS, ColumnMeans, Outline
from support.plot import FRAMES, FS, SAMPLES, SUBBANDS, manifest, ridge

WAVE = Port("y", SAMPLES, "Pa", shape=(1, 3, 1))
LEVEL = Port("e", FRAMES, "dB SPL", shape=(1, 1, 3))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def means(values: np.ndarray, width: int) -> np.ndarray:
    """Means along the last axis, the last one of what is left."""
    cuts = range(width, values.shape[-1], width)
    return np.stack([part.mean(axis=-1) for part in np.split(values, cuts, axis=-1)], axis=-1)


def split(values: np.ndarray, sizes, axis: int) -> list[np.ndarray]:
    cuts = [cut for cut in np.cumsum(sizes) if cut < values.shape[axis]]
    return np.split(values, cuts, axis=axis)


SIZES = st.lists(st.integers(0, 30), max_size=10)


@given(samples=st.integers(1, 100), width=st.integers(1, 40), sizes=SIZES)
def test_energies_of_waves(samples, width, sizes):
    values = noise(1, 3, samples)
    meter = ColumnMeans(WAVE, width)
    found = [meter.add(part) for part in split(values, sizes, 2)]
    assert all(part.shape[0] == 3 for part in found)
    joined = np.concatenate([*found, meter.rest()], axis=1)
    np.testing.assert_allclose(joined, means(values[0] ** 2, width), rtol=1e-12)
    assert meter.count == samples


@given(frames=st.integers(1, 60), width=st.integers(1, 20), sizes=SIZES)
def test_means_of_levels(frames, width, sizes):
    values = 60 + noise(frames, 3)  # without the batch
    meter = ColumnMeans(LEVEL, width)
    found = [meter.add(part) for part in split(values, sizes, 0)]
    joined = np.concatenate([*found, meter.rest()], axis=1)
    np.testing.assert_allclose(joined, means(values.T, width), rtol=1e-12)


@given(samples=st.integers(0, 100), width=st.integers(1, 40), sizes=SIZES)
def test_outline_of_all_ears_together(samples, width, sizes):
    audio = noise(1, 2, samples)
    outline = Outline(width)
    for part in split(audio, sizes, 2):
        outline.add(part)
    lowest, highest = outline.edges()
    starts = np.arange(0, samples, width)
    if samples:
        np.testing.assert_array_equal(lowest, np.minimum.reduceat(audio[0].min(0), starts))
        np.testing.assert_array_equal(highest, np.maximum.reduceat(audio[0].max(0), starts))
    assert len(lowest) == len(highest) == len(starts)


def test_panels_from_pieces_are_those_of_the_whole():
    outputs = {"subbands": ridge()}
    (whole,) = panels(outputs, SUBBANDS, FS)
    samples = outputs["subbands"].shape[-1]
    columns = columns_for(SUBBANDS, FS, {"subbands": samples}, samples)
    for part in np.array_split(outputs["subbands"], 23, axis=-1):
        columns.add(np.zeros((1, part.shape[-1])), {"subbands": part})
    (found,) = columns.panels()
    np.testing.assert_allclose(found.levels, whole.levels, atol=1e-9)
    assert found.times == whole.times
    assert found.unit == whole.unit


def test_the_number_of_columns_is_bounded():
    hours = 10 * 3600 * FS
    columns = columns_for(SUBBANDS, FS, {"subbands": hours}, hours)
    assert hours / columns.gatherers[0].meters["subbands"].width <= MAX_COLUMNS
    assert hours / columns.outline.width <= MAX_COLUMNS + 1


def test_nothing_to_draw():
    with pytest.raises(InputError, match="no output over time and frequency"):
        gathered({}, manifest(("x", "Hz", ("channel",))), FS, np.zeros((1, 10)))
