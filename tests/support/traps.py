"""What the tests of traps share: small programs, and models published by a wrong exporter."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from amt_export.export import FORMATS, capture
from amt_export.lint import Finding
from amt_export.publish import publish
from support.filters import small_specs

# Where the trap is in a library, the first half of a test fails when the library is mended: then the
# guard can go. The second half fails when the guard goes before.

MODELS = ("gammatone", "drnl", "fast_drnl")


def program_of(module: nn.Module, *inputs: torch.Tensor):
    return capture(module.eval(), inputs, tuple(f"x{i}" for i in range(len(inputs))), ("level",))


def rules(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


class Wrapped(nn.Module):
    """A model followed by something."""

    def __init__(self, module: nn.Module, after):
        super().__init__()
        self.module, self.after = module, after

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.after(self.module(audio))


def publish_with(after, format: str, out, monkeypatch) -> None:
    """Publish the gammatone with a wrong exporter, which puts something after the module."""
    kind = FORMATS[format]

    def export(program, path, extra):
        module = Wrapped(program.module, after).eval()
        names = (program.input_names, program.output_names)
        kind.export(capture(module, program.inputs, *names), path, extra)

    monkeypatch.setitem(FORMATS, format, replace(kind, export=export))
    publish(small_specs()["gammatone"], out, formats=[format])


class Complex(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(torch.complex(x, x).unsqueeze(1))
