"""The runtime on tiny hand-made artifacts, so that nothing but the runtime is under test."""

from __future__ import annotations

import subprocess
import sys
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
from amt_export.errors import (
    AmtExportError,
    ArtifactError,
    BackendError,
    InputError,
    MissingDependencyError,
)
from amt_export.manifest import MANIFEST_NAME, FileEntry, Manifest, Port, bytes_of, sha256_of
from amt_export.runtime.windows import Framing, extended, plan

LENGTH = 64
TAPS = np.random.default_rng(1).standard_normal((3, 10)).astype(np.float32)


def fir(x, taps=TAPS):
    """Filter (..., T) by each row of taps, from rest: (..., F, T)."""
    x = np.asarray(x)
    rows = [np.convolve(row, h)[: x.shape[-1]] for row in x.reshape(-1, x.shape[-1]) for h in taps]
    return np.reshape(rows, (*x.shape[:-1], len(taps), x.shape[-1]))


def publish(folder: Path, model: onnx.ModelProto, **fields) -> Path:
    """Write an artifact and a manifest that says so."""
    folder.mkdir(exist_ok=True)
    path = folder / "tiny.onnx"
    onnx.save(model, path)
    entry = FileEntry(path.name, "onnx", "whole", bytes_of(path), sha256_of(path), True)
    manifest = Manifest(
        name="tiny",
        module="Tiny",
        description="a tiny model",
        parameters={},
        dtype="float32",
        sampling_rate=16000,
        files=(entry,),
        versions={},
        **{"hop": 1, "frame_length": 1, "centre_frequencies": (), **fields},
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def rewrite(folder: Path, **fields) -> None:
    """Change fields of a published manifest."""
    path = folder / MANIFEST_NAME
    manifest = replace(Manifest.from_json(path.read_text(encoding="utf-8")), **fields)
    path.write_text(manifest.to_json(), encoding="utf-8")


def onnx_model(nodes, inputs, outputs, constants=None) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, p.shape) for p in inputs],
        [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, p.shape) for p in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="test"
    )


def publish_fir(folder: Path, batch: int = 1, **fields) -> Path:
    """Three FIR filters over mono audio, and a constant frequency grid beside them."""
    audio = Port("audio", (batch, LENGTH), "float32", "Pa", ("batch", "time"))
    subbands = Port("subbands", (batch, 3, LENGTH), "float32", "Pa", ("batch", "channel", "time"))
    freqs = Port("freqs", (3,), "float32", "Hz", ("channel",))
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "one"], ["column"]),
        helper.make_node("Conv", ["column", "taps"], ["subbands"], pads=[9, 0]),
        helper.make_node("Identity", ["grid"], ["freqs"]),
    ]
    constants = {
        "one": np.array([1]),
        "taps": TAPS[:, None, ::-1].copy(),
        "grid": np.float32([1, 2, 3]),
    }
    model = onnx_model(nodes, [audio], [subbands, freqs], constants)
    return publish(
        folder, model, **{"warm_up": 9, "inputs": (audio,), "outputs": (subbands, freqs), **fields}
    )


def publish_ears(folder: Path) -> Path:
    """Two ears, each through one FIR filter of ten taps."""
    audio = Port("audio", (1, 2, LENGTH), "float32", "Pa", ("batch", "ear", "time"))
    out = Port("heard", (1, 2, LENGTH), "float32", "Pa", ("batch", "ear", "time"))
    node = helper.make_node("Conv", ["audio", "taps"], ["heard"], pads=[9, 0], group=2)
    model = onnx_model([node], [audio], [out], {"taps": TAPS[:2, None, ::-1].copy()})
    return publish(folder, model, warm_up=9, inputs=(audio,), outputs=(out,))


def publish_sum(folder: Path) -> Path:
    """Two inputs that are no audio."""
    freqs = Port("freqs", (2, 4), "float32", "Hz", ("frame", "component"))
    levels = Port("levels", (2, 4), "float32", "dB SPL", ("frame", "component"))
    total = Port("total", (2, 4), "float32", "dB SPL", ("frame", "component"))
    node = helper.make_node("Sub", ["levels", "freqs"], ["total"])
    model = onnx_model([node], [freqs, levels], [total])
    return publish(folder, model, warm_up=0, inputs=(freqs, levels), outputs=(total,))


