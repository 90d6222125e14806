"""Put the files of a release together: what the release workflow does after `make wheels`.

    python scripts/release.py VERSION [--artifacts DIR] [--out DIR]

Adds one zip archive of each published folder in DIR (default: artifacts) to the wheels in the output
folder, writes SHA256SUMS of everything there, and prints the notes of the version from CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import zipfile
from pathlib import Path

from amt_export import __version__
from amt_export.errors import AmtExportError, ArtifactError
from amt_export.manifest import MANIFEST_NAME, load_manifest, verify_files
from amt_export.manifest.safe_files import contents_of

ROOT = Path(__file__).resolve().parents[1]
SUMS = "SHA256SUMS"
# The earliest time that a zip archive can state: equal folders give equal archives.
TIME = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    """Write archives and sums, print the notes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("version", help="of the tag, with or without the v in front")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts", metavar="DIR")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "dist", metavar="DIR")
    arguments = parser.parse_args()
    version = arguments.version.removeprefix("v")
    try:
        if version != __version__:
            raise ArtifactError(
                f"the tag says {version}, the package {__version__}; change one of them"
            )
        text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        arguments.out.mkdir(parents=True, exist_ok=True)
        for manifest in sorted(arguments.artifacts.glob(f"*/{MANIFEST_NAME}")):
            archive(manifest.parent, arguments.out)
        write_sums(arguments.out)
    except AmtExportError as error:
        sys.exit(f"release: {error}")
    print(text)
    return 0


def notes(changelog: str, version: str) -> str:
    """The section of one version of a changelog, without its heading.

    Raises
    ------
    ArtifactError
        If it has no such section.
    """
    heading = re.compile(rf"^## \[{re.escape(version)}\].*$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise ArtifactError(
            f"CHANGELOG.md: has no section ## [{version}]; name the unreleased one so"
        )
    return changelog[found.end() :].split("\n## [")[0].strip()


def archive(folder: Path, out: Path) -> Path:
    """Write `<name>.zip` of a published folder.

    Raises
    ------
    ArtifactError
        If a file of the folder is not the one that was published.
    """
    manifest = load_manifest(folder)
    verify_files(folder, (*manifest.files, *manifest.other_files))
    path = out / f"{manifest.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in contents_of(folder):
            entry = zipfile.ZipInfo(f"{manifest.name}/{name}", TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return path


def write_sums(out: Path) -> None:
    """Write what `sha256sum -c` reads."""
    files = sorted(path for path in out.iterdir() if path.is_file() and path.name != SUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
