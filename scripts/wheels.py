"""Build what is uploaded to a package index: what `make wheels` does.

    python scripts/wheels.py [--artifacts DIR] [--out DIR] [--partial]

Writes the wheel and the sdist of `amt_export`, and the wheel of `amt_export_models`, which holds the ONNX files
of the published folders in DIR (default: artifacts) with their manifests and model cards. Needs the package
`build`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from amt_export.errors import AmtExportError, ArtifactError
from amt_export.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    Manifest,
    describe_others,
    load_manifest,
    verify_files,
)
from amt_export.model_file import model_files, read_outline

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "packages" / "models"
PACKAGE = "amt_export_models"
LICENSES = (ROOT / "LICENSE", ROOT / "amt_export" / "design" / "outer_middle_ear.LICENSE.txt")

# What a package index takes without asking is 100 MB; people wait for it, so it stays well below.
MOST_BYTES = 70_000_000

CARDS = ("README.md", "parity.md")
"""The model card, of which a folder has one; its pictures are SVG files beside it."""


def main() -> int:
    """Build all three and print their sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts", metavar="DIR")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "dist", metavar="DIR")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="pack the models that are published, even if some are not",
    )
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            staged = Path(temporary) / "models"
            folders = chosen(arguments.artifacts, arguments.partial)
            names = stage(folders, staged)
            build(staged, out, "--wheel")
        build(ROOT, out, "--wheel", "--sdist")
    except AmtExportError as error:
        sys.exit(f"wheels: {error}")
    for path in sorted(out.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"{PACKAGE} holds {len(names)} models")
    (wheel,) = out.glob(f"{PACKAGE}-*.whl")
    if wheel.stat().st_size > MOST_BYTES:
        sys.exit(f"wheels: {wheel.name} is larger than {MOST_BYTES / 1e6:.0f} MB")
    return 0


def chosen(artifacts: Path, partial: bool) -> list[Path]:
    """Published folders of the models in models/, without those that compute in float64.

    Raises
    ------
    ArtifactError
        If one of them is not published.
    """
    outlines = [read_outline(path) for path in model_files(ROOT / "models")]
    names = [outline.name for outline in outlines if outline.precision == "float32"]
    missing = [name for name in names if not (artifacts / name / MANIFEST_NAME).is_file()]
    if missing and not partial:
        raise ArtifactError(f"{artifacts}: not published: {', '.join(missing)}; make artifacts")
    folders = [artifacts / name for name in names if name not in missing]
    if not folders:
        raise ArtifactError(f"{artifacts}: no published models; make artifacts")
    return folders


def stage(folders: Iterable[Path], staged: Path) -> list[str]:
    """Lay out the source of the models wheel in a new folder; return the names of its models.

    Raises
    ------
    ArtifactError
        If a folder is damaged, or the version of the wheel does not begin with the schema.
    """
    project = tomllib.loads((MODELS / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if int(project["version"].split(".")[0]) != SCHEMA:
        raise ArtifactError(
            f"{MODELS / 'pyproject.toml'}: version {project['version']} must begin with the schema of "
            f"the manifests, {SCHEMA}"
        )
    shutil.copytree(
        MODELS, staged, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )
    for text in LICENSES:
        shutil.copy(text, staged)
    return [pack(folder, staged / PACKAGE).name for folder in folders]


def pack(folder: Path, package: Path) -> Manifest:
    """Copy the ONNX files, the model card and its pictures of a published folder; return the new manifest.

    Raises
    ------
    ArtifactError
        If the folder is damaged, has no ONNX file or no model card.
    """
    manifest = load_manifest(folder)
    files = tuple(entry for entry in manifest.files if entry.format == "onnx")
    if not files:
        raise ArtifactError(f"{folder}: has no ONNX file")
    verify_files(folder, files)
    target = package / manifest.name
    target.mkdir()
    card = next((folder / name for name in CARDS if (folder / name).is_file()), None)
    if card is None:
        raise ArtifactError(f"{folder}: has no model card; build the model again")
    for path in (card, *folder.glob("*.svg"), *(folder / entry.path for entry in files)):
        shutil.copy(path, target)
    packed = replace(
        manifest,
        files=files,
        other_files=describe_others(target, files),
        # "float64" is how far float32 is from float64, which no file of another format is needed for.
        parity=tuple(row for row in manifest.parity if row.format in ("onnx", "float64")),
    )
    (target / MANIFEST_NAME).write_text(packed.to_json(), encoding="utf-8")
    return packed


def build(project: Path, out: Path, *what: str) -> None:
    """Run the package `build`, with the installed setuptools.

    Raises
    ------
    ArtifactError
        If it fails; it has said why.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", *what]
    command += ["--outdir", str(out), str(project)]
    try:
        clear(project)  # or files of an earlier version would be packed as well
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False
        )
    finally:
        clear(project)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        raise ArtifactError(f"{project}: could not be built")


def clear(project: Path) -> None:
    """Remove what setuptools leaves in the folder `build`, which holds other things too."""
    for folder in (project / "build" / "lib", *(project / "build").glob("bdist.*")):
        shutil.rmtree(folder, ignore_errors=True)


def environment() -> dict[str, str]:
    """Variables of a build: files get the time of the last commit, so that equal sources give equal wheels."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        epoch = done.stdout.strip()
    except OSError:
        epoch = ""
    return {**({"SOURCE_DATE_EPOCH": epoch} if epoch else {}), **os.environ}


if __name__ == "__main__":
    sys.exit(main())
