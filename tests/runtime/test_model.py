"""The runtime on tiny hand-made artifacts, so that nothing but the runtime is under test."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from amt_export import runtime
from amt_export.errors import (
    AmtExportError,
    ArtifactError,
    BackendError,
    InputError,
    MissingDependencyError,
)
from amt_export.manifest import MANIFEST_NAME, FileEntry, bytes_of, sha256_of
from support.runtime import (
    LENGTH,
    TAPS,
    fir,
    noise,
    publish_fir,
    rewrite,
)

CUDA = "CUDAExecutionProvider"


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
        (
            "onnx",
            {"providers": ["CUDAExecutionProvider"]},
            "CUDAExecutionProvider is not in this onnxruntime, which has .*CUDA needs onnxruntime-gpu",
        ),
        ("onnx", {"providers": "CPUExecutionProvider"}, "give a list of names"),
        ("onnx", {"providers": [1]}, "give a list of names"),
        ("onnx", {"intra_op_num_threads": "one"}, "is 'one'; give a whole number of threads"),
        ("onnx", {"intra_op_num_threads": -3}, "is -3; give a whole number of threads"),
        ("onnx", {"inter_op_num_threads": True}, "is True; give a whole number of threads"),
        ("onnx", {"spinning": "yes"}, "spinning is 'yes'; give True or False"),
    ],
)
def test_unknown_choices(tmp_path, backend, options, message):
    with pytest.raises(BackendError, match=message):
        runtime.load(publish_fir(tmp_path), backend, **options)


def test_format_that_was_not_published(tmp_path):
    expected = r"no torchscript \(whole\) in this folder, only onnx \(whole\); leave backend out"
    with pytest.raises(ArtifactError, match=expected) as caught:
        runtime.load(publish_fir(tmp_path), "torchscript")
    assert caught.value.command_line.endswith("; leave --backend out")


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ArtifactError, match="nothing: no such folder"):
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


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (CUDA, (CUDA, {"use_tf32": "0"})),
        ((CUDA, {"device_id": 1}), (CUDA, {"use_tf32": "0", "device_id": 1})),
        ((CUDA, {"use_tf32": "1"}), (CUDA, {"use_tf32": "1"})),
        ("CPUExecutionProvider", ("CPUExecutionProvider", {})),
    ],
)
def test_cuda_multiplies_without_tf32_unless_asked_otherwise(tmp_path, monkeypatch, given, asked):
    """What ONNX Runtime is asked for; no GPU is needed to see it."""
    import onnxruntime

    requests = []

    def session(_path, _options, providers):
        requests.extend(providers)
        raise RuntimeError("no such device here")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [asked[0]])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with pytest.raises(ArtifactError, match="no such device here"):
        runtime.load(publish_fir(tmp_path), providers=[given])
    assert requests == [asked]


def test_a_provider_that_does_not_start(tmp_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(BackendError, match="does not start on this machine"),
    ):
        runtime.load(publish_fir(tmp_path), providers=[CUDA])


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
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_allclose(model.process(audio)["subbands"], fir(audio), atol=1e-5)
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
