"""`check` with torch: the module is built anew and heard over the whole suite."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from amt_export.errors import ArtifactError, ParityError
from amt_export.manifest import Checkpoint, load_manifest, sha256_of
from amt_export.model_file import building as build
from amt_export.model_file.building import build_module
from amt_export.publish import publish
from amt_export.verify.parity import check_folder, failing
from amt_export.verify.parity.signals import suite
from support.filters import small_specs
from support.folders import keep_only, write


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

    monkeypatch.setattr("amt_export.verify.parity.eager.build_module", other)
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


def test_eager_on_another_device(monkeypatch):
    from amt_export.verify.parity.cases import cases_of, eager_runner, suite_inputs
    from amt_export.verify.parity.eager import prove_eager
    from amt_export.verify.parity.prove import Expected

    spec = small_specs()["gammatone"]
    module = build_module(spec).freeze(2000)
    double = build_module(spec, torch.float64).freeze(2000)
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
    monkeypatch.setattr("amt_export.verify.parity.eager.cuda_device", lambda: "cpu")
    rows = prove_eager(module, own, expected).rows
    assert [row.provider for row in rows] == ["torch", "cuda"]
    assert rows[0].worst == rows[1].worst
    assert not rows[0].skipped
