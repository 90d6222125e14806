"""Audio of any length through the artifact of one length, on tiny hand-made artifacts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from amt_export import runtime
from amt_export.errors import (
    ArtifactError,
    InputError,
)
from amt_export.manifest import Port
from amt_export.runtime.windows import Framing, extended, plan
from support.runtime import (
    LENGTH,
    TAPS,
    fir,
    noise,
    onnx_model,
    publish,
    publish_ears,
    publish_fir,
    rewrite,
)


@settings(deadline=None)
@given(samples=st.integers(1, 400), seed=st.integers(0, 9))
def test_process_has_no_seams(fir_model, samples, seed):
    audio = noise(samples, seed=seed)
    outputs = fir_model.process(audio)
    assert outputs["subbands"].dtype == np.float32
    np.testing.assert_allclose(outputs["subbands"], fir(audio), atol=1e-5)
    np.testing.assert_array_equal(outputs["freqs"], [1, 2, 3])


def test_a_warm_up_one_sample_short_is_seen(tmp_path):
    """The test above can fail: ten taps reach nine samples back."""
    audio = noise(400)
    answer = runtime.load(publish_fir(tmp_path, warm_up=8)).process(audio)["subbands"]
    assert np.abs(answer - fir(audio)).max() > 1e-2


def test_process_of_the_own_length_is_the_call(fir_model):
    audio = noise(1, LENGTH)
    np.testing.assert_array_equal(
        fir_model.process(audio)["subbands"], fir_model(audio)["subbands"]
    )


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 3, 5])
def test_process_takes_any_batch(tmp_path, batch, rows):
    model = runtime.load(publish_fir(tmp_path, batch))
    audio = noise(rows, 150)
    np.testing.assert_allclose(model.process(audio)["subbands"], fir(audio), atol=1e-5)


def test_a_free_batch_is_run_as_it_comes(tmp_path):
    model = runtime.load(publish_fir(tmp_path, batch=None))
    for rows in (1, 3):
        audio = noise(rows, LENGTH)
        np.testing.assert_allclose(model(audio)["subbands"], fir(audio), atol=1e-5)
    with pytest.raises(InputError, match=r"expected float32 \(batch, 64\), got shape \(2, 63\)"):
        model(noise(2, 63))
    many = noise(21, 150)
    np.testing.assert_allclose(model.process(many)["subbands"], fir(many), atol=1e-5)


def test_process_casts_floats(fir_model):
    audio = noise(100)
    wanted = fir_model.process(audio)["subbands"]
    np.testing.assert_array_equal(fir_model.process(audio.astype(float))["subbands"], wanted)


def test_process_leaves_its_input_alone(fir_model):
    audio = noise(100)
    audio.flags.writeable = False
    fir_model.process(audio)


@pytest.mark.parametrize("shape", [(2, 150), (1, 2, 150), (3, 2, 150)])
def test_process_two_ears(tmp_path, shape):
    model = runtime.load(publish_ears(tmp_path))
    audio = noise(*shape)
    wanted = np.stack([fir(audio[..., ear, :], TAPS[[ear]])[..., 0, :] for ear in (0, 1)], axis=-2)
    np.testing.assert_allclose(model.process(audio)["heard"], wanted, atol=1e-5)


@pytest.mark.parametrize("shape", [(150,), (1, 150), (2, 3, 150), (1, 1, 2, 150)])
def test_process_two_ears_needs_two(tmp_path, shape):
    model = runtime.load(publish_ears(tmp_path))
    with pytest.raises(InputError, match=r"needs shape \(2, T\) or \(B, 2, T\), got"):
        model.process(noise(*shape))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((1, 2, 9), np.float32), r"needs shape \(T,\) or \(B, T\), got \(1, 2, 9\)"),
        (np.zeros((0, 9), np.float32), "needs shape"),
        (np.float32(1.0), "needs a numpy array|needs shape"),
        (np.zeros(0, np.float32), "0 samples; this model needs at least 1"),
        (np.zeros(9, np.int16), "numpy array of float in Pa, got int16"),
        (np.zeros(9, complex), "got complex128"),
        ([0.0], "got list"),
    ],
)
def test_process_says_what_it_needs(fir_model, audio, message):
    with pytest.raises(InputError, match=message):
        fir_model.process(audio)


def test_process_needs_audio(sum_model):
    with pytest.raises(
        InputError, match=r"tiny does not take one audio signal: call it \(freqs=..."
    ):
        sum_model.process(noise(100))


def test_a_warm_up_of_a_whole_window(tmp_path):
    model = runtime.load(publish_fir(tmp_path, warm_up=LENGTH))
    assert model.process(noise(LENGTH))["subbands"].shape == (3, LENGTH)  # one window is enough
    with pytest.raises(InputError, match=r"rebuild it with --samples 260 or more"):
        model.process(noise(LENGTH + 1))


def test_threads_share_a_model(fir_model):
    signals = [noise(500, seed=seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(fir_model.process, signals))
    for audio, outputs in zip(signals, answers, strict=True):
        np.testing.assert_allclose(outputs["subbands"], fir(audio), atol=1e-5)


# ---------------------------------------------------------------- the plan


def joined(x, length, framing, model):
    """What `Model.process` does, for a function of numpy arrays with time as the last axis."""
    pieces = [
        (window, model(extended(x, framing, window, length)))
        for window in plan(len(x), length, framing)
    ]
    return np.concatenate([y[..., w.first : w.stop] for w, y in pieces], axis=-1)


@settings(deadline=None)
@given(samples=st.integers(1, 300), length=st.integers(2, 80), data=st.data())
def test_kept_frames_tile_the_output(samples, length, data):
    framing = Framing(
        hop=(hop := data.draw(st.integers(1, 9))),
        frame_length=data.draw(st.integers(0, length)),
        warm_up=data.draw(st.integers(0, length)),
        look_ahead=data.draw(st.integers(0, length)),
    )
    try:
        windows = list(plan(samples, length, framing))
    except InputError:
        assert framing.warm_up + framing.look_ahead + hop >= length - framing.frame_length
        return
    assert sum(w.stop - w.first for w in windows) == max(0, framing.frames(samples))
    done = 0
    for w in windows:
        assert w.at == done
        assert w.start % hop == 0
        assert w.start // hop + w.first == done  # frame numbers agree with sample positions
        assert w.start == 0 or w.first * hop >= framing.warm_up
        done += w.stop - w.first


@settings(deadline=None)
@given(samples=st.integers(1, 700))
def test_windows_of_a_recursive_filter(samples):
    def one_pole(x, a=0.8):
        y, state = np.empty_like(x), 0.0
        for i, value in enumerate(x):
            state = a * state + value
            y[i] = state
        return y

    x = noise(samples).astype(float)
    # 0.8 ** 130 is 3e-13 of what the state has been.
    answer = joined(x, 200, Framing(warm_up=130), one_pole)
    np.testing.assert_allclose(answer, one_pole(x), atol=1e-10)


@settings(deadline=None)
@given(samples=st.integers(9, 500), hop=st.integers(1, 8))
def test_centred_frames(samples, hop):
    def frames(x):  # as torch.stft(center=True) with 16 samples
        padded = np.pad(x, 8, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 16)
        return windows[: len(x) + 1 : hop] @ np.arange(16.0)

    framing = Framing(hop=hop, frame_length=0, warm_up=8, look_ahead=8, padding="reflect")
    assert samples >= framing.shortest()
    x = noise(samples).astype(float)
    np.testing.assert_allclose(joined(x, 64, framing, frames), frames(x), atol=1e-12)


@settings(deadline=None)
@given(samples=st.integers(20, 500), hop=st.integers(1, 4))
def test_frames_that_begin_at_their_sample(samples, hop):
    def frames(x):  # the last possible frame is left out, as in Moore2016Spectrum
        windows = np.lib.stride_tricks.sliding_window_view(x, 16)
        return (windows[::hop] @ np.arange(16.0))[: (len(x) - 16) // hop]

    framing = Framing(hop=hop, frame_length=16 + hop, look_ahead=15)
    assert framing.frames(framing.shortest()) == 1
    assert framing.frames(framing.shortest() - 1) == 0
    x = noise(samples).astype(float)
    np.testing.assert_allclose(joined(x, 64, framing, frames), frames(x), atol=1e-12)


def test_process_joins_frames(tmp_path):
    """A whole model of frames: means of eight samples, every four."""
    audio = Port("audio", ("batch", "time"), "Pa", shape=(1, LENGTH))
    means = Port("means", ("batch", "frame", "channel"), "Pa", shape=(1, 15, 1))
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "one"], ["column"]),
        helper.make_node("Conv", ["column", "taps"], ["row"], strides=[4]),
        helper.make_node("Transpose", ["row"], ["means"], perm=[0, 2, 1]),
    ]
    constants = {"one": np.array([1]), "taps": np.full((1, 1, 8), 1 / 8, np.float32)}
    model = onnx_model(nodes, [audio], [means], constants)
    framing = {"hop": 4, "frame_length": 8, "look_ahead": 7, "warm_up": 0}
    folder = publish(tmp_path, model, inputs=(audio,), outputs=(means,), **framing)
    x = noise(2, 333)
    wanted = np.lib.stride_tricks.sliding_window_view(x, 8, axis=-1)[:, ::4].mean(-1)
    answer = runtime.load(folder).process(x)["means"]
    np.testing.assert_allclose(answer, wanted[..., None], atol=1e-6)
    with pytest.raises(InputError, match="7 samples; this model needs at least 8"):
        runtime.load(folder).process(x[:, :7])
    rewrite(folder, frame_length=0)
    with pytest.raises(ArtifactError, match="15 frames of 64 samples contradict"):
        runtime.load(folder).process(x)


# ---------------------------------------------------------------- loading