@pytest.fixture(scope="module")
def fir_model(tmp_path_factory):
    return runtime.load(publish_fir(tmp_path_factory.mktemp("fir")))


@pytest.fixture
def sum_model(tmp_path):
    return runtime.load(publish_sum(tmp_path))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ---------------------------------------------------------------- one call


def test_call_by_position_and_by_name(fir_model):
    audio = noise(1, LENGTH)
    by_position, by_name = fir_model(audio), fir_model(audio=audio)
    assert list(by_position) == ["subbands", "freqs"]
    np.testing.assert_array_equal(by_position["subbands"], by_name["subbands"])
    np.testing.assert_allclose(by_position["subbands"], fir(audio), atol=1e-5)


def test_arguments_keep_their_order(sum_model):
    f, level = np.ones((2, 4), np.float32), np.full((2, 4), 3, np.float32)
    assert np.all(sum_model(f, level)["total"] == 2)
    assert np.all(sum_model(f, levels=level)["total"] == 2)
    assert np.all(sum_model(levels=level, freqs=f)["total"] == 2)


def test_a_view_is_as_good_as_an_array(fir_model):
    audio = noise(LENGTH, 1).T[:, ::-1]
    np.testing.assert_allclose(fir_model(audio)["subbands"], fir(audio), atol=1e-5)


@pytest.mark.parametrize(
    ("args", "inputs", "message"),
    [
        ((), {}, "audio: missing; tiny takes audio"),
        ((), {"sound": noise(1, LENGTH)}, "sound: no such input; tiny takes audio"),
        ((noise(1, LENGTH), noise(1)), {}, "2 inputs given; tiny takes audio"),
        ((noise(1, LENGTH),), {"audio": noise(1, LENGTH)}, "given twice"),
        (
            (noise(1, LENGTH).astype(float),),
            {},
            r"expected float32 \(1, 64\), got float64; convert",
        ),
        ((noise(1, 65),), {}, r"got shape \(1, 65\); model.process takes any length"),
        ((noise(LENGTH),), {}, r"expected float32 \(1, 64\), got shape \(64,\)"),
        (([[0.0] * LENGTH],), {}, "got list; pass a numpy array"),
    ],
)
def test_call_is_strict(fir_model, args, inputs, message):
    with pytest.raises(InputError, match=message):
        fir_model(*args, **inputs)


def test_shapes_of_other_inputs_have_no_any_length(sum_model):
    with pytest.raises(InputError, match=r"got shape \(3, 4\)$"):
        sum_model(noise(3, 4), noise(2, 4))


# ---------------------------------------------------------------- any length


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
def test_recursive_filter_forgets(samples):
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
    audio = Port("audio", (1, LENGTH), "float32", "Pa", ("batch", "time"))
    means = Port("means", (1, 15, 1), "float32", "Pa", ("batch", "frame", "channel"))
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


def test_errors_are_one_family_and_builtins():
    assert issubclass(InputError, AmtExportError)
    assert issubclass(InputError, ValueError)
    assert issubclass(MissingDependencyError, ImportError)


def test_manifest_is_read_only(fir_model):
    assert fir_model.manifest.name == "tiny"
    with pytest.raises(AttributeError):
        fir_model.manifest = None


@pytest.mark.parametrize("graph_optimization", ["all", "extended", "basic", "disabled"])
def test_session_options(tmp_path, graph_optimization):
    model = runtime.load(
        publish_fir(tmp_path),
        providers=["CPUExecutionProvider"],
        intra_op_num_threads=1,
        inter_op_num_threads=1,
        graph_optimization=graph_optimization,
    )
    audio = noise(1, LENGTH)
    np.testing.assert_allclose(model(audio)["subbands"], fir(audio), atol=1e-5)


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("onxx", {}, "unknown backend 'onxx'; did you mean 'onnx'.*onnx, torchscript, coreml"),
        ("tensorflow", {}, "unknown backend 'tensorflow'; choose one of"),
        ("onnx", {"provider": []}, "unknown onnx option 'provider'; did you mean 'providers'"),
        ("torchscript", {"providers": []}, "choose one of: device"),
        (
            "onnx",
            {"graph_optimization": "al"},
            "unknown graph_optimization 'al'; did you mean 'all'",
        ),
        ("onnx", {"providers": ["CPU"]}, "unknown provider 'CPU'"),
    ],
)
def test_unknown_choices(tmp_path, backend, options, message):
    with pytest.raises(BackendError, match=message):
        runtime.load(publish_fir(tmp_path), backend, **options)


