"""Centre frequencies, those that the manifest states, are those of the checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amt_export.model_file.building import build_module
from support.trained import FILTERBANKS, SETUPS, saved


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "entry"),
    [
        *((name, "fc") for name in FILTERBANKS),
        ("erb", "fc_erb"),
        ("excitation", "_fc_channels"),
        ("glasberg", "excitation_pattern.erb_centers"),
        ("moore", "excitation._fc_channels"),
    ],
)
@pytest.mark.parametrize("learnable", [False, True])
def test_centre_frequencies_are_those_of_the_checkpoint(name, entry, learnable, tmp_path):
    setup = SETUPS[name]
    spec = setup.spec(tmp_path)
    module = setup.made(spec, learnable)
    state = saved(setup, name, module, learnable)
    torch.save(state, tmp_path / "same.pt")
    torch.save(state | {entry: state[entry] * 1.01}, tmp_path / "other.pt")
    plain, same, other = (
        np.array(build_module(spec, None, path).centre_frequencies())
        for path in (None, tmp_path / "same.pt", tmp_path / "other.pt")
    )
    np.testing.assert_array_equal(same, plain)
    if entry.endswith("erb_centers"):
        assert (other > plain * 1.01).all()
    else:
        np.testing.assert_allclose(other, plain * 1.01, rtol=1e-6)
