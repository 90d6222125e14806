"""`check`: what a published folder proves on another machine, with torch and without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from filter_checks import ROOT, noise, small_specs
from folder_checks import sign

from amt_export import build
from amt_export.build import build_module
from amt_export.errors import ArtifactError, BackendError, MissingDependencyError, ParityError
from amt_export.manifest import (
    Checkpoint,
    Manifest,
    ParityRow,
    load_manifest,
    sha256_of,
)
from amt_export.parity import check_folder, failing, load, prove, settings
from amt_export.parity.metric import by_channel
from amt_export.parity.settings import OTHERS, Setup
from amt_export.parity.signals import suite
from amt_export.ports import Port
from amt_export.publish import publish

HEAVY = ("torch", "onnx", "onnxscript", "coremltools", "scipy", "rich", "matplotlib", "soundfile")


def write(folder: Path, manifest: Manifest) -> None:
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def keep_only(folder: Path, *formats: str) -> None:
    """Leave some formats in a folder, so that the others take no time."""
    manifest = load_manifest(folder)
    kept = tuple(entry for entry in manifest.files if entry.format in formats)
    write(folder, replace(manifest, files=kept))


def check_without(tmp_path: Path, folder: Path, *blocked: str) -> subprocess.CompletedProcess:
    """Run `check` in a process in which some packages cannot be imported."""
    stubs = tmp_path / "blocked"
    stubs.mkdir()
    for name in blocked:
        (stubs / f"{name}.py").write_text(f"raise ImportError('no {name} here')")
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "amt_export", "check", folder],
        env={**os.environ, "COLUMNS": "80", "PYTHONPATH": f"{stubs}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# Without torch


def test_numpy_and_onnxruntime_are_enough(published, tmp_path):
    done = check_without(tmp_path, published("gammatone"), *HEAVY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines() if " subbands " in line]
    assert [(row[0], row[-1]) for row in rows] == [("onnx", "yes")]
    for kind, package in (
        ("torchscript", "torch"),
        ("exported_program", "torch"),
        ("coreml", "coremltools"),
    ):
        (line,) = [x for x in done.stdout.splitlines() if x.startswith(f"not run: {kind}:")]
        assert f"(no {package} here)" in line
    assert "not compared with eager torch: torch cannot be imported here (no torch" in done.stdout
    assert "1 folder checked, all is well" in done.stdout


def test_a_wrong_number_is_found_without_torch(writable, tmp_path):
    folder = writable("gammatone")
    spoil_channel(folder / "gammatone.onnx", 1, 1.0001)
    sign(folder)
    done = check_without(tmp_path, folder, *HEAVY)
    assert done.returncode == 1
    assert "amt-export: error: gammatone: onnx differs" in done.stderr
    assert "subbands[1]" in done.stdout
    assert "NO" in done.stdout


def test_nothing_to_run_it_with_is_not_a_pass(published, tmp_path):
    done = check_without(tmp_path, published("gammatone"), *HEAVY, "onnxruntime")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "nothing can be run here" in line
    assert "onnxruntime" in line
    assert "all is well" not in done.stdout


# With torch


def test_eager_torch_hears_the_whole_suite(published):
    findings = check_folder(published("gammatone"))
    assert not findings.eager_reason
    manifest = load_manifest(published("gammatone"))
    built = {row.format: row for row in manifest.parity}
    for row in findings.eager:
        assert row.settings == () or row.settings[0].signals == tuple(suite(10, 16000))
        assert (row.worst, row.signal, row.channel) == (
            built[row.format].worst,
            built[row.format].signal,
            built[row.format].channel,
        )


def test_eager_torch_of_other_values_is_noticed(writable, monkeypatch):
    """The vectors travel with the artifact and agree with it; the module is built anew."""
    folder = writable("gammatone")
    keep_only(folder, "onnx")
    real = build.build_module

    def other(spec, *rest):
        low, high = spec.parameters["fc"]
        fc = (1.001 * low, high)
        return real(replace(spec, parameters=spec.parameters | {"fc": fc}), *rest)

    monkeypatch.setattr("amt_export.parity.eager.build_module", other)
    with pytest.raises(ParityError, match="onnx differs from eager torch") as caught:
        check_folder(folder)
    assert len(failing(caught.value.rows)) == 1
    assert not failing(check_folder(folder, vectors_only=True).rows)


def test_a_module_this_version_does_not_know(writable):
    folder = writable("gammatone")
    write(folder, replace(load_manifest(folder), module="GammatoneFilterBank"))
    with pytest.raises(ArtifactError, match=r"gammatone\.ts\.pt: carries another manifest"):
        check_folder(folder, vectors_only=True)
    with pytest.raises(ValueError, match=r"no module 'GammatoneFilterBank'.*'GammatoneFilterbank'"):
        check_folder(folder)


def test_values_of_a_checkpoint_are_compared_with_vectors_only(tmp_path):
    spec = small_specs()["gammatone"]
    module = build_module(spec)
    module.gains.mul_(1.5)
    values = tmp_path / "trained.pt"
    torch.save({f"ears.{name}": value for name, value in module.state_dict().items()}, values)
    manifest = publish(
        spec, tmp_path, formats=["onnx"], checkpoint=values, checkpoint_prefix="ears."
    )
    assert manifest.checkpoint == Checkpoint(sha256_of(values), "ears.")
    findings = check_folder(tmp_path / "gammatone")
    assert "checkpoint" in findings.eager_reason
    assert findings.eager == ()
    assert [row.format for row in findings.vectors] == ["onnx"]
    # Built from the model file, it is another model: had eager torch been asked, it would have said no.
    write(tmp_path / "gammatone", replace(manifest, checkpoint=None))
    with pytest.raises(ArtifactError, match=r"another manifest.*\(checkpoint\)"):
        check_folder(tmp_path / "gammatone")


def test_a_model_without_checkpoint_says_nothing_of_one(published):
    content = json.loads((published("gammatone") / "manifest.json").read_text())
    assert "checkpoint" not in content


# The interface


def spoil_channel(path: Path, channel: int, factor: float) -> None:
    """Scale one channel of an ONNX file's only output."""
    model = onnx.load(path)
    (output,) = model.graph.output
    shape = [d.dim_value for d in output.type.tensor_type.shape.dim]
    factors = np.ones((1, shape[1], 1), np.float32)
    factors[0, channel] = factor
    for node in model.graph.node:
        for i, name in enumerate(node.output):
            if name == output.name:
                node.output[i] = "unscaled"
    model.graph.initializer.append(onnx.numpy_helper.from_array(factors, "factors"))
    model.graph.node.append(
        onnx.helper.make_node("Mul", ["unscaled", "factors"], [output.name], "scale")
    )
    onnx.save(model, path)


