"""The Moore spectrum by FFT, while its limits are learned: they may give any bin to any window."""

import torch
from torch import Tensor


def by_fft(ear: Tensor, windows: Tensor, served: Tensor, hop: int, frames: int) -> Tensor:
    """Intensities of all bins; not for export.

    Parameters
    ----------
    ear : Tensor [shape=(B, T)]
    windows : Tensor [shape=(6, 2048)]
        Scaled to the square root of intensity.
    served : Tensor [shape=(1024,)]
        Window of each bin above DC, -1 for none.
    hop, frames : int

    Returns
    -------
    Tensor [shape=(B, S, 1024)]
    """
    cut = ear.unfold(1, windows.shape[1], hop)[:, :frames]
    total = torch.zeros(1, dtype=ear.dtype, device=ear.device)
    for i in range(windows.shape[0]):
        spectrum = torch.view_as_real(torch.fft.rfft(cut * windows[i]))[:, :, 1:]
        intensity = (spectrum * spectrum).sum(-1)
        total = total + intensity * (served == i).to(intensity.dtype)
    # Only the bin at fs/2 is not doubled.
    doubled = torch.ones_like(served, dtype=ear.dtype)
    doubled[-1] = 0.25
    return total * doubled
