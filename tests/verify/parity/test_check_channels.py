"""Where a channel is wrong, that channel is named."""

from __future__ import annotations

import numpy as np
import pytest

from amt_export.errors import ParityError
from amt_export.manifest.ports import Port
from amt_export.verify.parity import check_folder, failing
from amt_export.verify.parity.metric import by_channel
from support.filters import noise
from support.folders import keep_only, scale_channel, sign


def test_the_worst_channel_is_named(writable):
    folder = writable("gammatone")
    keep_only(folder, "onnx")
    scale_channel(folder / "gammatone.onnx", 2, 1.001)
    sign(folder)
    with pytest.raises(ParityError) as caught:
        check_folder(folder)
    assert {row.channel for row in failing(caught.value.rows)} == {2}


@pytest.mark.parametrize(
    ("axes", "shape", "index", "channel"),
    [
        (("batch", "channel", "time"), (2, 3, 9), (1, 2, 5), 2),
        (("batch", "frame", "channel"), (2, 9, 3), (0, 5, 1), 1),
        (("batch", "ear", "frame", "bin"), (1, 2, 4, 3), (0, 1, 2, 1), 1),
        (("bin",), (4,), (3,), 3),
    ],
)
@pytest.mark.parametrize("kind", ["relative", "db", "frequency"])
def test_differences_by_channel(axes, shape, index, channel, kind):
    port = Port("y", axes, "Pa", kind)
    expected = np.abs(noise(*shape).numpy()) + 1.0
    found = expected.copy()
    found[index] += 0.01
    errors = by_channel(found, expected, port)
    assert errors.shape == (shape[axes.index("channel" if "channel" in axes else "bin")],)
    assert np.flatnonzero(errors).tolist() == [channel]
    found[index] = np.nan
    assert np.flatnonzero(np.isinf(by_channel(found, expected, port))).tolist() == [channel]
    assert np.isinf(by_channel(found[..., :-1], expected, port)).all()
