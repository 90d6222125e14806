"""What is wrong with a published folder is noticed before anything is compared."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from amt_export.errors import ArtifactError, ParityError
from amt_export.export import FORMATS
from amt_export.manifest import load_manifest
from amt_export.model_file.building import build_module
from amt_export.verify.parity import check_folder
from amt_export.verify.parity.cases import cases_of, eager_runner, suite_inputs
from amt_export.verify.parity.check import VECTOR_SIGNALS, load_vectors
from amt_export.verify.parity.compare import failing
from support.filters import small_specs
from support.folders import sign


@pytest.mark.parametrize("file", ["gammatone.onnx", "gammatone.ts.pt", "gammatone.pt2"])
def test_a_changed_byte_is_noticed(file, writable):
    folder = writable("gammatone")
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data)
    with pytest.raises(ArtifactError, match=f"{file}: SHA-256 differs"):
        check_folder(folder)


@pytest.mark.parametrize(
    "file", ["gammatone.onnx", "gammatone.ts.pt", "gammatone.pt2", "gammatone.mlpackage"]
)
@pytest.mark.parametrize("signed", [False, True])
def test_a_truncated_artifact_is_noticed(file, signed, writable):
    folder = writable("gammatone")
    path = folder / file
    if path.is_dir():
        path = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if signed:
        sign(folder)
    with pytest.raises(ArtifactError, match=file):
        check_folder(folder)


def test_a_package_without_its_weights_is_noticed(writable):
    folder = writable("gammatone")
    (folder / "gammatone.mlpackage/Data/com.apple.CoreML/weights/weight.bin").unlink()
    sign(folder)
    with pytest.raises(ArtifactError, match="weight"):
        check_folder(folder)


def test_an_artifact_of_another_model_is_noticed(writable, published):
    """Signed, and of the right format, but not what the manifest describes."""
    folder = writable("gammatone")
    for suffix in (".onnx", ".ts.pt", ".pt2"):
        shutil.copy(published("drnl") / f"drnl{suffix}", folder / f"gammatone{suffix}")
        sign(folder)
        with pytest.raises((ArtifactError, ParityError)):
            check_folder(folder, vectors_only=True)
        shutil.copy(published("gammatone") / f"gammatone{suffix}", folder)


def test_a_core_ml_package_of_another_model_is_noticed(writable, published):
    folder = writable("gammatone")
    package = folder / "gammatone.mlpackage"
    shutil.rmtree(package)
    shutil.copytree(published("drnl") / "drnl.mlpackage", package)
    sign(folder)
    with pytest.raises(ArtifactError, match=r"gammatone\.mlpackage"):
        check_folder(folder)


def damaged_vectors(kind: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    first = next(key for key in arrays if key.startswith("in."))
    if kind == "none":
        return {}
    if kind == "an input is missing":
        return {key: value for key, value in arrays.items() if key != first}
    if kind == "foreign names":
        return {"something": np.zeros(3)}
    if kind == "short input":
        return {**arrays, first: arrays[first][:, :-1]}
    if kind == "short output":
        key = first.replace("in.", "out.").replace("audio", "subbands")
        return {**arrays, key: arrays[key][..., :-1]}
    return {**arrays, first: np.array(["text"])}


@pytest.mark.parametrize(
    "kind",
    ["none", "an input is missing", "foreign names", "short input", "short output", "text"],
)
def test_vectors_of_something_else_are_one_error(kind, writable):
    folder = writable("gammatone")
    with np.load(folder / "vectors.npz") as file:
        arrays = dict(file)
    np.savez(folder / "vectors.npz", **damaged_vectors(kind, arrays))
    with pytest.raises((ArtifactError, ParityError)):
        check_folder(folder)


@pytest.mark.parametrize("keep", [None, 0, 100, 5000])
def test_missing_and_truncated_vectors(keep, writable):
    path = writable("gammatone") / "vectors.npz"
    data = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(data[:keep])
    with pytest.raises(ArtifactError, match=r"vectors\.npz.*build"):
        check_folder(path.parent)


def test_changed_vectors_are_rejected(writable):
    folder = writable("gammatone")
    with np.load(folder / "vectors.npz") as file:
        arrays = dict(file)
    arrays["out.speech.subbands"] = arrays["out.speech.subbands"] * np.float32(1.0 + 1e-4)
    np.savez(folder / "vectors.npz", **arrays)
    sign(folder)
    with pytest.raises(ParityError, match="speech") as caught:
        check_folder(folder)
    assert len(failing(caught.value.rows)) == len(FORMATS)


def test_vectors_are_the_float64_module(published):
    folder = published("gammatone")
    manifest = load_manifest(folder)
    cases = load_vectors(folder, manifest)
    assert {case.signal for case in cases} == set(VECTOR_SIGNALS)
    spec = small_specs()["gammatone"]
    double = build_module(spec, torch.float64).freeze(2000)
    expected = cases_of(
        suite_inputs(double, spec.inputs), eager_runner(double, ["subbands"]), "float64"
    )
    truth = {case.signal: case for case in expected}
    for case in cases:
        np.testing.assert_array_equal(case.inputs["audio"], truth[case.signal].inputs["audio"])
        error = case.outputs["subbands"] - truth[case.signal].outputs["subbands"]
        assert np.abs(error).max() < 1e-7 * np.abs(case.outputs["subbands"]).max()
