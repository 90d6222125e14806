"""What the tests of thresholds share: a sound with much to decide, and what is decided of it."""

from __future__ import annotations

import numpy as np
import torch

from amt_export.modules import Moore2016Spectrum
from amt_export.verify.parity.cases import module_cases
from amt_export.verify.parity.compare import Case
from support.filters import noise


def audible_hiss(samples: int = 4000) -> np.ndarray:
    """A tone, and noise around 60 dB below it in every component: much to decide."""
    time = torch.arange(samples, dtype=torch.float64) / 32000
    tone = torch.sin(2 * torch.pi * 1000.0 * time)
    hiss = noise(1, 2, samples, seed=3)
    return (tone + 0.01 * hiss).numpy()


def spectrum_case() -> Case:
    """What the spectrum module answers to the hiss, and the bounds of its decisions."""
    module = Moore2016Spectrum(dtype=torch.float64).frozen(4000)
    (case,) = module_cases({"hiss": {"audio": audible_hiss()}}, module, "float64")
    return case


def lists(case, outputs, row):
    freqs = outputs["freqs_left"][0, row]
    count = np.count_nonzero(freqs)
    return freqs[:count], outputs["levels_left"][0, row, :count]


def undecided(case):
    """Frame and frequency of a component that may be there or not, and whether it is."""
    for row in range(case.outputs["freqs_left"].shape[1]):
        kept, _ = lists(case, case.outputs, row)
        strict, _ = lists(case, case.bounds.strict, row)
        lenient, _ = lists(case, case.bounds.lenient, row)
        for f in np.setdiff1d(lenient, strict):
            yield row, f, f in kept
