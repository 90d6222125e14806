"""Execution providers and settings of ONNX Runtime with which artifacts are measured.

The full suite runs on the defaults of every provider. On the CPU every level of optimization is run with one
thread and with all besides, on a signal each: what they may change is the order of sums and which constants are
folded, and that shows on any loud sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amt_export.errors import require
from amt_export.manifest import Skip

CPU = "CPUExecutionProvider"

# By the number of threads: all frequencies, loud, and a sound with pauses and harmonics. Both are test vectors.
REDUCED_SIGNALS = {0: "noise_94dB", 1: "speech"}

# Measured where they are installed; the others that onnxruntime lists are measured as well.
WANTED = (
    CPU,
    "CUDAExecutionProvider",
    "CoreMLExecutionProvider",
    "DmlExecutionProvider",
    "XnnpackExecutionProvider",
)
NOT_MEASURED = {
    "AzureExecutionProvider": "runs models that are elsewhere",
    "TensorrtExecutionProvider": "compiles for minutes and chooses precisions of its own",
    "NvTensorRTRTXExecutionProvider": "compiles for minutes and chooses precisions of its own",
}
# Beside use_tf32=0, which the runtime gives CUDA. Core ML computes in float32 on the CPU alone.
OPTIONS: dict[str, dict[str, str]] = {
    "CoreMLExecutionProvider": {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUOnly"},
}


@dataclass(frozen=True)
class OrtSettings:
    """Settings of ONNX Runtime for one file: level of optimization, and threads (0: its own choice)."""

    optimization: str
    threads: int

    @property
    def name(self) -> str:
        """The name of this setting in the manifest."""
        threads = {0: "all threads", 1: "1 thread"}.get(self.threads, f"{self.threads} threads")
        return f"{self.optimization} optimization, {threads}"

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of `amt_export.runtime.load`."""
        return {
            "graph_optimization": self.optimization,
            "intra_op_num_threads": self.threads,
            "spinning": False,  # other models may be built beside this one
        }


DEFAULT = OrtSettings("all", 0)
OTHERS = tuple(
    settings
    for level in ("all", "basic", "disabled")
    for threads in (0, 1)
    if (settings := OrtSettings(level, threads)) != DEFAULT
)


def providers() -> tuple[tuple[str, ...], tuple[Skip, ...]]:
    """Providers to measure, the CPU first, and those that are skipped, with the reason.

    Raises
    ------
    MissingDependencyError
        Without onnxruntime.
    """
    ort = require("onnxruntime", "onnx", "Running ONNX artifacts")
    available: list[str] = ort.get_available_providers()
    tried = [CPU] + [name for name in available if name != CPU and name not in NOT_MEASURED]
    skipped = [Skip(name, NOT_MEASURED[name]) for name in available if name in NOT_MEASURED]
    skipped += [
        Skip(name, "not in this build of onnxruntime") for name in WANTED if name not in available
    ]
    return tuple(tried), tuple(skipped)
