"""States of streams as arrays, copies and pickles."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export import runtime
from amt_export.errors import BackendError, InputError, StreamError
from support.streams import TooLoud, close, fir, noise, stream_through, sums


@settings(deadline=None, max_examples=30)
@given(before=st.integers(0, 100), after=st.integers(0, 100))
def test_a_state_is_resumed_where_it_was_taken(frames_model, before, after):
    audio = noise(2, before + after)
    stream = frames_model.stream()
    first = stream.push(audio[:, :before])["sums"]
    saved = stream.state
    going_on = stream_through(stream, [audio[:, before:]], "sums")
    other = frames_model.stream()
    other.push(noise(2, 33, seed=7))
    other.state = saved
    assert other.samples == before
    resumed = stream_through(other, [audio[:, before:]], "sums")
    np.testing.assert_array_equal(resumed, going_on)
    close(np.concatenate([first, resumed], -1), sums(audio))


@pytest.mark.parametrize("batch", [(), (1,)])
def test_a_state_knows_whether_the_audio_has_a_batch_axis(streaming_model, batch):
    stream, other = streaming_model.stream(), streaming_model.stream()
    stream.push(noise(21).reshape(*batch, 21))
    other.state = stream.state
    found, expected = other.flush()["subbands"], stream.flush()["subbands"]
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def test_a_state_is_saved_as_arrays(streaming_model, tmp_path):
    audio = noise(50)
    stream = streaming_model.stream()
    stream.push(audio[:21])
    np.savez(tmp_path / "state.npz", **stream.state)
    stream.push(audio[21:])  # what was saved does not move with the stream
    other = streaming_model.stream()
    with np.load(tmp_path / "state.npz") as arrays:
        other.state = dict(arrays)
    close(stream_through(other, [audio[21:]]), fir(audio)[:, 16:])


def test_a_state_mends_a_broken_stream(fir_folder):
    manifest = runtime.load(fir_folder).manifest
    backend = TooLoud(runtime.open_form(fir_folder, manifest, "onnx", "stream"), "subbands")
    stream = runtime.Stream(manifest, backend)
    saved, audio = stream.state, noise(40)
    with pytest.raises(StreamError):
        stream.push(np.full(16, 1e35, np.float32))
    stream.state = saved
    close(stream_through(stream, [audio]), fir(audio))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"state_past": None},
            "state: holds waiting, samples; this stream has state_past, waiting",
        ),
        ({"more": np.zeros(1)}, "holds state_past, waiting, samples, more"),
        ({"state_past": np.zeros((1, 8))}, r"state_past is float64 \(1, 8\), not .* \(1, 9\)"),
        ({"state_past": np.zeros((1, 9), complex)}, "state_past is complex128"),
        ({"waiting": np.zeros((1, 16))}, r"waiting is float64 \(1, 16\), not .* \(1, 5\)"),
        ({"waiting": np.float32(0)}, "waiting is"),
        ({"samples": np.array([3])}, "samples is"),
        ({"samples": np.array(17)}, r"waiting is float32 \(5,\), not .* \(1,\)"),
        ({"samples": np.array(-11)}, "samples is -11, not a number of samples"),
    ],
)
def test_a_state_of_something_else_is_refused(streaming_model, change, message):
    audio = noise(50)
    stream = streaming_model.stream()
    stream.push(audio[:21])
    content = {k: v for k, v in (stream.state | change).items() if v is not None}
    with pytest.raises(InputError, match=message):
        stream.state = content
    close(stream_through(stream, [audio[21:]]), fir(audio)[:, 16:])  # as it was


@pytest.mark.parametrize(
    "fork", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_of_a_stream_goes_its_own_way(fir_folder, fork):
    audio, other = noise(50), noise(50, seed=3)
    for stream in (runtime.load(fir_folder).stream(), runtime.load_stream(fir_folder)):
        stream.push(audio[:21])
        copied = fork(stream)
        both = np.concatenate([audio[:21], other])
        close(stream_through(copied, [other]), fir(both)[:, 16:])
        close(stream_through(stream, [audio[21:]]), fir(audio)[:, 16:])


def test_a_stream_made_by_hand_cannot_be_pickled(fir_folder):
    manifest = runtime.load(fir_folder).manifest
    stream = runtime.Stream(manifest, runtime.open_form(fir_folder, manifest, "onnx", "stream"))
    with pytest.raises(BackendError, match=r"not opened with runtime\.load"):
        pickle.dumps(stream)
    stream.close()
    with pytest.raises(StreamError, match="closed"):
        copy.copy(stream)
