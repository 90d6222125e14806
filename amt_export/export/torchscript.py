"""TorchScript, by tracing: the format that older torch and libtorch apps load."""

from __future__ import annotations

import io
from pathlib import Path

import torch

from amt_export.export.capture import Program, quiet_torch

# Source paths and line numbers, for debugging; an app has no use for them.
DEBUG = ".debug_pkl"


def export_torchscript(program: Program, path: Path, metadata: dict[str, str]) -> None:
    """Write `path` (.ts.pt); `metadata` becomes its extra files.

    Traced, not scripted: the file has static shapes and the same operations as the other formats, except that a
    long series of equal operations may be a loop here (`modules.excitation.excitation_sums`).
    Weights stay buffers: `torch.jit.load(path).to("cuda")` moves them.
    """
    with quiet_torch(), torch.no_grad():
        # Parity compares the trace with eager torch on the whole signal suite later.
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            program.module, program.inputs, check_trace=False
        )
        archive = io.BytesIO()
        torch.jit.save(traced, archive, _extra_files=dict(sorted(metadata.items())))
        archive.seek(0)
        reader = torch._C.PyTorchFileReader(archive)
        writer = torch._C.PyTorchFileWriter(str(path))
        # The writer adds its version and a serialization id.
        for name in reader.get_all_records():
            if not name.endswith(DEBUG) and name not in ("version", ".data/serialization_id"):
                record = reader.get_record(name)
                writer.write_record(name, record, len(record))
        writer.write_end_of_file()
