"""States of streams: reset, threads, what is not finite, and what a stream refuses."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

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
def test_a_burst_that_is_not_finite_raises(streaming_model, bad):
    audio = noise(64)
    spoilt = audio.copy()
    spoilt[20:25] = bad
    stream = streaming_model.stream()
    close(stream.push(spoilt[:16])["subbands"], fir(audio)[:, :16])
    with pytest.raises(StreamError, match="not finite after the block up to sample 32"):
        stream.push(spoilt[16:])
    for call in (lambda: stream.push(audio), stream.flush):
        with pytest.raises(StreamError, match="reset"):
            call()
    stream.reset()
    close(stream_through(stream, [audio]), fir(audio))


def test_a_burst_resets_and_is_reported(streaming_model):
    audio = noise(96)
    spoilt = audio.copy()
    spoilt[28] = np.nan
    stream = streaming_model.stream(on_nonfinite="reset")
    with pytest.warns(RuntimeWarning, match="up to sample 32; the stream goes on from silence"):
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
    with pytest.raises(BackendError, match="on_nonfinite is 'ignore'; one of raise, reset"):
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
        with pytest.raises(ArtifactError, match="contradicts itself"):
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
