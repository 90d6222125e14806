"""Exporters: one file for each format, all with the same signature."""

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
    """A file format: its exporter, the suffix of its files, and its properties.

    `reproducible` says whether building again gives the same bytes, `free_batch` whether the batch may be
    left free.
    """

    export: Exporter
    suffix: str
    reproducible: bool
    free_batch: bool = True


FORMATS = {
    # torch numbers the classes that a process has traced, and writes the numbers into the file.
    "torchscript": Format(export_torchscript, ".ts.pt", reproducible=False),
    "exported_program": Format(export_exported_program, ".pt2", reproducible=True),
    "onnx": Format(export_onnx, ".onnx", reproducible=True),
    "coreml": Format(export_coreml, ".mlpackage", reproducible=True, free_batch=False),
}

__all__ = ["FORMATS", "Exporter", "Format", "Program", "capture"]
