"""Verify published folders again: `amt-export check` of everything in artifacts/."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from amt_export.cli.main import main
from amt_export.manifest import MANIFEST_NAME

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"

if __name__ == "__main__":
    published = sorted(str(path.parent) for path in ARTIFACTS.glob(f"*/{MANIFEST_NAME}"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders", nargs="*", metavar="DIR", help="published folders (default: all in artifacts/)"
    )
    folders = parser.parse_args().folders or published
    if not folders:
        sys.exit(f"{ARTIFACTS}: nothing is published here; run make artifacts first")
    sys.exit(main(["check", *folders]))
