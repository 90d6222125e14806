"""What a stream refuses changes nothing in it; a folder without a right stream opens none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amt_export import runtime
from amt_export.errors import AmtExportError, ArtifactError, BackendError, InputError, StreamError
from amt_export.manifest import MANIFEST_NAME, Manifest
from support.streams import close, fir, noise, publish_fir


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
