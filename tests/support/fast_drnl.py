"""What the tests of the fast DRNL share: small ones, and the model as its definition says it."""

from __future__ import annotations

import torch
from scipy import signal

from amt_export.modules import FastDRNLFilterbank

FLOAT64 = torch.float64
CASP = {"fc": (250.0, 8000.0), "fs": 44100}
# Short responses that hold their energy, and pieces much shorter than the sounds of the tests.
SHORT = {"fc": (2000.0, 6000.0), "fs": 16000, "n_channels": 3, "ir_length": 256}
# Noise of this size keeps the compression busy on both sides of its knee.
KNEE = 5e-6
RESPONSES = ("ir_lin", "ir_nlin_1", "ir_nlin_2")


def convolved(audio: torch.Tensor, responses: torch.Tensor) -> torch.Tensor:
    """Rows (F or 1, T) with responses (F, M), cut to T samples."""
    full = signal.fftconvolve(audio.numpy(), responses.numpy(), axes=-1)
    return torch.from_numpy(full[..., : audio.shape[-1]])


def by_convolution(module: FastDRNLFilterbank, audio: torch.Tensor) -> torch.Tensor:
    """The model as its definition says it, (T,) -> (F, T), from the published tensors."""
    a, b, c = (getattr(module, name).detach()[:, None] for name in "abc")
    resonant = convolved(audio[None], module.ir_nlin_1)
    compressed = resonant.sign() * torch.minimum(a * resonant.abs(), b * resonant.abs() ** c)
    return convolved(audio[None], module.ir_lin) + convolved(compressed, module.ir_nlin_2)
