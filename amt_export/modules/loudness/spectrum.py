"""Intensities of the components of short frames, with a window that fits each band."""

from typing import List

import torch
from torch import Tensor

from amt_export.design import moore_spectrum as design
from amt_export.modules.constant import ConstantModule
from amt_export.modules.spectra.spectrum_bands import SpectrumBands


class LoudnessSpectrum(ConstantModule):
    """Intensity of 960 components at multiples of 15.625 Hz, every millisecond.

    Symmetric Hann windows of 2048 to 64 samples share the middle of each frame; window i gives the bins of
    its band: I = (2 |X| / 2048)^2 10^0.332 2^i 10^(db_max/10). No FFT: see `SpectrumBands`. Plain sums
    suffice here: split ones take a seventh longer in a stream, and the largest error of 40 signals is the same.

    Parameters
    ----------
    db_max : float
        Level in dB SPL of a sine with amplitude 1.
    dtype : torch.dtype

    Shape
    -----
    sound (B, 2, T + 2048) -> intensity (B, 2, S, 960), S = floor(T / 32) + 1. Frame s starts at sample 32 s.
    """

    def __init__(self, db_max: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        self.db_max = db_max
        self.spacing, self.length = design.BLOCK, design.LENGTH  # TorchScript reads no globals
        self.bands = SpectrumBands(len(design.WINDOW_LENGTHS), 1, split=False)
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the columns of every window."""
        windows = torch.stack([design.centred_window(n) for n in design.WINDOW_LENGTHS])
        limits = torch.tensor(design.AMT_LIMITS, dtype=torch.float64)
        self.bands.set_columns(design.analysis(windows, limits, self.db_max).columns, self.like)

    def forward(self, sound: Tensor) -> Tensor:
        """Analyse."""
        frames = (sound.shape[2] - self.length) // self.spacing + 1
        batch, ears, samples = sound.shape
        pieces: List[Tensor] = self.bands(sound.reshape(batch * ears, samples), frames)
        joined = torch.cat(pieces, dim=2)
        return joined.reshape(batch, ears, frames, joined.shape[2])
