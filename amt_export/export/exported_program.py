"""ExportedProgram (.pt2), which `torch.export.load`, ExecuTorch and AOTInductor read."""

from __future__ import annotations

from pathlib import Path

import torch

from amt_export.export.capture import Program, quiet_torch


def export_exported_program(program: Program, path: Path, metadata: dict[str, str]) -> None:
    """Write `path` (.pt2); `metadata` becomes its extra files."""
    with quiet_torch():
        torch.export.save(program.exported, str(path), extra_files=dict(sorted(metadata.items())))
