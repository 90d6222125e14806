"""What the script for Macs computes: its metric is that of parity, and its streams are the whole signal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amt_export.manifest.ports import Port
from amt_export.verify.parity.metric import difference
from support.mac import script

# The metric is the one of the package

AXES = [
    ("batch", "channel", "time"),
    ("batch", "frame", "bin"),
    ("batch", "frame", "channel"),
    ("bin",),
    ("channel", "time"),
]


@given(
    st.sampled_from(AXES),
    st.sampled_from(["relative", "db", "frequency"]),
    st.sampled_from([None, -1.0]),
    st.integers(0, 9999),
    st.sampled_from(["near", "equal", "zero", "one zero", "damaged", "both damaged", "shape"]),
)
def test_its_metric_is_that_of_parity(axes, kind, floor, seed, how):
    generator = np.random.default_rng(seed)
    shape = generator.integers(1, 5, len(axes))
    expected = generator.standard_normal(shape) * 10.0 ** generator.integers(-4, 3, shape)
    expected = expected * (50.0 if kind == "db" else 1.0)
    found = expected + 1e-4 * generator.standard_normal(shape)
    if how == "equal":
        found = expected.copy()
    elif how == "zero":
        found, expected = np.zeros(shape), np.zeros(shape)
    elif how == "one zero":
        expected = np.zeros(shape)
    elif how == "shape":
        found = found[..., None]
    elif how != "near":
        value = generator.choice([np.nan, np.inf, -np.inf])
        found.flat[0] = value
        if how == "both damaged":
            expected.flat[0] = generator.choice([value, np.nan])
    for dtype in (np.float64, np.float32):
        port = Port("y", axes, "", kind, floor)
        wanted = difference(found.astype(dtype), expected, port)
        assert script.difference(found.astype(dtype), expected, list(axes), kind, floor) == wanted


# Streams: a filter of two taps in blocks, and frames that come late


class Stream:
    """y[t] = x[t] + x[t - 1] - x[t - delay], in blocks, its outputs `late` frames behind."""

    def __init__(self, block: int, late: int, states: int) -> None:
        self.block, self.late, self.states = block, late, states

    def predict(self, inputs):
        audio, state = inputs["audio"], inputs["state_past"]
        assert audio.shape[-1] == self.block
        assert state.shape == (1, self.states)
        past = np.concatenate([state, audio], axis=1)
        own = past[:, self.states - self.late :][:, : self.block]
        before = past[:, self.states - self.late - 1 :][:, : self.block]
        y = own + before
        return {
            "y": y[:, None].astype(np.float32),
            "freqs": np.array([1.0, 2.0], np.float32),
            "next_state_past": past[:, -self.states :],
        }


@pytest.mark.parametrize("late", [0, 5])
@pytest.mark.parametrize("block", [16, 64, 300])
def test_a_stream_is_run_block_by_block(block, late):
    x = np.random.default_rng(0).standard_normal((1, 200)).astype(np.float32)
    expected = (x + np.pad(x, ((0, 0), (1, 0)))[:, :-1])[:, None]
    manifest = {
        "name": "two taps",
        "hop": 1,
        "inputs": [{"name": "audio", "shape": [1, 200]}],
        "outputs": [
            {"name": "y", "shape": [1, 1, 200], "axes": ["batch", "channel", "time"]},
            {"name": "freqs", "shape": [2], "axes": ["bin"]},
        ],
        "stream": {
            "block": block,
            "latency": late,
            "skip": late,
            "states": [{"input": "state_past", "output": "next_state_past", "shape": [1, 8]}],
        },
    }
    found = script.run(Stream(block, late, 8), "stream", manifest, {"audio": x})
    np.testing.assert_allclose(found["y"], expected, rtol=1e-6)
    np.testing.assert_array_equal(found["freqs"], [1.0, 2.0])
    wrong = manifest | {"stream": manifest["stream"] | {"skip": late + 1}}
    shifted = script.run(Stream(block, late, 8), "stream", wrong, {"audio": x})
    assert script.difference(shifted["y"], expected, ["batch", "channel", "time"], "relative") > 0.1


def test_mirrored_edges_of_a_stream_do_not_count():
    axes = ["batch", "frame", "bin"]
    port = {"name": "psd", "axes": axes}
    manifest = {
        "name": "m",
        "padding": "reflect",
        "hop": 10,
        "warm_up": 15,
        "look_ahead": 15,
        "inputs": [{"shape": [1, 100]}],
        "parity": [{"output": "psd", "kind": "relative"}],
    }
    expected = np.ones((1, 11, 3))
    found = expected.copy()
    found[:, [0, 1, 9, 10]] = 5.0
    assert script.compared("stream", manifest, found, expected, port) == 0.0
    assert script.compared("whole", manifest, found, expected, port) == pytest.approx(4.0)
    for frame in (2, 8):
        damaged = found.copy()
        damaged[:, frame] = 5.0
        assert script.compared("stream", manifest, damaged, expected, port) > 1.0
    causal = manifest | {"padding": "zero"}
    assert script.compared("stream", causal, found, expected, port) > 1.0
    assert script.compared("stream", manifest, found[:, :8], expected, port) == np.inf