def rename_output(model: onnx.ModelProto) -> None:
    old = model.graph.output[0].name
    model.graph.output[0].name = "other"
    for node in model.graph.node:
        node.output[:] = ["other" if name == old else name for name in node.output]


def widen_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value += 1


def other_manifest(model: onnx.ModelProto) -> None:
    (entry,) = model.metadata_props
    entry.value = entry.value.replace('"fs": 16000', '"fs": 16001')


def no_manifest(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (rename_output, r"its outputs are other \(float\)"),
        (widen_input, "ONNX Runtime cannot read it|its inputs are audio"),
        (other_manifest, r"carries another manifest than .*manifest\.json \(parameters\)"),
        (no_manifest, "not made by amt-export"),
    ],
)
def test_another_interface_is_noticed(spoil, message, writable):
    folder = writable("gammatone")
    keep_only(folder, "onnx")
    model = onnx.load(folder / "gammatone.onnx")
    spoil(model)
    onnx.save(model, folder / "gammatone.onnx")
    sign(folder)
    with pytest.raises(ArtifactError, match=message):
        check_folder(folder, vectors_only=True)


@pytest.mark.parametrize("format", ["torchscript", "exported_program", "onnx", "coreml"])
def test_an_edited_manifest_is_noticed(format, writable):
    folder = writable("gammatone")
    keep_only(folder, format)
    manifest = load_manifest(folder)
    write(folder, replace(manifest, centre_frequencies=(1.0, *manifest.centre_frequencies[1:])))
    with pytest.raises(ArtifactError, match=r"another manifest .*\(centre_frequencies\)"):
        check_folder(folder, vectors_only=True)


def test_a_manifest_without_the_parity_of_an_output(writable):
    folder = writable("gammatone")
    write(folder, replace(load_manifest(folder), parity=()))
    with pytest.raises(ArtifactError, match="no parity of subbands"):
        check_folder(folder, vectors_only=True)


# Providers and settings


