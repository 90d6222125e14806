"""What the tests of published folders share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from amt_export.manifest import bytes_of, load_manifest, sha256_of


def sign(folder: Path) -> None:
    """Make a folder's manifest agree with its spoiled files."""
    manifest = load_manifest(folder)
    entries = [
        replace(e, bytes=bytes_of(folder / e.path), sha256=sha256_of(folder / e.path))
        for e in manifest.files
    ]
    signed = replace(manifest, files=tuple(entries))
    (folder / "manifest.json").write_text(signed.to_json(), encoding="utf-8")
