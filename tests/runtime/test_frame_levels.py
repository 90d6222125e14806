"""Levels per frame in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.errors import InputError
from amt_export.runtime import frame_levels


def test_by_hand():
    subbands = np.array([[3.0, 4.0, 0.0, 0.0, 9.0], [1.0, 1.0, 2.0, 2.0, 9.0]])
    np.testing.assert_allclose(
        frame_levels(subbands, 2, 1.0),
        [[10 * np.log10(12.5), -200.0], [0.0, 10 * np.log10(4.0)]],
    )
    np.testing.assert_allclose(frame_levels(subbands, 2)[1], [93.9794, 100.0], atol=1e-4)
    assert frame_levels(subbands, 2)[0, 1] == -60.0
    assert frame_levels(subbands, 2, 10.0)[0, 1] == -np.inf
    assert frame_levels(subbands, 2, 10.0, floor=-30.0)[0, 1] == pytest.approx(-30.0)
    assert frame_levels(subbands, 6).shape == (2, 0)


def test_the_dtype_stays_and_the_mean_is_exact():
    small = np.full((1, 3, 441), 1e-30, np.float32)  # whose square is no float32
    found = frame_levels(small, 441, 1e-30)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 0.0, atol=1e-5)
    assert np.isnan(frame_levels(np.array([np.nan, 1.0]), 2)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], 2), "needs a numpy array of float"),
        ((np.array([1, 2]), 2), "got int64"),
        ((np.array(1.0), 2), "time last"),
        ((np.ones(4), 0), "hop is 0"),
        ((np.ones(4), 1.5), "hop is 1.5"),
        ((np.ones(4), 2, 0.0), "ref is 0.0"),
        ((np.ones(4), 2, np.nan), "ref is nan"),
    ],
)
def test_other_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        frame_levels(*arguments)