def test_format_that_was_not_published(tmp_path):
    with pytest.raises(ArtifactError, match=r"no torchscript \(whole\) in this folder, only onnx"):
        runtime.load(publish_fir(tmp_path), "torchscript")


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ArtifactError, match="expected a folder published by"):
        runtime.load(tmp_path / "nothing")
    (tmp_path / MANIFEST_NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match="schema"):
        runtime.load(tmp_path)


def test_missing_file(tmp_path):
    folder = publish_fir(tmp_path)
    (folder / "tiny.onnx").unlink()
    for verify in (True, False):
        with pytest.raises(ArtifactError, match=r"tiny\.onnx"):
            runtime.load(folder, verify=verify)


def test_altered_file(tmp_path):
    folder = publish_fir(tmp_path)
    path = folder / "tiny.onnx"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        runtime.load(folder)
    path.write_bytes(content[:100])
    with pytest.raises(ArtifactError, match="100 bytes, published with"):
        runtime.load(folder)
    with pytest.raises(ArtifactError, match="ONNX Runtime cannot read it"):
        runtime.load(folder, verify=False)


@pytest.mark.parametrize(
    ("backend", "module", "hint"),
    [
        ("onnx", "onnxruntime", r"amt_export\[onnx\]"),
        ("torchscript", "torch", r"amt_export\[export\]"),
    ],
)
def test_runtime_not_installed(tmp_path, monkeypatch, backend, module, hint):
    folder = publish_fir(tmp_path)
    entry = runtime.load(folder).manifest.files[0]
    rewrite(folder, files=(replace(entry, format=backend),))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=hint):
        runtime.load(folder, backend)


def test_core_ml_needs_macos(tmp_path, monkeypatch):
    folder = publish_fir(tmp_path)
    entry = runtime.load(folder).manifest.files[0]
    rewrite(folder, files=(replace(entry, format="coreml"),))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(BackendError, match="Core ML predictions need macOS"):
        runtime.load(folder, "coreml")


def test_cuda_multiplies_exactly_unless_asked_otherwise():
    from amt_export.runtime.backends import _exact

    cuda = "CUDAExecutionProvider"
    assert _exact(cuda) == (cuda, {"use_tf32": "0"})
    assert _exact((cuda, {"device_id": 1})) == (cuda, {"use_tf32": "0", "device_id": 1})
    assert _exact((cuda, {"use_tf32": "1"})) == (cuda, {"use_tf32": "1"})
    assert _exact("CPUExecutionProvider") == ("CPUExecutionProvider", {})


def test_a_provider_that_does_not_start(tmp_path, monkeypatch):
    import onnxruntime

    cuda = "CUDAExecutionProvider"
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda])
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(BackendError, match="does not start on this machine"),
    ):
        runtime.load(publish_fir(tmp_path), providers=[cuda])


@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated:DeprecationWarning")
def test_torchscript(tmp_path):
    torch = pytest.importorskip("torch")

    class Filters(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("taps", torch.tensor(TAPS[:, None, ::-1].copy()))
            self.register_buffer("grid", torch.tensor([1.0, 2.0, 3.0]))

        def forward(self, audio):
            padded = torch.nn.functional.pad(audio[:, None], (9, 0))
            return torch.nn.functional.conv1d(padded, self.taps), self.grid

    folder = publish_fir(tmp_path)
    path = folder / "tiny.ts.pt"
    torch.jit.save(torch.jit.trace(Filters(), torch.zeros(1, LENGTH)), path)
    entry = FileEntry(path.name, "torchscript", "whole", bytes_of(path), sha256_of(path), False)
    rewrite(folder, files=(entry,))
    model = runtime.load(folder, "torchscript")
    audio = noise(200)
    np.testing.assert_allclose(model.process(audio)["subbands"], fir(audio), atol=1e-5)
    np.testing.assert_array_equal(model.process(audio)["freqs"], [1, 2, 3])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ArtifactError, match="TorchScript cannot read it"):
        runtime.load(folder, "torchscript", verify=False)


def test_imports_neither_torch_nor_onnx():
    code = (
        "import sys, amt_export, amt_export.runtime; "
        "heavy = {'torch', 'onnx', 'onnxruntime', 'coremltools', 'scipy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
