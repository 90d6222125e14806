"""Sone to phon."""

import json

import numpy as np
import pytest
from scipy.interpolate import pchip

from amt_export.runtime import phon
from support.spectra import GOLDEN


@pytest.fixture(scope="module")
def published():
    with np.load(GOLDEN / "loudness" / "loudness_reference.npz") as file:
        assert "BSD" in json.loads(str(file["meta"]))["function"]
        return {key: file[key] for key in file.files if key != "meta"}


def test_every_entry_of_the_table(published):
    np.testing.assert_allclose(phon(published["sone_table"]), published["phon"], atol=1e-9)


def test_between_entries_it_is_the_monotone_cubic(published):
    sone = np.geomspace(published["sone_table"][1], published["sone_table"][-2], 10007)
    expected = pchip(np.log(published["sone_table"]), published["phon"])(np.log(sone))
    found = phon(sone)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (np.diff(found) > 0).all()


def test_values_of_the_standard(published):
    rows = published["iso"]
    quoted = rows[~np.isnan(rows[:, 3:]).any(1)]
    assert len(quoted) > 10
    # A loudness is quoted to two digits, or one.
    np.testing.assert_allclose(phon(quoted[:, 3]), quoted[:, 4], atol=0.6)


def test_a_number_gives_a_number_and_ends_are_kept():
    assert isinstance(phon(1.0), float)
    assert phon(1.0) == pytest.approx(40.0, abs=0.03)
    np.testing.assert_array_equal(phon([0.0, -1.0, 1e9]), [0.0, 0.0, 120.0])
    assert np.isnan(phon(float("nan")))