def row(worst: float, signal: str = "click", channel: int | None = 0) -> ParityRow:
    return ParityRow(
        "onnx", "whole", "CPUExecutionProvider", "y", "relative", worst, signal, 1e-6, "execution",
        channel,
    )  # fmt: skip


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

    def open_artifact(folder, manifest, entry, provider=None, setup=settings.DEFAULT):
        run, version = real(folder, manifest, entry, provider, setup)
        if setup != Setup("basic", 1):
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

    def open_artifact(folder, manifest, entry, provider=None, setup=settings.DEFAULT):
        run, version = real(
            folder,
            manifest,
            entry,
            settings.CPU if provider == "OtherExecutionProvider" else provider,
            setup,
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


def test_eager_on_another_device(monkeypatch):
    from amt_export.parity.cases import cases_of, eager_runner, suite_inputs
    from amt_export.parity.eager import prove_eager
    from amt_export.parity.prove import Expected

    spec = small_specs()["gammatone"]
    module = build_module(spec).frozen(2000)
    double = build_module(spec, torch.float64).frozen(2000)
    inputs = {"click": suite_inputs(module, spec.inputs)["click"]}
    cases = [
        replace(case, inputs={n: a.astype(np.float32) for n, a in case.inputs.items()})
        for case in cases_of(inputs, eager_runner(double, ["subbands"]), "float64")
    ]
    expected = Expected(cases, module.output_ports, {"relative": 1e-5})
    own = cases_of(inputs, eager_runner(module, ["subbands"]), "float32")
    (usual,) = prove_eager(module, own, expected).rows
    assert usual.provider == "torch"
    assert "CUDA" in usual.skipped[0].reason
    monkeypatch.setattr("amt_export.parity.eager.cuda_device", lambda: "cpu")
    rows = prove_eager(module, own, expected).rows
    assert [row.provider for row in rows] == ["torch", "cuda"]
    assert rows[0].worst == rows[1].worst
    assert not rows[0].skipped


# Channels


def test_the_worst_channel_is_named(writable):
    folder = writable("gammatone")
    keep_only(folder, "onnx")
    spoil_channel(folder / "gammatone.onnx", 2, 1.001)
    sign(folder)
    with pytest.raises(ParityError) as caught:
        check_folder(folder)
    assert {row.channel for row in failing(caught.value.rows)} == {2}


@pytest.mark.parametrize(
    ("axes", "shape", "index", "channel"),
    [
        (("batch", "channel", "time"), (2, 3, 9), (1, 2, 5), 2),
        (("batch", "frame", "channel"), (2, 9, 3), (0, 5, 1), 1),
        (("batch", "ear", "frame", "bin"), (1, 2, 4, 3), (0, 1, 2, 1), 1),
        (("bin",), (4,), (3,), 3),
    ],
)
@pytest.mark.parametrize("kind", ["relative", "db", "frequency"])
def test_differences_by_channel(axes, shape, index, channel, kind):
    port = Port("y", axes, "Pa", kind)
    expected = np.abs(noise(*shape).numpy()) + 1.0
    found = expected.copy()
    found[index] += 0.01
    errors = by_channel(found, expected, port)
    assert errors.shape == (shape[axes.index("channel" if "channel" in axes else "bin")],)
    assert np.flatnonzero(errors).tolist() == [channel]
    found[index] = np.nan
    assert np.flatnonzero(np.isinf(by_channel(found, expected, port))).tolist() == [channel]
    assert np.isinf(by_channel(found[..., :-1], expected, port)).all()


def test_missing_runtimes_are_one_error_of_the_family():
    assert issubclass(MissingDependencyError, ImportError)


# The oldest and the newest onnxruntime


def test_the_oldest_runtime_is_the_one_that_is_promised():
    """`scripts/check_runtimes.py` runs it; here, that both speak of the same version."""
    import runpy
    import tomllib

    script = runpy.run_path(str(ROOT / "scripts" / "check_runtimes.py"))
    with (ROOT / "pyproject.toml").open("rb") as file:
        (promised,) = tomllib.load(file)["project"]["optional-dependencies"]["onnx"]
    assert script["OLDEST"]["onnxruntime"] == promised.removeprefix("onnxruntime>=") + ".0"
    assert set(script["newest"]()) == {"onnxruntime", "numpy"}


@pytest.mark.parametrize("name", ["gammatone", "drnl", "fast_drnl"])
def test_onnx_files_are_of_an_old_version(name, published):
    """onnxruntime 1.15 reads IR versions up to 9; what torch writes needs 1.18."""
    assert onnx.load(published(name) / f"{name}.onnx").ir_version == 8
