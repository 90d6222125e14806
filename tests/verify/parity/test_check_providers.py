"""`check` measures every provider and every setting of a runtime, or says why it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from amt_export.errors import BackendError, ParityError
from amt_export.manifest import load_manifest
from amt_export.verify.parity import check_folder, failing, load, prove, settings
from amt_export.verify.parity.settings import OTHERS, OrtSettings
from amt_export.verify.parity.signals import suite


def test_every_level_and_thread_count_is_measured(published):
    (onnx_row,) = [
        row for row in load_manifest(published("gammatone")).parity if row.format == "onnx"
    ]
    names = [setting.name for setting in onnx_row.settings]
    assert names == [
        f"{level} optimization, {threads}"
        for level in ("all", "basic", "disabled")
        for threads in ("all threads", "1 thread")
    ]
    full, *reduced = onnx_row.settings
    assert full.signals == tuple(suite(10, 16000))
    assert [setting.signals for setting in reduced] == [
        ("speech",) if setting.name.endswith("1 thread") else ("noise_94dB",) for setting in reduced
    ]
    assert onnx_row.worst == max(setting.worst for setting in onnx_row.settings)
    assert onnx_row.signal in {s.signal for s in onnx_row.settings if s.worst == onnx_row.worst}


def test_a_setting_that_is_wrong_is_the_worst(published, monkeypatch):
    """As an optimizer that folds a constant wrongly would be."""
    folder = published("gammatone")
    real = load.open_artifact

    def open_artifact(folder, manifest, entry, provider=None, ort_settings=settings.DEFAULT):
        run, version = real(folder, manifest, entry, provider, ort_settings)
        if ort_settings != OrtSettings("basic", 1):
            return run, version
        return (lambda inputs: {k: 1.001 * v for k, v in run(inputs).items()}), version

    monkeypatch.setattr(prove, "open_artifact", open_artifact)
    with pytest.raises(ParityError, match=r"onnx differs from .* in subbands") as caught:
        check_folder(folder, vectors_only=True)
    (bad,) = failing(caught.value.rows)
    assert bad.worst == pytest.approx(1e-3, rel=0.01)
    assert [s.name for s in bad.settings if s.worst > 1e-4] == ["basic optimization, 1 thread"]
    assert len(bad.settings) == 1 + len(OTHERS)


def test_what_is_not_installed_is_skipped_with_the_reason(published):
    findings = check_folder(published("gammatone"), vectors_only=True)
    reasons = {
        (item.format, item.provider): item.reason for item in findings.not_run if item.provider
    }
    import onnxruntime

    for provider in settings.WANTED:
        if provider not in onnxruntime.get_available_providers():
            assert reasons["onnx", provider] == "not in this build of onnxruntime"
    if not torch.cuda.is_available():
        assert "CUDA" in reasons["torchscript", "cuda"]
    for item in load_manifest(published("gammatone")).parity:
        if item.format == "onnx":
            assert {skip.provider for skip in item.skipped} == {
                provider for kind, provider in reasons if kind == "onnx"
            }


def test_a_provider_that_does_not_start_is_skipped(published, monkeypatch):
    cuda = "CUDAExecutionProvider"
    monkeypatch.setattr(load, "providers", lambda: ((settings.CPU, cuda), ()))

    def start(self, path, manifest, *, providers, **options):
        if providers[0][0] == cuda:
            raise BackendError("provider 'CUDAExecutionProvider' does not start on this machine")
        real(self, path, manifest, providers=providers, **options)

    from amt_export.runtime.backends import OnnxBackend

    real = OnnxBackend.__init__
    monkeypatch.setattr(OnnxBackend, "__init__", start)
    findings = check_folder(published("gammatone"), vectors_only=True)
    (item,) = [item for item in findings.not_run if item.provider == cuda]
    assert "does not start" in item.reason
    assert cuda not in {row.provider for row in findings.vectors}


def test_another_provider_has_a_row_of_its_own(published, monkeypatch):
    """The path that CUDA takes, on the CPU under another name; and a wrong one fails."""
    monkeypatch.setattr(load, "providers", lambda: ((settings.CPU, "OtherExecutionProvider"), ()))
    monkeypatch.setattr(load, "cuda_device", lambda: "cpu")
    factor = [1.0]
    real = load.open_artifact

    def open_artifact(folder, manifest, entry, provider=None, ort_settings=settings.DEFAULT):
        run, version = real(
            folder,
            manifest,
            entry,
            settings.CPU if provider == "OtherExecutionProvider" else provider,
            ort_settings,
        )
        if provider != "OtherExecutionProvider":
            return run, version
        version = replace(version, provider=provider)
        return (lambda inputs: {k: factor[0] * v for k, v in run(inputs).items()}), version

    monkeypatch.setattr(prove, "open_artifact", open_artifact)
    rows = check_folder(published("gammatone"), vectors_only=True).vectors
    assert [
        (row.format, row.provider) for row in rows if row.format in ("onnx", "torchscript")
    ] == [
        ("torchscript", "torch"),
        ("torchscript", "cuda"),
        ("onnx", "CPUExecutionProvider"),
        ("onnx", "OtherExecutionProvider"),
    ]
    factor[0] = 1.001
    with pytest.raises(ParityError, match="onnx on OtherExecutionProvider differs"):
        check_folder(published("gammatone"), vectors_only=True)
