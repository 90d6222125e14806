"""The runtime's streams on tiny hand-made artifacts, so that nothing but the runtime is under test."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from amt_export import runtime
from amt_export.errors import AmtExportError, ArtifactError, BackendError, InputError, StreamError
from amt_export.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    Port,
    StateInfo,
    StreamInfo,
    bytes_of,
    sha256_of,
)

BLOCK = 16
TAPS = np.random.default_rng(1).standard_normal((3, 10)).astype(np.float32)
HOP, LONG = 4, 12  # frames of 12 samples every 4


def fir(x):
    """Filter (..., T) by each row of TAPS, from silence: (..., 3, T)."""
    if not x.shape[-1]:
        return np.zeros((*x.shape[:-1], 3, 0), np.float32)
    rows = [np.convolve(row, h)[: x.shape[-1]] for row in x.reshape(-1, x.shape[-1]) for h in TAPS]
    return np.reshape(rows, (*x.shape[:-1], 3, x.shape[-1])).astype(np.float32)


def sums(x):
    """Sums over frames, those that lie within the signal: (..., S)."""
    count = max(0, 1 + (x.shape[-1] - LONG) // HOP)
    frames = [x[..., k * HOP : k * HOP + LONG].sum(-1) for k in range(count)]
    return np.stack(frames, -1) if frames else np.zeros((*x.shape[:-1], 0), np.float32)


def publish(folder: Path, nodes, inputs, outputs, states, constants, **fields) -> Path:
    """Write a streaming artifact, the same graph as whole form (nobody runs it), and a manifest."""
    folder.mkdir(exist_ok=True)
    info = [StateInfo(f"state_{n}", f"next_state_{n}", shape, n) for n, shape in states]
    given_ports = [(p.name, p.shape) for p in inputs] + [(s.input, s.shape) for s in info]
    taken = [(p.name, p.shape) for p in outputs] + [(s.output, s.shape) for s in info]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in given_ports],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in taken],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entries = []
    for form, name in (("whole", "tiny.onnx"), ("stream", "tiny.stream.onnx")):
        path = folder / name
        onnx.save(model, path)
        entries.append(FileEntry(name, "onnx", form, bytes_of(path), sha256_of(path), True))
    latency, skip = fields.pop("latency", 0), fields.pop("skip", 0)
    manifest = Manifest(
        name="tiny",
        module="Tiny",
        description="a tiny model",
        parameters={},
        dtype="float32",
        sampling_rate=16000,
        centre_frequencies=(),
        warm_up=9,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        stream=StreamInfo(BLOCK, latency, tuple(info), skip, tuple(inputs), tuple(outputs)),
        files=tuple(entries),
        versions={},
        **{"hop": 1, "frame_length": 1, **fields},
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def publish_fir(folder: Path, batch: int = 1) -> Path:
    """Three FIR filters with the last nine samples as state, and a constant grid beside them."""
    audio = Port("audio", (batch, BLOCK), "float32", "Pa", ("batch", "time"))
    subbands = Port("subbands", (batch, 3, BLOCK), "float32", "Pa", ("batch", "channel", "time"))
    freqs = Port("freqs", (3,), "float32", "Hz", ("channel",))
    nodes = [
        helper.make_node("Concat", ["state_past", "audio"], ["heard"], axis=1),
        helper.make_node("Unsqueeze", ["heard", "one"], ["column"]),
        helper.make_node("Conv", ["column", "taps"], ["subbands"]),
        helper.make_node("Slice", ["heard", "from", "to", "one"], ["next_state_past"]),
        helper.make_node("Identity", ["grid"], ["freqs"]),
    ]
    constants = {
        "one": np.array([1]),
        "from": np.array([BLOCK]),
        "to": np.array([BLOCK + 9]),
        "taps": TAPS[:, None, ::-1].copy(),
        "grid": np.float32([1, 2, 3]),
    }
    return publish(folder, nodes, [audio], [subbands, freqs], [("past", (batch, 9))], constants)


def publish_frames(folder: Path) -> Path:
    """Sums over frames of both ears; frame k stands at its first sample."""
    audio = Port("audio", (1, 2, BLOCK), "float32", "full scale", ("batch", "ear", "time"))
    out = Port("sums", (1, 2, BLOCK // HOP), "float32", "dB", ("batch", "ear", "frame"))
    skip = LONG // HOP - 1
    nodes = [
        helper.make_node("Concat", ["state_past", "audio"], ["heard"], axis=2),
        helper.make_node("Conv", ["heard", "ones"], ["sums"], group=2, strides=[HOP]),
        helper.make_node("Slice", ["heard", "from", "to", "two"], ["next_state_past"]),
    ]
    constants = {
        "two": np.array([2]),
        "from": np.array([BLOCK]),
        "to": np.array([BLOCK + LONG - HOP]),
        "ones": np.ones((2, 1, LONG), np.float32),
    }
    states = [("past", (1, 2, LONG - HOP))]
    return publish(
        folder,
        nodes,
        [audio],
        [out],
        states,
        constants,
        hop=HOP,
        frame_length=LONG,
        latency=LONG,
        skip=skip,
    )


@pytest.fixture(scope="module")
def fir_folder(tmp_path_factory):
    return publish_fir(tmp_path_factory.mktemp("fir"))


@pytest.fixture(scope="module")
def model(fir_folder):
    return runtime.load(fir_folder)


@pytest.fixture(scope="module")
def frames_model(tmp_path_factory):
    return runtime.load(publish_frames(tmp_path_factory.mktemp("frames")))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def pieces(audio: np.ndarray, sizes) -> list[np.ndarray]:
    """Cut along time at the running sums of sizes; what is left is the last piece."""
    cuts = [cut for cut in np.cumsum(sizes) if cut < audio.shape[-1]]
    return np.split(audio, cuts, axis=-1)


def stream_through(stream, parts, name="subbands") -> np.ndarray:
    found = [stream.push(part)[name] for part in parts]
    return np.concatenate([*found, stream.flush()[name]], axis=-1)


def close(found, expected) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


# ---------------------------------------------------------------- what comes out


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(0, 100),
    sizes=st.lists(st.integers(0, 40), max_size=12),
    seed=st.integers(0, 9),
)
def test_any_pieces_make_the_whole_signal(model, samples, sizes, seed):
    audio = noise(samples, seed=seed)
    with model.stream() as stream:
        close(stream_through(stream, pieces(audio, sizes)), fir(audio))
        # and it has started afresh
        close(stream_through(stream, [audio]), fir(audio))


@settings(max_examples=60, deadline=None)
@given(samples=st.integers(0, 100), sizes=st.lists(st.integers(0, 40), max_size=12))
def test_any_pieces_make_the_frames_of_the_whole_signal(frames_model, samples, sizes):
    audio = noise(2, samples)
    with frames_model.stream() as stream:
        close(stream_through(stream, pieces(audio, sizes), "sums"), sums(audio))


def test_outputs_come_as_soon_as_their_block_is_full(model):
    audio = noise(40)
    stream = model.stream()
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


def test_a_flush_of_nothing_is_nothing(model, frames_model):
    assert model.stream().flush()["subbands"].shape == (3, 0)
    assert frames_model.stream().flush()["sums"].shape == (2, 0)


def test_outputs_without_time_are_in_every_answer(model):
    stream = model.stream()
    for answer in (stream.push(noise(3)), stream.push(noise(30)), stream.flush()):
        assert list(answer) == ["subbands", "freqs"]
        np.testing.assert_array_equal(answer["freqs"], [1, 2, 3])


def test_the_batch_axis_comes_back_as_it_went_in(model, tmp_path):
    audio = noise(1, 32)
    stream = model.stream()
    close(stream.push(audio)["subbands"], fir(audio))
    close(stream.push(audio[:, :0])["subbands"], np.zeros((1, 3, 0)))
    two = runtime.load(publish_fir(tmp_path / "two", batch=2)).stream()
    audio = noise(2, 32)
    close(two.push(audio)["subbands"], fir(audio))


def test_float64_audio_is_taken_as_float32(model):
    audio = noise(16)
    close(model.stream().push(audio.astype(np.float64))["subbands"], fir(audio))


def test_what_was_pushed_may_be_overwritten(model):
    audio = noise(40)
    stream, buffer = model.stream(), np.empty(10, np.float32)
    found = []
    for part in np.split(audio, 4):
        buffer[:] = part
        found.append(stream.push(buffer)["subbands"])
        buffer[:] = 7.0
    close(np.concatenate([*found, stream.flush()["subbands"]], axis=-1), fir(audio))


def test_answers_are_not_written_to_later(model):
    audio = noise(64)
    stream = model.stream()
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


def test_reset_starts_afresh(model):
    audio = noise(40)
    stream = model.stream()
    stream.push(noise(21, seed=5))
    stream.reset()
    assert stream.samples == 0
    close(stream_through(stream, [audio]), fir(audio))


def test_two_streams_never_touch(model):
    one, two = noise(64, seed=1), noise(64, seed=2)
    first, second = model.stream(), model.stream()
    found = [[], []]
    for k in range(0, 64, 8):
        found[0].append(first.push(one[k : k + 8])["subbands"])
        found[1].append(second.push(two[k : k + 8])["subbands"])
        if k == 24:
            model.stream().push(noise(30, seed=3))
    close(np.concatenate(found[0], axis=-1), fir(one))
    close(np.concatenate(found[1], axis=-1), fir(two))


def test_streams_of_one_model_in_threads(model):
    signals = [noise(500, seed=seed) for seed in range(8)]

    def run(audio):
        with model.stream() as stream:
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
def test_wrong_audio_is_refused_and_changes_nothing(model, audio, message):
    stream = model.stream()
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


def test_nothing_after_close(model):
    stream = model.stream()
    stream.push(noise(20))
    stream.close()
    for call in (lambda: stream.push(noise(1)), stream.flush, stream.reset):
        with pytest.raises(StreamError, match="this stream is closed; open another"):
            call()
    stream.close()
    with model.stream() as inside:
        pass
    with pytest.raises(StreamError, match="closed"):
        inside.push(noise(1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_burst_that_is_not_finite_raises(model, bad):
    audio = noise(64)
    spoilt = audio.copy()
    spoilt[20:25] = bad
    stream = model.stream()
    close(stream.push(spoilt[:16])["subbands"], fir(audio)[:, :16])
    with pytest.raises(StreamError, match="not finite after the block up to sample 32"):
        stream.push(spoilt[16:])
    for call in (lambda: stream.push(audio), stream.flush):
        with pytest.raises(StreamError, match="reset"):
            call()
    stream.reset()
    close(stream_through(stream, [audio]), fir(audio))


def test_a_burst_resets_and_is_reported(model):
    audio = noise(96)
    spoilt = audio.copy()
    spoilt[28] = np.nan
    stream = model.stream(on_nonfinite="reset")
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


def test_an_unknown_option(model):
    with pytest.raises(BackendError, match="on_nonfinite is 'ignore'; one of raise, reset"):
        model.stream(on_nonfinite="ignore")


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
