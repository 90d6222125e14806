"""Verify published folders again: `python scripts/check_parity.py [DIR ...]`, default all."""

from __future__ import annotations

import sys
from pathlib import Path

from amt_export.cli.main import main
from amt_export.manifest import MANIFEST_NAME

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"

if __name__ == "__main__":
    published = sorted(str(path.parent) for path in ARTIFACTS.glob(f"*/{MANIFEST_NAME}"))
    folders = sys.argv[1:] or published
    if not folders:
        sys.exit(f"{ARTIFACTS}: nothing is published here; run make artifacts first")
    sys.exit(main(["check", *folders]))
