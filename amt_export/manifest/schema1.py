"""Conversion of manifests of schema 1, which earlier versions wrote.

What a published file computes does not change, only how the manifest says it: a converted manifest describes
the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFERENCES = {
    "merge": {"aligned": "documented", "torch_amt": "torch_amt"},
    "summation": {"power": "documented", "natural": "torch_amt"},
}
"""Parameters that were renamed to `reference`, and their values."""

TORCH_AMT = ("Moore2016ExcitationPattern", "Moore2016FrontEnd")
"""Modules that only had the form of today's `reference = "torch_amt"`."""


def converted(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a manifest of schema 1 with the keys of schema 2.

    Parameters
    ----------
    content : mapping
        The parsed JSON, published or embedded. Values of the wrong type are left for
        `amt_export.manifest.json_records.decode` to refuse.
    """
    new = {**content, "schema": 2, "converted_from": 1}
    stream = content.get("stream")
    if isinstance(content.get("parameters"), dict):
        new["parameters"] = _parameters(content["parameters"])
        if content.get("module") in TORCH_AMT:
            new["parameters"].setdefault("reference", "torch_amt")
    if "dtype" in content:
        # In schema 1 a stream alone could compute in float64. Schema 2 has one precision for both forms.
        wide = isinstance(stream, dict) and stream.get("float64") is True
        new["precision"] = "float64" if wide else content["dtype"]
    if isinstance(content.get("parity"), list):
        new["parity"] = [_row(row) for row in content["parity"]]
    if isinstance(stream, dict):
        new["stream"] = {**stream, **_ports(stream)}
    return new | _ports(content)


def _parameters(old: Mapping[str, Any]) -> dict[str, Any]:
    """Convert parameters, including those of the parts of a front end."""
    new: dict[str, Any] = {}
    for name, value in old.items():
        if name in REFERENCES and isinstance(value, str):
            new["reference"] = REFERENCES[name].get(value, value)
        elif name != "terms":
            new[name] = _parameters(value) if isinstance(value, dict) else value
    return new


def _row(row: Any) -> Any:
    """Rename the format "reference" (eager torch compared with float64) to "float64"."""
    renamed = isinstance(row, dict) and row.get("format") == "reference"
    return {**row, "format": "float64"} if renamed else row


def _ports(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Add the kind of comparison to inputs and outputs; schema 1 had it in the rows of `parity`."""
    return {
        key: [{**port, "kind": _kind(port)} if isinstance(port, dict) else port for port in ports]
        for key in ("inputs", "outputs")
        if isinstance(ports := owner.get(key), list)
    }


def _kind(port: Mapping[str, Any]) -> str:
    unit = str(port.get("unit"))
    if unit == "Hz":
        return "frequency"
    return "db" if unit.startswith("dB") else "relative"
