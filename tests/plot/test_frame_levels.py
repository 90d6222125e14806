"""Pictures of levels per frame: each where its samples are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from amt_export.manifest.ports import Port
from amt_export.plot import panels


def test_levels_are_drawn_where_their_samples_are():
    port = Port("levels", ("batch", "channel", "frame"), "dB SPL", "db", floor=-60.0)
    manifest = SimpleNamespace(
        name="tiny",
        outputs=(port,),
        centre_frequencies=(2000.0, 500.0, 1000.0),
        hop=100,
        warm_up=5000,
        look_ahead=99,
        frame_length=100,
    )
    levels = np.arange(12.0).reshape(1, 3, 4)
    (panel,) = panels({"levels": levels}, manifest, 1000.0)
    assert panel.times == (0.0, 0.4)
    assert panel.unit == "dB SPL"
    np.testing.assert_array_equal(panel.frequencies, [500.0, 1000.0, 2000.0])
    np.testing.assert_array_equal(panel.levels, levels[0, [1, 2, 0]])
