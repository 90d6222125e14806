"""All windows of the Moore spectrum: samples laid out once, and each window's products with them."""

from typing import List, Tuple, cast

import torch
from torch import Tensor, nn

from amt_export.design.moore_spectrum import BLOCK, STRETCH, stretch_basis
from amt_export.modules.spectra.spectrum_band import SpectrumBand, is_long
from amt_export.numerics.double_float import split_matrix, split_product, split_rows


class SpectrumBands(nn.Module):
    """Intensities of the bins of all windows, without an FFT.

    Frames overlap by all but a block of 32 samples or some, so what they share is laid out once: the
    32, 64, 128 and 256 samples that start with each block. Long windows need the last ones in a few dozen
    numbers only.

    Parameters
    ----------
    windows : int
        Number of windows.
    hop_blocks : int
        Blocks of 32 samples from frame to frame.
    split : bool
        Make the products of long windows of sums of two numbers, see `SpectrumBand`.
    """

    basis: Tensor
    rest: Tensor

    def __init__(self, windows: int, hop_blocks: int, split: bool = True) -> None:
        super().__init__()
        self.split = split
        self.block = BLOCK
        self.doublings = (STRETCH // BLOCK).bit_length() - 1
        self.bands = nn.ModuleList(SpectrumBand(hop_blocks, split) for _ in range(windows))

    def set_columns(self, columns: List[Tuple[Tensor, Tensor]], like: Tensor) -> None:
        """Cast once and keep.

        Parameters
        ----------
        columns : list of pair of Tensor [shape=(w, b)], float64
            Cosine and sine columns of each window, scaled to the square root of intensity.
        like : Tensor
            Gives dtype and device.
        """
        basis = stretch_basis([table for pair in columns for table in pair if is_long(len(table))])
        head, rest = split_matrix(basis, like.dtype) if self.split else (basis, basis[:1])
        self.register_buffer("basis", head.to(like), persistent=False)
        self.register_buffer("rest", rest.to(like), persistent=False)
        for band, (cosine, sine) in zip(self.bands, columns, strict=True):
            cast("SpectrumBand", band).set_columns(cosine, sine, basis.to(like.device), like)

    def forward(self, ear: Tensor, frames: int) -> List[Tensor]:
        """Analyse.

        Parameters
        ----------
        ear : Tensor [shape=(B, T)]
        frames : int

        Returns
        -------
        list of Tensor [shape=(B, S, b)]
            Intensities, window by window.
        """
        blocks = ear.shape[1] // self.block
        samples = ear[:, : blocks * self.block].reshape(ear.shape[0], blocks, self.block)
        # What starts with each block, doubled each time; and the same read backwards.
        spans: List[Tensor] = [samples]
        reversed_spans: List[Tensor] = [samples.flip(2)]
        for i in range(self.doublings):
            one = 1 << i
            spans.append(torch.cat([spans[i][:, :-one], spans[i][:, one:]], dim=2))
            if i + 1 < self.doublings:
                reversed_spans.append(
                    torch.cat([reversed_spans[i][:, one:], reversed_spans[i][:, :-one]], dim=2)
                )
        if self.split:
            head, rest = split_rows(spans[self.doublings])
            slow, slow_rest = split_product(head, rest, self.basis, self.rest)
        else:
            slow = spans[self.doublings] @ self.basis
            slow_rest = slow
        intensities: List[Tensor] = []
        for band in self.bands:
            intensity = band(spans, reversed_spans, slow, slow_rest, frames)
            intensities.append(intensity)
        return intensities
