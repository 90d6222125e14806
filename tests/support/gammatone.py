"""What the tests of the gammatone filterbank share: a bank for speech, and the recursion it stands for."""

from __future__ import annotations

import numpy as np
import torch
from scipy import signal

from amt_export.modules import GammatoneFilterbank

SPEECH = {"fc": (100.0, 8000.0), "fs": 16000}
FORMS = ("sos", "poly")
FLOAT64 = torch.float64


def recursion(module: GammatoneFilterbank, audio: torch.Tensor) -> torch.Tensor:
    """2 Re{H x} by one complex recursion after the other, from the published poles and gains."""
    poles, gains = module.poles.detach().numpy(), module.gains.detach().numpy()
    outputs = []
    for pole, gain in zip(poles, gains, strict=True):
        output = gain * audio.numpy().astype(complex)
        for _ in range(module.n):
            output = signal.lfilter([1.0], [1.0, -pole], output)
        outputs.append(2.0 * output.real)
    return torch.from_numpy(np.stack(outputs, axis=-2))
