"""Streams of one model know nothing of each other, nor of their own past behind a reset; one thread each."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from amt_export import runtime
from amt_export.errors import InputError, StreamError
from support.streams import close, fir, noise, publish_fir, stream_through


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
    """A backend that waits inside `run` until the test releases it."""

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
    for batch in (0, "2", None):
        with pytest.raises(InputError, match=f"batch is {batch!r}; give the number of signals"):
            model.stream(batch=batch)


def test_a_fixed_batch_stays(streaming_model):
    with pytest.raises(InputError, match="the artifact's batch is 1"):
        streaming_model.stream(batch=2)
