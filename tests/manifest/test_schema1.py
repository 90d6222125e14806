"""Folders that earlier versions published, with manifest schema 1, are read, checked and run."""

import copy
import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amt_export import runtime
from amt_export.cli.main import main
from amt_export.errors import ArtifactError, ParityError
from amt_export.manifest import MANIFEST_NAME, Manifest, describe_others, load_manifest
from amt_export.verify.parity import check_folder
from support.manifests import EXAMPLE

FOLDER = Path(__file__).parents[1] / "data" / "schema1" / "bank"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "bank"))


def old(**fields):
    """The documented example as schema 1 wrote it."""
    content = copy.deepcopy(EXAMPLE) | {"schema": 1, "dtype": "float32"}
    for key in ("precision", "batch", "license", "references", "other_files"):
        del content[key]
    content["stream"]["float64"] = False
    return content | fields


def read(**fields):
    return Manifest.from_json(json.dumps(old(**fields)))


def test_a_manifest_of_schema_1_says_the_same_in_the_words_of_schema_2():
    new = Manifest.from_json(json.dumps(EXAMPLE))
    same = replace(new, license="", references=(), other_files=(), converted_from=1)
    assert read() == same
    assert Manifest.from_json(read().to_json()) == same


@pytest.mark.parametrize(
    ("module", "parameters", "converted"),
    [
        ("GammatoneFilterbank", {"fs": 16000, "terms": 3}, {"fs": 16000}),
        ("MultiResolutionFFT", {"merge": "aligned"}, {"reference": "documented"}),
        ("MultiResolutionFFT", {"merge": "torch_amt"}, {"reference": "torch_amt"}),
        ("ExcitationPattern", {"summation": "power"}, {"reference": "documented"}),
        ("ExcitationPattern", {"summation": "natural"}, {"reference": "torch_amt"}),
        (
            "Glasberg2002FrontEnd",
            {"multi_fft_kwargs": {"merge": "torch_amt", "hop_fraction": 0.5}},
            {"multi_fft_kwargs": {"reference": "torch_amt", "hop_fraction": 0.5}},
        ),
        (
            "Moore2016ExcitationPattern",
            {"erb_step": 0.25},
            {"erb_step": 0.25, "reference": "torch_amt"},
        ),
        ("Moore2016FrontEnd", {}, {"reference": "torch_amt"}),
        ("Moore2016Spectrum", {"fs": 32000}, {"fs": 32000}),
    ],
)
def test_parameters_have_the_names_of_today(module, parameters, converted):
    assert read(module=module, parameters=parameters).parameters == converted


@pytest.mark.parametrize(
    ("dtype", "stream", "precision"),
    [("float32", False, "float32"), ("float32", True, "float64"), ("float64", False, "float64")],
)
def test_precision_is_that_of_the_module_or_its_stream(dtype, stream, precision):
    info = old()["stream"] | {"float64": stream}
    assert read(dtype=dtype, stream=info).precision == precision


@pytest.mark.parametrize(
    ("unit", "kind"), [("Pa", "relative"), ("dB SPL", "db"), ("Hz", "frequency")]
)
def test_outputs_are_compared_by_their_unit(unit, kind):
    port = old()["outputs"][0] | {"unit": unit}
    assert read(outputs=[port]).outputs[0].kind == kind


@pytest.mark.parametrize("value", [3, "x", None, [], {}, [3], {"a": 1}])
@pytest.mark.parametrize("key", ["parameters", "stream", "inputs", "outputs", "dtype", "module"])
def test_a_damaged_one_is_no_traceback(key, value):
    with suppress(ArtifactError):  # and nothing else; some of these are fine
        read(**{key: value})


def test_a_published_folder_is_checked_with_its_vectors_only(folder, capsys):
    findings = check_folder(folder)
    assert {(row.format, row.form) for row in findings.vectors} == {
        ("onnx", "whole"),
        ("onnx", "stream"),
    }
    assert not findings.eager
    assert main(["check", str(folder)]) == 0
    reason = "comparison with eager torch: published with manifest schema 1"
    assert f"not run: {reason}" in capsys.readouterr().out


def test_its_numbers_are_still_checked(folder):
    with np.load(folder / "vectors.npz") as arrays:
        damaged = {k: v * (1.01 if k.startswith("out.") else 1) for k, v in arrays.items()}
    np.savez_compressed(folder / "vectors.npz", **damaged)
    with pytest.raises(ParityError):
        check_folder(folder)


def test_the_copy_inside_an_artifact_must_say_the_same(folder):
    path = folder / MANIFEST_NAME
    path.write_text(path.read_text().replace('"fs": 16000', '"fs": 16001'), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"carries another manifest .*\(parameters\)"):
        check_folder(folder)


def test_it_runs_and_streams():
    model = runtime.load(FOLDER)
    audio = np.random.default_rng(1).standard_normal(160).astype(np.float32)
    whole = model.process(audio)["subbands"]
    with model.stream() as stream:
        pieces = [stream.push(audio)["subbands"], stream.flush()["subbands"]]
    np.testing.assert_allclose(np.concatenate(pieces, -1), whole, atol=2e-5 * np.abs(whole).max())


# ---------------------------------------------------------------- what schema 2 adds


def test_other_files_are_everything_but_artifacts_and_manifest(tmp_path):
    (tmp_path / "m.mlpackage" / "Data").mkdir(parents=True)
    (tmp_path / "pictures").mkdir()
    for name in ("m.onnx", "m.mlpackage/Data/w", "manifest.json", "README.md", "pictures/a.svg"):
        (tmp_path / name).write_text("text", encoding="utf-8")
    entry = Manifest.from_json(json.dumps(EXAMPLE)).files[0]
    files = [replace(entry, path="m.onnx"), replace(entry, path="m.mlpackage")]
    found = describe_others(tmp_path, files)
    assert [(other.path, other.bytes) for other in found] == [
        ("README.md", 4),
        ("pictures/a.svg", 4),
    ]


def test_check_verifies_other_files(folder):
    manifest = replace(
        load_manifest(folder), other_files=describe_others(folder, load_manifest(folder).files)
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    check_folder(folder)
    (folder / "vectors.npz").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"vectors\.npz: 1 bytes, published with"):
        check_folder(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"precision": "float16"}, "precision is 'float16', not 'float32' or 'float64'"),
        ({"batch": "free"}, "batch is 'free', not 'static' or 'dynamic'"),
        ({"references": [3]}, r"references\[0\] is 3, not str"),
    ],
)
def test_the_new_keys_are_checked(change, named):
    with pytest.raises(ArtifactError, match=named):
        Manifest.from_json(json.dumps(EXAMPLE | change))


def test_only_the_batch_may_be_free():
    content = copy.deepcopy(EXAMPLE) | {"batch": "dynamic"}
    content["inputs"][0]["shape"] = [None, 16000]
    assert Manifest.from_json(json.dumps(content)).inputs[0].sized(3) == (3, 16000)
    content["inputs"][0]["shape"] = [1, None]
    with pytest.raises(ArtifactError, match=r"only the first size, the batch, may be free"):
        Manifest.from_json(json.dumps(content))
