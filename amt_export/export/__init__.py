"""Exporters: one file a format, all with the same signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amt_export.export.capture import Program, capture
from amt_export.export.coreml import export_coreml
from amt_export.export.exported_program import export_exported_program
from amt_export.export.onnx import export_onnx
from amt_export.export.torchscript import export_torchscript

Exporter = Callable[[Program, Path, dict[str, str]], None]


@dataclass(frozen=True)
class Format:
    """How a format is written, what its files end in, and whether building again gives the same bytes."""

    export: Exporter
    suffix: str
    reproducible: bool


FORMATS = {
    # torch numbers the classes that a process has traced, and the numbers are in the file.
    "torchscript": Format(export_torchscript, ".ts.pt", reproducible=False),
    "exported_program": Format(export_exported_program, ".pt2", reproducible=True),
    "onnx": Format(export_onnx, ".onnx", reproducible=True),
    "coreml": Format(export_coreml, ".mlpackage", reproducible=True),
}

__all__ = ["FORMATS", "Exporter", "Format", "Program", "capture"]
