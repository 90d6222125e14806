"""The runtime's streams on tiny hand-made artifacts, so that nothing but the runtime is under test."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export import runtime
from support.streams import (
    close,
    fir,
    noise,
    pieces,
    publish_fir,
    stream_through,
    sums,
)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(0, 100),
    sizes=st.lists(st.integers(0, 40), max_size=12),
    seed=st.integers(0, 9),
)
def test_any_pieces_make_the_whole_signal(streaming_model, samples, sizes, seed):
    audio = noise(samples, seed=seed)
    with streaming_model.stream() as stream:
        close(stream_through(stream, pieces(audio, sizes)), fir(audio))
        # and it has started afresh
        close(stream_through(stream, [audio]), fir(audio))


@settings(max_examples=60, deadline=None)
@given(samples=st.integers(0, 100), sizes=st.lists(st.integers(0, 40), max_size=12))
def test_any_pieces_make_the_frames_of_the_whole_signal(frames_model, samples, sizes):
    audio = noise(2, samples)
    with frames_model.stream() as stream:
        close(stream_through(stream, pieces(audio, sizes), "sums"), sums(audio))


def test_outputs_come_as_soon_as_their_block_is_full(streaming_model):
    audio = noise(40)
    stream = streaming_model.stream()
    assert stream.push(audio[:15])["subbands"].shape == (3, 0)
    assert stream.samples == 15
    close(stream.push(audio[15:16])["subbands"], fir(audio)[:, :16])
    close(stream.push(audio[16:])["subbands"], fir(audio)[:, 16:32])
    close(stream.flush()["subbands"], fir(audio)[:, 32:])
    assert stream.samples == 0
    assert (stream.block, stream.latency) == (16, 0)


def test_frames_come_without_those_of_the_silence_before(frames_model):
    stream = frames_model.stream()
    audio = noise(2, 16)
    found = stream.push(audio)["sums"]  # four frames, of which two begin before the signal
    close(found, sums(audio))
    assert found.shape == (2, 2)
    assert stream.flush()["sums"].shape == (2, 0)


def test_a_flush_of_nothing_is_nothing(streaming_model, frames_model):
    assert streaming_model.stream().flush()["subbands"].shape == (3, 0)
    assert frames_model.stream().flush()["sums"].shape == (2, 0)


def test_outputs_without_time_are_in_every_answer(streaming_model):
    stream = streaming_model.stream()
    for answer in (stream.push(noise(3)), stream.push(noise(30)), stream.flush()):
        assert list(answer) == ["subbands", "freqs"]
        np.testing.assert_array_equal(answer["freqs"], [1, 2, 3])


def test_the_batch_axis_comes_back_as_it_went_in(streaming_model, tmp_path):
    audio = noise(1, 32)
    stream = streaming_model.stream()
    close(stream.push(audio)["subbands"], fir(audio))
    close(stream.push(audio[:, :0])["subbands"], np.zeros((1, 3, 0)))
    two = runtime.load(publish_fir(tmp_path / "two", batch=2)).stream()
    audio = noise(2, 32)
    close(two.push(audio)["subbands"], fir(audio))


def test_float64_audio_is_taken_as_float32(streaming_model):
    audio = noise(16)
    close(streaming_model.stream().push(audio.astype(np.float64))["subbands"], fir(audio))


def test_what_was_pushed_may_be_overwritten(streaming_model):
    audio = noise(40)
    stream, buffer = streaming_model.stream(), np.empty(10, np.float32)
    found = []
    for part in np.split(audio, 4):
        buffer[:] = part
        found.append(stream.push(buffer)["subbands"])
        buffer[:] = 7.0
    close(np.concatenate([*found, stream.flush()["subbands"]], axis=-1), fir(audio))


def test_answers_are_not_written_to_later(streaming_model):
    audio = noise(64)
    stream = streaming_model.stream()
    first = stream.push(audio[:16])["subbands"]
    kept = first.copy()
    stream.push(audio[16:])
    np.testing.assert_array_equal(first, kept)


def test_load_stream_opens_the_streaming_form_alone(fir_folder, tmp_path):
    audio = noise(50)
    with runtime.load_stream(fir_folder) as stream:
        close(stream_through(stream, [audio]), fir(audio))
        assert stream.manifest.name == "tiny"
    copy = publish_fir(tmp_path / "copy")
    (copy / "tiny.onnx").unlink()
    runtime.load_stream(copy).close()


# ---------------------------------------------------------------- many streams
