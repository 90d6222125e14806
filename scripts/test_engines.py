"""Run published ONNX files in other engines than ONNX Runtime, and write what came out into docs/engines.md.

    python scripts/test_engines.py [--only ENGINE ...] [DIR ...]

Engines and converters are installed into an environment of their own, at the versions below. Without DIR it is
everything in artifacts/. With --only or DIR the table is printed and not written. It needs only the standard
library, and node and npm for onnxruntime-web.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv-engines"
TABLE = ROOT / "docs" / "engines.md"
BEGIN, END = "<!-- written by scripts/test_engines.py -->\n", "<!-- end -->\n"

PACKAGES = {
    "numpy": "2.3.5",
    "onnx": "1.23.2",
    "onnxruntime": "1.32.0",
    "tract": "0.23.9",
    "opencv-python-headless": "5.0.0.93",
    "openvino": "2026.4.1",
    "onnxconverter-common": "1.16.0",
    "torch": "2.13.0",
}
# Without its dependencies: it names torchvision, which it needs for operators of object detection only.
ALONE = {"onnx2torch": "1.5.15"}
NODE_PACKAGES = {"onnxruntime-web": "1.30.0"}

# Engines that open the file as it is, and conversions of it whose errors are figures, not failures.
ENGINES = ("tract", "opencv", "openvino", "onnxruntime-web", "onnx2torch")
CONVERSIONS = ("float16", "int8")
NAMES = {
    "tract": "tract",
    "opencv": "OpenCV dnn",
    "openvino": "OpenVINO",
    "onnxruntime-web": "onnxruntime-web (wasm)",
    "onnx2torch": "onnx2torch",
    "float16": "float16",
    "int8": "int8",
}
# What an engine is known not to do, for its own reasons: part of its message. Anything else fails the run.
KNOWN = {
    # Moore2016Spectrum packs its components with it; docs/engines.md says what other forms cost.
    "onnx2torch": ("operation_type='ScatterElements', version=18",),
    # OpenCV has no product of float64 matrices.
    "opencv": ("fastGemmPackB: only float32 is supported",),
    # The converter leaves a Cast to float32 or float64 as it is, and declares its output as float16.
    "float16": ("Type Error: Type (tensor(float16)) of output arg",),
}
PATIENCE = 600  # seconds; tract takes minutes to open the largest file on a busy machine

Result = dict[str, Any]


def environment() -> Path:
    """Make the environment unless it is there with these versions; return its Python."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = ENVIRONMENT / "versions.txt"
    pinned, alone = ([f"{k}=={v}" for k, v in some.items()] for some in (PACKAGES, ALONE))
    node = [f"{k}@{v}" for k, v in NODE_PACKAGES.items()]
    wanted = "\n".join((*pinned, *alone, *node))
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"installing {wanted.replace(chr(10), ', ')}", flush=True)
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, *pinned], check=True)
        subprocess.run([*pip, "--no-deps", *alone], check=True)
        if shutil.which("npm"):
            npm = ["npm", "install", "--silent", "--no-save", "--prefix", ENVIRONMENT, *node]
            subprocess.run(npm, check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def run(python: Path, engine: str, folder: Path) -> Result:
    """What one engine makes of one folder; see `run_engine.py`."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NODE_PACKAGES": str(ENVIRONMENT),
        "OMP_NUM_THREADS": "1",
    }
    if engine in NODE_PACKAGES and not (ENVIRONMENT / "node_modules" / engine).is_dir():
        return {"error": "node and npm are not installed here", "absent": True}
    command = [str(python), str(ROOT / "scripts" / "run_engine.py"), engine, str(folder)]
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {PATIENCE} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        return {"error": f"ended with {done.returncode}: {last}"}
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def message(engine: str, result: Result) -> str:
    """What an error says: the part that is known, or else its beginning."""
    said = " ".join(str(result["error"]).split())
    known = (part for part in KNOWN.get(engine, ()) if part in said)
    return next(known, said[:300].rstrip()).replace("|", "/")


def is_known(engine: str, result: Result) -> bool:
    """Whether an engine does what it is expected to do with a file."""
    if "error" in result:
        said = str(result["error"])
        return "absent" in result or any(part in said for part in KNOWN.get(engine, ()))
    return engine in CONVERSIONS or bool(result["within"])


# What made the files of the second table.
METHODS = "float16 (onnxconverter-common) or quantized to int8 (ONNX Runtime, quantize_dynamic)"


def figure(value: float | None, unit: str = "") -> str:
    """A difference as the table shows it."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "not finite"
    text = f"{value:.1e}"
    plain = f"{float(text):g}" if value >= 0.01 else re.sub(r"e-0*", "e-", text)
    return plain + unit


def worst(results: Iterable[Result], kind: str) -> float | None:
    """Largest difference of one kind, None where there is none."""
    return max((r["worst"][kind] for r in results if kind in r.get("worst", {})), default=None)


def engines_table(found: dict[str, dict[str, Result]]) -> list[str]:
    """One line an engine: how many models open and agree, and the worst difference; then its messages."""
    lines = [
        "| engine | version | models that open | agree | worst relative | worst dB |",
        "|---|---|---|---|---|---|",
    ]
    remarks = []
    for engine in (name for name in ENGINES if name in found):
        results = found[engine]
        opened = [r for r in results.values() if "error" not in r]
        version = next((r["version"] for r in results.values() if r.get("version")), "")
        by_message: dict[str, list[str]] = {}
        for name, result in results.items():
            if "error" in result:
                by_message.setdefault(message(engine, result), []).append(name)
        remarks += [
            f"- {NAMES[engine]}, `{'`, `'.join(names)}`: `{said}`"
            for said, names in by_message.items()
        ]
        lines.append(
            f"| {NAMES[engine]} | {version or NODE_PACKAGES.get(engine, '')} "
            f"| {len(opened)} of {len(results)} | {sum(r['within'] for r in opened)} "
            f"| {figure(worst(opened, 'relative'))} | {figure(worst(opened, 'db'), ' dB')} |"
        )
    return (
        [*lines, "", "Messages of the engines that do not open a file:", "", *remarks]
        if remarks
        else lines
    )


def conversions_table(found: dict[str, dict[str, Result]]) -> list[str]:
    """One line a model: the error that each conversion makes."""
    shown = [engine for engine in CONVERSIONS if engine in found]
    lines = [
        f"| model | {' | '.join(NAMES[engine] for engine in shown)} |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for name in found[shown[0]]:
        cells = []
        for engine in shown:
            result = found[engine][name]
            if "error" in result:
                cells.append("does not open")
            else:
                units = {"relative": "", "db": " dB"}
                errors = [
                    figure(value, units[kind]) if kind in units else "frequencies differ"
                    for kind, value in result["worst"].items()
                    if value or kind in units
                ]
                cells.append(", ".join(errors))
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def main() -> int:
    """Run all engines on all folders; return 1 if one does what it should not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    every = (*ENGINES, *CONVERSIONS)
    parser.add_argument("--only", action="append", choices=every, metavar="ENGINE")
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    folders = arguments.folders or sorted(
        path.parent for path in (ROOT / "artifacts").glob("*/manifest.json")
    )
    if not folders:
        sys.exit("nothing is published in artifacts/; make artifacts does that, or name a folder")
    python = environment()
    found: dict[str, dict[str, Result]] = {}
    failed = []
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        tasks = [
            (engine, folder, pool.submit(run, python, engine, folder.resolve()))
            for engine in arguments.only or every
            for folder in folders
        ]
        for engine, folder, task in tasks:
            result = task.result()
            found.setdefault(engine, {})[folder.name] = result
            good = is_known(engine, result)
            said = result.get("error") or ", ".join(
                f"{k} {v:.1e}" for k, v in result["worst"].items()
            )
            print(f"{'    ' if good else 'FAIL'} {engine:16} {folder.name:26} {said}", flush=True)
            if not good:
                failed.append(f"{engine} with {folder.name}")
    tables = [f"Measured on {date.today():%Y-%m-%d}:", ""]
    if set(found) & set(ENGINES):
        tables += [*engines_table(found), ""]
    if set(found) & set(CONVERSIONS):
        tables += [
            f"Errors of files converted to {METHODS}:",
            "",
            *conversions_table(found),
        ]
    text = "\n".join(tables).rstrip() + "\n"
    if arguments.only or arguments.folders:
        print(text)
    else:
        before, _, rest = TABLE.read_text(encoding="utf-8").partition(BEGIN)
        TABLE.write_text(before + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")
        print(f"written into {TABLE.relative_to(ROOT)}")
    if failed:
        print(f"failed: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
