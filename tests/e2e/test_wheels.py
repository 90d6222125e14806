"""What is uploaded: the model files in one wheel, thinned published folders in the other, archives and sums."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from types import ModuleType

import pytest

from amt_export import runtime
from amt_export.errors import ArtifactError
from amt_export.manifest import load_manifest, verify_files
from amt_export.verify.parity import check_folder
from support.cli import ROOT, SMALL
from support.process import ran, succeeded
from support.runtime import publish_fir


def script(name: str) -> ModuleType:
    """Import a script of scripts/, or setup.py."""
    path = ROOT / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheels():
    return script("scripts/wheels.py")


@pytest.fixture(scope="module")
def release():
    return script("scripts/release.py")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Wheel and sdist of the package."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_the_wheel_holds_model_files_types_licences_and_absolute_links(distributions):
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        text = wheel.read(metadata).decode()
    for model in (ROOT / "models").glob("*.toml"):
        assert f"amt_export/models/{model.name}" in names
    assert "amt_export/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "scripts"))]
    assert sum("/licenses/" in name for name in names) == 2
    assert "License-Expression: MIT AND BSD-2-Clause" in text
    assert [
        line
        for line in text.splitlines()
        if line.startswith("Requires-Dist") and "extra" not in line
    ] == ["Requires-Dist: numpy>=1.26"]
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []


def test_the_wheel_holds_every_data_file_of_the_package(distributions):
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    package = ROOT / "amt_export"
    found = {file.relative_to(ROOT).as_posix() for file in package.rglob("*") if file.is_file()}
    ours = {name for name in found if "__pycache__" not in name}
    assert ours - names == set()


def test_the_sdist_holds_the_repository(distributions):
    listed = ran("git", "ls-files", cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a checkout")
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    tracked = [name for name in listed.stdout.splitlines() if not name.startswith(".git")]
    assert [name for name in tracked if name not in names and ".gitignore" not in name] == []
    assert "amt_export/models/gammatone_speech_16k.toml" in names
    assert not [name for name in names if name.startswith("artifacts/") and "README" not in name]


def test_relative_links_become_absolute_and_others_stay():
    absolute = script("setup.py").absolute
    text = "![picture](docs/a.png) [page](./docs/a.md#part) [web](https://a.org) [below](#part)"
    assert absolute(text, "https://host/repo") == (
        "![picture](https://host/repo/raw/main/docs/a.png) "
        "[page](https://host/repo/blob/main/docs/a.md#part) [web](https://a.org) [below](#part)"
    )


def test_a_packed_folder_is_complete_without_vectors_and_other_formats(wheels, published, tmp_path):
    packed = wheels.pack(published("gammatone"), tmp_path)
    folder = tmp_path / "gammatone"
    assert {entry.format for entry in packed.files} == {"onnx"}
    assert {row.format for row in packed.parity} == {"onnx", "float64"}
    assert not (folder / "vectors.npz").exists()
    assert {path.suffix for path in folder.iterdir()} == {".onnx", ".json", ".md", ".svg"}
    verify_files(folder, (*packed.files, *packed.other_files))
    assert load_manifest(folder) == packed
    whole = load_manifest(published("gammatone"))
    assert (
        packed.embedded_json() == whole.embedded_json()
    )  # so the ONNX file still fits its manifest
    assert runtime.load(folder).manifest == packed


def test_check_of_a_packed_folder_verifies_hashes_and_eager_torch_but_no_vectors(
    wheels, published, tmp_path
):
    wheels.pack(published("gammatone"), tmp_path)
    folder = tmp_path / "gammatone"
    found = check_folder(folder, vectors_only=True)
    assert found.rows == ()
    assert found.vectors_reason == "the folder holds no test vectors"
    assert {row.format for row in check_folder(folder).eager} == {"onnx"}
    content = bytearray((folder / "gammatone.onnx").read_bytes())
    content[-20] ^= 1
    (folder / "gammatone.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        check_folder(folder, vectors_only=True)


def test_a_folder_that_lost_its_vectors_is_not_taken_for_a_packed_one(writable):
    folder = writable("gammatone")
    (folder / "vectors.npz").unlink()
    with pytest.raises(ArtifactError, match=r"vectors\.npz: missing"):
        check_folder(folder, vectors_only=True)


def test_all_models_must_be_published_and_the_version_begins_with_the_schema(
    wheels, tmp_path, monkeypatch
):
    with pytest.raises(ArtifactError, match="not published: casp_44k"):
        wheels.chosen(tmp_path, partial=False)
    with pytest.raises(ArtifactError, match="no published models"):
        wheels.chosen(tmp_path, partial=True)
    monkeypatch.setattr(wheels, "SCHEMA", 3)
    with pytest.raises(ArtifactError, match="must begin with the schema of the manifests, 3"):
        wheels.stage([], tmp_path / "staged")


def test_models_that_compute_in_double_are_left_out(wheels, tmp_path, monkeypatch):
    files = []
    for name, precision in (("single", "float32"), ("double", "float64")):
        publish_fir(tmp_path / name)
        files.append(tmp_path / f"{name}.toml")
        export = f'[export]\nformats = ["onnx"]\nprecision = "{precision}"\n'
        text = SMALL.replace('"small"', f'"{name}"').replace("[parity]", f"{export}\n[parity]")
        files[-1].write_text(text, encoding="utf-8")
    monkeypatch.setattr(wheels, "model_files", lambda _: files)
    assert wheels.chosen(tmp_path, partial=False) == [tmp_path / "single"]
    shutil.rmtree(tmp_path / "double")  # nor need they be published
    assert wheels.chosen(tmp_path, partial=False) == [tmp_path / "single"]


def test_a_release_has_archives_that_stay_the_same_and_sums(release, published, tmp_path):
    first = release.archive(published("gammatone"), tmp_path)
    content = first.read_bytes()
    later = shutil.copytree(
        published("gammatone"), tmp_path / "copy", copy_function=shutil.copyfile
    )
    os.utime(later / "gammatone.onnx", (1e9, 1e9))
    assert release.archive(later, tmp_path).read_bytes() == content
    with zipfile.ZipFile(first) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert check_folder(tmp_path / "unpacked" / "gammatone", vectors_only=True).vectors
    release.write_sums(tmp_path)
    succeeded("sha256sum", "-c", release.SUMS, cwd=tmp_path)


def test_notes_are_those_of_the_version(release):
    text = "# Changelog\n\n## [1.1.0] - 2026-01-01\n\n- new\n\n## [1.0.0]\n\n- old\n"
    assert release.notes(text, "1.1.0") == "- new"
    assert release.notes(text, "1.0.0") == "- old"
    with pytest.raises(ArtifactError, match=r"no section ## \[2"):
        release.notes(text, "2.0.0")


def test_citation_and_workflow_fit_the_package():
    import yaml

    from amt_export import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    for path in ("pyproject.toml", "packages/models/pyproject.toml"):
        project = tomllib.loads((ROOT / path).read_text(encoding="utf-8"))["project"]
        assert project["urls"]["Source"] == citation["repository-code"]
        assert project["license"] == " AND ".join(citation["license"])
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\S+)$", "\n".join(steps), re.MULTILINE):
        assert f"\n{target}:" in makefile
