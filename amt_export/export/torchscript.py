"""TorchScript, traced: the one format that old torch and libtorch apps load."""

from __future__ import annotations

from pathlib import Path

import torch

from amt_export.export.program import Program, quiet_torch


def export_torchscript(program: Program, path: Path, metadata: dict[str, str]) -> None:
    """Write `path` (.ts.pt); `metadata` becomes its extra files.

    Traced, not scripted, so the file holds static shapes only, and is the same graph as the others.
    Weights stay buffers: `torch.jit.load(path).to("cuda")` moves them.
    """
    with quiet_torch(), torch.no_grad():
        # The trace is checked against eager over the whole signal suite later, not here on one input.
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            program.module, program.inputs, check_trace=False
        )
        torch.jit.save(traced, str(path), _extra_files=dict(sorted(metadata.items())))
