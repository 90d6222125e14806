"""Tables of models for the pages, from docs/data and the model files."""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

from docs_bibliography import indented

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "data"

# Module of a model file to the page about it.
PAGES = {
    "GammatoneFilterbank": "gammatone",
    "CASPFrontEnd": "casp",
    "DRNLFilterbank": "drnl",
    "FastDRNLFilterbank": "drnl",
    "Moore2016Loudness": "moore2016_loudness",
    "Moore2016Spectrum": "moore2016_excitation",
    "Moore2016ExcitationPattern": "moore2016_excitation",
    "Moore2016FrontEnd": "moore2016_excitation",
    "MultiResolutionFFT": "glasberg2002",
    "ERBIntegration": "glasberg2002",
    "ExcitationPattern": "glasberg2002",
    "Glasberg2002FrontEnd": "glasberg2002",
    "Paulick2024": "paulick2024",
    "Dau1997": "dau1997",
}


def page_of(model: dict[str, Any]) -> str:
    """The page about a model, without `.md`."""
    return "cochleagram" if model.get("levels_hop") else PAGES[model["module"]]


def all_models() -> dict[str, Any]:
    """What scripts/docs_models.py collected."""
    return json.loads((DATA / "models.json").read_text(encoding="utf-8"))


def megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


def port(entry: dict[str, Any]) -> str:
    """Name, shape, axes and unit of an input or output."""
    shape = ", ".join("any" if size is None else str(size) for size in entry["shape"])
    axes = ", ".join(entry["axes"])
    return f"`{entry['name']}` [{shape}] ({axes}), {unit(entry)}"


def unit(entry: dict[str, Any]) -> str:
    """The unit of an input or output, as it is printed in a paper."""
    return str(entry["unit"]).replace("^2", "²")


def error(entry: dict[str, Any]) -> str:
    """A difference and the signal that had it."""
    what = {"db": " dB", "absolute": " MU"}.get(entry["kind"], "")
    if not entry["worst"]:
        return "0"
    return f"{short(entry['worst'])}{what} ({entry['signal']})"


def short(value: float) -> str:
    """Two digits, and an exponent without zeros: 3.7e-6."""
    return re.sub(r"e([-+])0+(?=\d)", r"e\1", f"{value:.1e}")


def speed(model: dict[str, Any]) -> str:
    """Milliseconds of one thread for a second of audio, or for a call."""
    found = model.get("speed")
    if not found:
        return "not measured"
    value = found["ms"] / (found["seconds"] or 1)
    digits = max(0, 1 - math.floor(math.log10(value)))  # two digits that count
    return f"{value:.{digits}f} ms" + ("" if found["seconds"] else " per call")


def time(model: dict[str, Any]) -> str:
    """The speed in a sentence."""
    return speed(model) + (
        " for a second of audio" if (model.get("speed") or {}).get("seconds") else ""
    )


def facts(names: list[str]) -> str:
    """Table of each model file."""
    return "\n\n".join(map(one_model, names))


def one_model(name: str) -> str:
    """Heading, table and file of one model."""
    toml = (ROOT / "models" / f"{name}.toml").read_text(encoding="utf-8").rstrip()
    source = f'??? note "models/{name}.toml"\n\n    ```toml\n{indented(toml)}\n    ```\n'
    model = all_models()["models"].get(name)
    if model is None:  # a new model file, of which docs/data has nothing yet
        about = tomllib.loads(toml)["model"]["description"]
        return f"### {name}\n\n{about}.\n\n{source}"
    rows = [
        ("input", "<br>".join(map(port, model["inputs"]))),
        ("output", "<br>".join(map(port, model["outputs"]))),
    ]
    if model["sampling_rate"]:
        rows.append(("sampling rate", f"{model['sampling_rate']:g} Hz"))
    if stream := model["stream"]:
        delay = f", {stream['latency']} samples later than the input" if stream["latency"] else ""
        rows.append(("stream", f"blocks of {stream['block']} samples{delay}"))
    size = megabytes(model["bytes"]["whole"])
    if "stream" in model["bytes"]:
        size += f", stream {megabytes(model['bytes']['stream'])}"
    rows += [
        ("ONNX file", size),
        (
            "float32 from float64",
            "<br>".join(f"`{o}`: {error(e)}" for o, e in model["float64"].items()),
        ),
        (
            "ONNX from eager torch",
            "<br>".join(f"`{o}`: {error(e)}" for o, e in model["onnx"].items()),
        ),
        ("time, one thread", time(model)),
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return f"### {name}\n\n{model['description']}.\n\n| | |\n|---|---|\n{table}\n\n{source}"


def models(_: list[str]) -> str:
    """All models in one table."""
    rows = ["| model | input | ONNX file | one thread |", "|---|---|---|---|"]
    for name, model in sorted(all_models()["models"].items()):
        rate = f" at {model['sampling_rate']:g} Hz" if model["sampling_rate"] else ""
        cells = (
            f"[`{name}`]({{up}}models/{page_of(model)}.md#{name})<br>{model['description']}",
            ", ".join(map(unit, model["inputs"])) + rate,
            megabytes(model["bytes"]["whole"]),
            speed(model),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return '<div class="models" markdown>\n\n' + "\n".join(rows) + "\n\n</div>"


def machine(_: list[str]) -> str:
    """Where the speeds were measured."""
    return all_models()["machine"]


def response(names: list[str]) -> str:
    """Frequency response of a published model, drawn by `build`."""
    svg = (DATA / f"{names[0]}.response.svg").read_text(encoding="utf-8")
    svg = re.sub(r"@media\(prefers-color-scheme:dark\)\{\.chart\{[^}]*\}\}", "", svg)
    return "\n" + re.sub(r"\n\s*\n", "\n", svg).strip() + "\n"
