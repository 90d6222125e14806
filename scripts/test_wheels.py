"""Install the wheels into clean environments and use them as a reader of the README does: `make test-wheels`.

    python scripts/test_wheels.py [--artifacts DIR] [--only app|torch|sdist|newer]

app    numpy, onnxruntime and what the README says to install: every code block of the README is run there, and
       every command that needs no torch; those that do must say so in one line
torch  the same with the extra `export`, without coremltools: `build` leaves Core ML out
sdist  unpacked, a few of its tests run
newer  what `app` does in every newer Python that is on this machine; warnings are errors

Builds the wheels first, of the published folders in DIR (default: artifacts). Without any, one model is built
for the purpose, and what the README does with others is left out, which the output says.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from wheel_trials.environment import DIST, ROOT, WheelError
from wheel_trials.parts import MODEL, PARTS

BUILT = ROOT / "build" / "wheels"


def build_wheels(artifacts: Path) -> None:
    """Build the wheels of what is published, or of one model that is built for it."""
    if not list(artifacts.glob("*/manifest.json")):
        artifacts = BUILT
        if not (BUILT / MODEL).is_dir():
            command = ["build", MODEL, "--format", "onnx", "--out", str(BUILT)]
            subprocess.run([sys.executable, "-m", "amt_export", *command], cwd=ROOT, check=True)
    shutil.rmtree(DIST, ignore_errors=True)
    command = [ROOT / "scripts" / "wheels.py", "--artifacts", artifacts, "--out", DIST, "--partial"]
    if subprocess.run([sys.executable, *command], check=False).returncode:
        sys.exit("the wheels could not be built")


def main() -> int:
    """Build, test the parts, and return 1 if one fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts", metavar="DIR")
    parser.add_argument("--only", action="append", choices=PARTS)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # a log shows each part when it is done
    build_wheels(arguments.artifacts)
    failed = []
    for name in arguments.only or PARTS:
        started = time.monotonic()
        print(f"{name}:", flush=True)
        try:
            PARTS[name]()
        except WheelError as error:
            print(f"  failed: {error}", file=sys.stderr)
            failed.append(name)
        print(f"  {time.monotonic() - started:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "the wheels work")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
