"""Collect what the pages of docs/models repeat from published folders, into docs/data.

    python scripts/docs_models.py artifacts           interface, size and error of every model there
    python scripts/docs_models.py artifacts --time    and how long one thread takes

The documentation is built from docs/data alone, so it needs no artifacts. Models that are not in the folder
keep what docs/data says of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from amt_export import runtime

DATA = Path(__file__).resolve().parents[1] / "docs" / "data"
REPEATS = 20


def worst_by_output(rows: list[dict[str, Any]], format: str) -> dict[str, Any]:
    """The parity rows of one format's whole form, by output; frequency grids are equal and left out."""
    return {
        row["output"]: {key: row[key] for key in ("worst", "signal", "kind")}
        for row in rows
        if row["format"] == format
        and row["form"] == "whole"
        and row["provider"] in ("torch", "CPUExecutionProvider")
        and row["kind"] != "frequency"
        and row["worst"] is not None
    }


def collected(folder: Path) -> dict[str, Any]:
    """The facts of one published folder."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    sizes = {e["form"]: e["bytes"] for e in manifest["files"] if e["format"] == "onnx"}
    stream = manifest["stream"]
    filterbank = "channel" in manifest["outputs"][0]["axes"]
    return {
        "description": manifest["description"],
        "module": manifest["module"],
        "sampling_rate": manifest["sampling_rate"],
        "inputs": [
            {k: p[k] for k in ("name", "shape", "unit", "axes")} for p in manifest["inputs"]
        ],
        "outputs": [
            {k: p[k] for k in ("name", "shape", "unit", "axes")} for p in manifest["outputs"]
        ],
        "levels_hop": manifest["hop"]
        if filterbank and manifest["outputs"][0]["name"] == "levels"
        else None,
        "stream": stream and {"block": stream["block"], "latency": stream["latency"]},
        "bytes": sizes,
        "float64": worst_by_output(manifest["parity"], "float64"),
        "onnx": worst_by_output(manifest["parity"], "onnx"),
        "references": manifest.get("references", []),
    }


def timed(folder: Path) -> dict[str, float | None]:
    """Processor time of a run on one thread: the least of many, as other programs only ever add to it."""
    model = runtime.load(folder, intra_op_num_threads=1)
    with np.load(folder / "vectors.npz") as vectors:
        signals = {key.split(".")[1] for key in vectors.files if key.startswith("in.")}
        signal = "noise_94dB" if "noise_94dB" in signals else min(signals)  # large models keep few
        inputs = {p.name: vectors[f"in.{signal}.{p.name}"].astype(p.dtype) for p in model.inputs}
    model(**inputs)
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        model(**inputs)
        spent.append(time.process_time() - start)
    first = model.inputs[0]
    seconds = first.shape[-1] / model.sampling_rate if first.name == "audio" else None
    return {"ms": round(1e3 * min(spent), 3), "seconds": seconds}


def processor() -> str:
    """Name of the processor, and the widest vectors it has."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = next(line.split(":")[1].strip() for line in text.splitlines() if "model name" in line)
    return f"{name}, {'AVX-512' if 'avx512f' in text else 'AVX2' if 'avx2' in text else 'no AVX2'}"


def main() -> None:
    """Collect, and write docs/data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifacts", type=Path)
    parser.add_argument("--time", action="store_true", help="measure speeds as well")
    options = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    page = DATA / "models.json"
    data = json.loads(page.read_text(encoding="utf-8")) if page.exists() else {"models": {}}
    for manifest in sorted(options.artifacts.glob("*/manifest.json")):
        folder, name = manifest.parent, manifest.parent.name
        if not (DATA.parents[1] / "models" / f"{name}.toml").exists():
            continue
        found = collected(folder)
        if not found["bytes"]:
            continue
        known = data["models"].get(name, {}).get("speed")
        found["speed"] = timed(folder) if options.time else known
        data["models"][name] = found
        picture = DATA / f"{name}.response.svg"
        if picture.exists():  # pages show some responses, and each is 60 kB
            shutil.copyfile(folder / "response.svg", picture)
        print(name, found["speed"], flush=True)
    if options.time:
        import onnxruntime

        data["machine"] = (
            f"ONNX Runtime {onnxruntime.__version__} on one thread of {processor()}; processor time, "
            f"the least of {REPEATS} runs."
        )
    text = json.dumps(data, indent=1, sort_keys=True)
    page.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
