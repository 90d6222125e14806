"""Audio and answers that are not finite, and what breaks a stream."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from amt_export import runtime
from amt_export.errors import InputError, StreamError
from support.streams import TooLoud, close, fir, noise, publish_fir, stream_through


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_audio_that_is_not_finite_is_refused_and_the_stream_goes_on(streaming_model, bad):
    audio = noise(64)
    nonfinite = audio.copy()
    nonfinite[20:25] = bad
    stream = streaming_model.stream()
    close(stream.push(nonfinite[:16])["subbands"], fir(audio)[:, :16])
    with pytest.raises(InputError, match="audio: sample 20 of the stream is NaN or infinite; mend"):
        stream.push(nonfinite[16:])
    close(stream_through(stream, [audio[16:]]), fir(audio)[:, 16:])


@pytest.mark.parametrize("nonfinite", ["subbands", "next_state_past"])
def test_finite_audio_that_is_too_large_breaks_the_stream_until_it_is_reset(fir_folder, nonfinite):
    manifest = runtime.load(fir_folder).manifest
    backend = TooLoud(runtime.open_form(fir_folder, manifest, "onnx", "stream"), nonfinite)
    stream = runtime.Stream(manifest, backend)
    audio = noise(64)
    loud = audio.copy()
    loud[20] = 1e35
    stream.push(loud[:16])
    what = "a state" if nonfinite.startswith("next") else "subbands"
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
    nonfinite = audio.copy()
    nonfinite[28] = np.nan
    stream = streaming_model.stream(on_nonfinite="reset")
    with pytest.warns(RuntimeWarning, match="up to sample 32; the stream restarts from silence"):
        found = stream.push(nonfinite)["subbands"]
    assert stream.resets == 1
    close(found[:, :28], fir(audio)[:, :28])
    assert np.isnan(found[:, 28:32]).all()
    afresh = np.concatenate([np.zeros(32, np.float32), audio[32:]])
    close(found[:, 32:], fir(afresh)[:, 32:])
    assert found.shape == (3, 96)


def test_a_reset_leaves_the_other_rows_of_a_batch_alone(tmp_path):
    stream = runtime.load(publish_fir(tmp_path / "two", batch=2)).stream(on_nonfinite="reset")
    audio = noise(2, 64)
    nonfinite = audio.copy()
    nonfinite[1, 30] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = stream.push(nonfinite)["subbands"]
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
