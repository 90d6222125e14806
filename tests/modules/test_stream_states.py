"""States of streams: reset, threads, what is not finite, and what a stream refuses."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amt_export import runtime
from amt_export.errors import AmtExportError, ArtifactError, BackendError, InputError, StreamError
from amt_export.manifest import (
    MANIFEST_NAME,
    Manifest,
)
from support.streams import (
    close,
    fir,
    noise,
    publish_fir,
    stream_through,
    sums,
)


def test_reset_starts_afresh(streaming_model):
    audio = noise(40)
    stream = streaming_model.stream()
    stream.push(noise(21, seed=5))
    stream.reset()
    assert stream.samples == 0
    close(stream_through(stream, [audio]), fir(audio))


def test_two_streams_never_touch(streaming_model):
    one, two = noise(64, seed=1), noise(64, seed=2)
    first, second = streaming_model.stream(), streaming_model.stream()
    found = [[], []]
    for k in range(0, 64, 8):
        found[0].append(first.push(one[k : k + 8])["subbands"])
        found[1].append(second.push(two[k : k + 8])["subbands"])
        if k == 24:
            streaming_model.stream().push(noise(30, seed=3))
    close(np.concatenate(found[0], axis=-1), fir(one))
    close(np.concatenate(found[1], axis=-1), fir(two))


def test_streams_of_one_model_in_threads(streaming_model):
    signals = [noise(500, seed=seed) for seed in range(8)]

    def run(audio):
        with streaming_model.stream() as stream:
            return stream_through(stream, np.array_split(audio, 37))

    with ThreadPoolExecutor(8) as pool:
        for audio, found in zip(signals, pool.map(run, signals), strict=True):
            close(found, fir(audio))


class Slow:
    """A backend that waits inside `run` until it is told to go on."""

    def __init__(self, inner):
        self.inner, self.inside, self.go = inner, threading.Event(), threading.Event()

    def run(self, inputs):
        self.inside.set()
        assert self.go.wait(10)
        return self.inner.run(inputs)


def test_two_threads_in_one_stream_are_refused(fir_folder):
    manifest = runtime.load(fir_folder).manifest
    slow = Slow(runtime.open_form(fir_folder, manifest, "onnx", "stream"))
    slow.go.set()
    stream = runtime.Stream(manifest, slow)
    slow.go.clear()
    slow.inside.clear()
    audio = noise(32)
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(stream.push, audio)
        assert slow.inside.wait(10)
        for call in (lambda: stream.push(audio), stream.flush, stream.reset, stream.close):
            with pytest.raises(StreamError, match="another thread is in this stream"):
                call()
        slow.go.set()
        close(pushed.result()["subbands"], fir(audio))  # undisturbed
    close(stream.push(audio)["subbands"], fir(np.concatenate([audio, audio]))[:, 32:])


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((2, 16), np.float32), r"takes \(1, n\) or \(n,\), got \(2, 16\)"),
        (np.zeros((1, 1, 16), np.float32), r"got \(1, 1, 16\)"),
        (np.ones((), np.float32), r"got \(\)"),
        (np.zeros(16, np.int16), "numpy array of float in Pa, got int16"),
        (np.zeros(16, np.complex64), "got complex64"),
        ([0.0] * 16, "got list"),
    ],
)
def test_wrong_audio_is_refused_and_changes_nothing(streaming_model, audio, message):
    stream = streaming_model.stream()
    right = noise(32)
    first = stream.push(right[:10])["subbands"]
    with pytest.raises(InputError, match=message):
        stream.push(audio)
    assert stream.samples == 10
    rest = stream.push(right[10:])["subbands"]
    close(np.concatenate([first, rest], axis=-1), fir(right))


def test_wrong_audio_for_two_ears(frames_model):
    with pytest.raises(InputError, match=r"takes \(1, 2, n\) or \(2, n\), got \(16,\)"):
        frames_model.stream().push(noise(16))


def test_a_batch_has_no_single_form(tmp_path):
    stream = runtime.load(publish_fir(tmp_path / "two", batch=2)).stream()
    with pytest.raises(InputError, match=r"takes \(2, n\), got \(16,\)"):
        stream.push(noise(16))


def test_nothing_after_close(streaming_model):
    stream = streaming_model.stream()
    stream.push(noise(20))
    stream.close()
    for call in (lambda: stream.push(noise(1)), stream.flush, stream.reset):
        with pytest.raises(StreamError, match="this stream is closed; open another"):
            call()
    stream.close()
    with streaming_model.stream() as inside:
        pass
    with pytest.raises(StreamError, match="closed"):
        inside.push(noise(1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_audio_that_is_not_finite_is_refused_and_the_stream_goes_on(streaming_model, bad):
    audio = noise(64)
    spoilt = audio.copy()
    spoilt[20:25] = bad
    stream = streaming_model.stream()
    close(stream.push(spoilt[:16])["subbands"], fir(audio)[:, :16])
    with pytest.raises(InputError, match="audio: sample 20 of the stream is NaN or infinite; mend"):
        stream.push(spoilt[16:])
    close(stream_through(stream, [audio[16:]]), fir(audio)[:, 16:])


class TooLoud:
    """A backend whose answer is infinite where the audio is too large, in its output or its state."""

    def __init__(self, inner, spoilt):
        self.inner, self.spoilt = inner, spoilt

    def run(self, inputs):
        answer = dict(self.inner.run(inputs))
        if np.abs(inputs["audio"]).max() > 1e30:
            answer[self.spoilt] = answer[self.spoilt] * np.float32(np.inf)
        return answer


@pytest.mark.parametrize("spoilt", ["subbands", "next_state_past"])
def test_finite_audio_that_is_too_large_breaks_the_stream_until_it_is_reset(fir_folder, spoilt):
    manifest = runtime.load(fir_folder).manifest
    backend = TooLoud(runtime.open_form(fir_folder, manifest, "onnx", "stream"), spoilt)
    stream = runtime.Stream(manifest, backend)
    audio = noise(64)
    loud = audio.copy()
    loud[20] = 1e35
    stream.push(loud[:16])
    what = "a state" if spoilt.startswith("next") else "subbands"
    with pytest.raises(StreamError, match=f"{what} is not finite after .* sample 32 .* too large"):
        stream.push(loud[16:])
    for call in (lambda: stream.push(audio), stream.flush, lambda: stream.state):
        with pytest.raises(StreamError, match="not finite"):
            call()
    stream.reset()
    close(stream_through(stream, [audio]), fir(audio))


def test_everything_passes_on_request(streaming_model):
    audio = noise(64)
    audio[20] = np.nan
    found = stream_through(streaming_model.stream(on_nonfinite="pass"), [audio])
    np.testing.assert_array_equal(np.isnan(found).any(0), np.isnan(fir(audio)).any(0))


def test_a_burst_resets_and_is_reported(streaming_model):
    audio = noise(96)
    spoilt = audio.copy()
    spoilt[28] = np.nan
    stream = streaming_model.stream(on_nonfinite="reset")
    with pytest.warns(RuntimeWarning, match="up to sample 32; the stream restarts from silence"):
        found = stream.push(spoilt)["subbands"]
    assert stream.resets == 1
    close(found[:, :28], fir(audio)[:, :28])
    assert np.isnan(found[:, 28:32]).all()
    afresh = np.concatenate([np.zeros(32, np.float32), audio[32:]])
    close(found[:, 32:], fir(afresh)[:, 32:])
    assert found.shape == (3, 96)


def test_a_reset_leaves_the_other_rows_of_a_batch_alone(tmp_path):
    stream = runtime.load(publish_fir(tmp_path / "two", batch=2)).stream(on_nonfinite="reset")
    audio = noise(2, 64)
    spoilt = audio.copy()
    spoilt[1, 30] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = stream.push(spoilt)["subbands"]
    close(found[0], fir(audio)[0])
    assert np.isfinite(found[1, :, 32:]).all()


def test_what_a_backend_raises_breaks_the_stream_until_it_is_reset(fir_folder):
    manifest = runtime.load(fir_folder).manifest
    backend = runtime.open_form(fir_folder, manifest, "onnx", "stream")
    stream = runtime.Stream(manifest, backend)
    audio = noise(32)

    def interrupted(_inputs):
        raise KeyboardInterrupt

    stream._backend = type("Interrupted", (), {"run": staticmethod(interrupted)})()
    with pytest.raises(KeyboardInterrupt):
        stream.push(audio)
    stream._backend = backend
    with pytest.raises(StreamError, match="was interrupted; reset"):
        stream.push(audio)
    stream.reset()
    close(stream_through(stream, [audio]), fir(audio))


def test_an_unknown_option(streaming_model):
    with pytest.raises(BackendError, match="on_nonfinite is 'ignore'; one of error, reset, pass"):
        streaming_model.stream(on_nonfinite="ignore")


def rewritten(folder: Path, **fields) -> Path:
    path = folder / MANIFEST_NAME
    manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    path.write_text(replace(manifest, **fields).to_json(), encoding="utf-8")
    return folder


def test_a_model_without_a_stream(tmp_path):
    folder = publish_fir(tmp_path / "x")
    manifest = runtime.load(folder).manifest
    whole = rewritten(folder, stream=None, files=manifest.files[:1])
    for call in (lambda: runtime.load(whole).stream(), lambda: runtime.load_stream(whole)):
        with pytest.raises(ArtifactError, match=r"no streaming form; give its model file"):
            call()
    # published for another backend only
    other = rewritten(folder, stream=manifest.stream)
    with pytest.raises(ArtifactError, match=r"no onnx \(stream\) in this folder"):
        runtime.load(other).stream()


def test_a_stream_that_contradicts_itself(tmp_path):
    folder = publish_fir(tmp_path / "x")
    info = runtime.load(folder).manifest.stream
    for wrong in (replace(info, block=8), replace(info, inputs=())):
        rewritten(folder, stream=wrong)
        with pytest.raises(ArtifactError, match=r"contradicts itself|its inputs are"):
            runtime.load_stream(folder)


def test_a_damaged_stream_is_found_when_it_is_opened(tmp_path):
    folder = publish_fir(tmp_path / "x")
    path = folder / "tiny.stream.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    model = runtime.load(folder)
    with pytest.raises(ArtifactError, match="published with"):
        model.stream()
    with pytest.raises(ArtifactError, match="published with"):
        runtime.load_stream(folder)


def test_errors_are_of_the_family():
    assert issubclass(StreamError, AmtExportError)
    assert issubclass(StreamError, RuntimeError)


# ---------------------------------------------------------------- the state as arrays


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
        ({"samples": np.array(17)}, r"waiting is float32 \(1, 5\), not .* \(1, 1\)"),
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


# ---------------------------------------------------------------- copies and pickles


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


# ---------------------------------------------------------------- a free batch


def test_a_stream_of_a_free_batch_has_as_many_signals_as_asked(tmp_path):
    model = runtime.load(publish_fir(tmp_path / "free", batch=None))
    close(stream_through(model.stream(), [noise(40)]), fir(noise(40)))
    audio = noise(3, 50)
    stream = model.stream(batch=3)
    first = stream.push(audio[:, :21])["subbands"]
    assert stream.state["state_past"].shape == (3, 9)
    resumed = pickle.loads(pickle.dumps(stream))
    rest = stream_through(resumed, [audio[:, 21:]])
    close(np.concatenate([first, rest], -1), fir(audio))
    with pytest.raises(InputError, match=r"this stream takes \(3, n\), got \(2, 9\)"):
        model.stream(batch=3).push(noise(2, 9))
    with pytest.raises(InputError, match="batch is 0"):
        model.stream(batch=0)


def test_a_fixed_batch_stays(streaming_model):
    with pytest.raises(InputError, match="the artifact's batch is 1"):
        streaming_model.stream(batch=2)
