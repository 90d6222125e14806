"""Check published folders with the oldest and the newest onnxruntime, each in an environment of its own.

    python scripts/check_runtimes.py [--only oldest|newest] [DIR ...]

An environment holds numpy and onnxruntime and nothing else: no torch, no onnx, no rich. Without DIR it is
everything in artifacts/; where nothing is published there, ONNX files of a few short models are built
first, which takes this environment's torch. It needs only the standard library, so any Python will do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".venv-runtimes"
BUILT = ROOT / "build" / "runtimes"

# 1.15.0 is the oldest that has wheels for Python 3.11. It was built for numpy 1; so were all before 1.19.
OLDEST = {"onnxruntime": "1.15.0", "numpy": "1.26.4"}
# Models that between them hold every operator of our graphs, in time and spectrum.
FEW = ("gammatone_speech_16k", "fast_drnl_casp_44k", "multires_fft_32k", "excitation_pattern_32k")
SHORTER = {"fast_drnl_casp_44k": "4000", "multires_fft_32k": "4000"}


def newest() -> dict[str, str]:
    """The versions that everything else is tested with."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    return {name: pinned[name] for name in OLDEST}


def environment(name: str, versions: dict[str, str]) -> Path:
    """Make the environment unless it is there with these versions; return its Python."""
    folder = ENVIRONMENTS / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, wanted = folder / "versions.txt", "\n".join(f"{k}=={v}" for k, v in versions.items())
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        venv.create(folder, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--only-binary", ":all:", *wanted.split()], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def run(python: Path | str, *arguments: str | Path) -> int:
    """Run amt-export in an environment that does not have it installed."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
    command = [str(python), "-W", "ignore", "-m", "amt_export", *map(str, arguments)]
    return subprocess.run(command, env=variables, cwd=ROOT, check=False).returncode


def published(folder: Path) -> list[Path]:
    """Published folders in a folder."""
    return sorted(path.parent for path in folder.glob("*/manifest.json"))


def short_models() -> list[Path]:
    """Build ONNX files of a few short models."""
    for name in FEW:
        short = ["--samples", SHORTER[name]] if name in SHORTER else []
        if run(sys.executable, "build", name, "--format", "onnx", *short, "--out", BUILT):
            sys.exit(f"{name} could not be built")
    return [BUILT / name for name in FEW]


def main() -> int:
    """Check in both environments and return 1 if one finds something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["oldest", "newest"])
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    folders = arguments.folders or published(ROOT / "artifacts") or short_models()
    failed = []
    for name, versions in {"oldest": OLDEST, "newest": newest()}.items():
        if arguments.only in (None, name):
            python = environment(name, versions)
            print(f"{name}: {', '.join(f'{k} {v}' for k, v in versions.items())}", flush=True)
            if run(python, "check", *(folder.resolve() for folder in folders)):
                failed.append(name)
    if failed:
        print(f"failed with the {' and the '.join(failed)} onnxruntime")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
