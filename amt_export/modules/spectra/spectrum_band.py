"""One window of the Moore spectrum: its bins as products of laid-out samples with DFT columns."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.design.compensated import Exact
from amt_export.design.moore_spectrum import BLOCK, LENGTH, folded, in_pieces
from amt_export.modules.spectra.precise_columns import PreciseColumns, cut_rows, row_peak

# Blocks of the longest stretch that is laid out in memory. A window of two stretches or less is folded in
# the middle, which halves the work; longer ones have few bins, and frames share their pieces.
STRETCH = 8
# Share of a column up to which a window counts as symmetric: what float32 leaves of one.
UNEVEN = 1e-6


class SpectrumBand(nn.Module):
    """Cosine and sine columns of one window for its bins.

    A short window is multiplied with the sum and the difference of a frame's halves, as its columns
    are even or odd. A long one is cut into pieces, and a frame is the sum of the products of its
    pieces.
    """

    def __init__(self, hop_blocks: int) -> None:
        super().__init__()
        self.hop_blocks = hop_blocks
        self.level = 0  # a stretch is BLOCK << level samples
        self.pieces = 0  # 0: folded
        self.lopsided = False
        self.bins = 0
        self.first = 0  # block that a frame of this window starts with
        self.cosine = PreciseColumns()
        self.sine = PreciseColumns()
        # Of a window that is not symmetric (from a checkpoint): their parts for the other half.
        self.cosine_odd = PreciseColumns()
        self.sine_even = PreciseColumns()

    def set_columns(self, cosine: Tensor, sine: Tensor, basis: Tensor, like: Tensor) -> None:
        """Cast once and keep.

        Parameters
        ----------
        cosine, sine : Tensor [shape=(w, b)], float64
        basis : Tensor [shape=(32, r)]
            See `design.moore_spectrum.block_basis`.
        like : Tensor
            Gives dtype and device.
        """
        length, self.bins = cosine.shape
        self.first = (LENGTH - length) // 2 // BLOCK
        self.lopsided = False
        if is_long(length):
            self.level, self.pieces = STRETCH.bit_length() - 1, length // BLOCK // STRETCH
            self.cosine.design(in_pieces(cosine, STRETCH, basis), like)
            self.sine.design(in_pieces(sine, STRETCH, basis), like)
        else:
            self.level, self.pieces = (length // BLOCK // 2).bit_length() - 1, 0
            even, cosine_odd = folded(cosine)
            sine_even, odd = folded(sine)
            self.cosine.design(even, like)
            self.sine.design(odd, like)
            uneven = max(float(cosine_odd.abs().max()), float(sine_even.abs().max()))
            self.lopsided = uneven > UNEVEN * float(even.abs().max())
        if self.lopsided:
            self.cosine_odd.design(cosine_odd, like)
            self.sine_even.design(sine_even, like)
        else:
            self.cosine_odd.forget()
            self.sine_even.forget()

    def forward(
        self,
        ahead: List[Tensor],
        behind: List[Tensor],
        slow: Exact,
        frames: int,
    ) -> Tensor:
        """Intensity of the bins of this window.

        Parameters
        ----------
        ahead, behind : list of Tensor [shape=(B, positions, BLOCK << i)]
            The stretch that starts with each block, and the same read backwards.
        slow : Exact [shape=(B, positions, STRETCH * r)]
            The longest one, each block as `block_basis` gives it.
        frames : int

        Returns
        -------
        Tensor [shape=(B, S, b)]
        """
        if self.pieces > 0:
            head, rest = cut_rows(slow.main, row_peak(slow.main))
            rest = rest + slow.rest
            re, im = self.cosine(head, rest), self.sine(head, rest)
            real = self.joined(re.main, frames) + self.joined(re.rest, frames)
            imaginary = self.joined(im.main, frames) + self.joined(im.rest, frames)
            long: Tensor = real * real + imaginary * imaginary
            return long
        middle = self.first + (1 << self.level)
        last = (frames - 1) * self.hop_blocks + 1
        later = ahead[self.level][:, middle : middle + last : self.hop_blocks]
        earlier = behind[self.level][:, self.first : self.first + last : self.hop_blocks]
        # Both on one grid, so that the sums of their heads are exact.
        peak = torch.maximum(row_peak(later), row_peak(earlier))
        later, later_rest = cut_rows(later, peak)
        earlier, earlier_rest = cut_rows(earlier, peak)
        even, even_rest = later + earlier, later_rest + earlier_rest
        odd, odd_rest = later - earlier, later_rest - earlier_rest
        re, im = self.cosine(even, even_rest), self.sine(odd, odd_rest)
        real, imaginary = re.main + re.rest, im.main + im.rest
        if self.lopsided:
            more = self.cosine_odd(odd, odd_rest)
            real = real + (more.main + more.rest)
            more = self.sine_even(even, even_rest)
            imaginary = imaginary + (more.main + more.rest)
        power: Tensor = real * real + imaginary * imaginary
        return power

    def joined(self, partial: Tensor, frames: int) -> Tensor:
        """Pieces (B, positions, pieces * b) of every frame added up, (B, S, b)."""
        last = (frames - 1) * self.hop_blocks + 1
        whole = torch.zeros(1, 1, 1, dtype=partial.dtype, device=partial.device)
        for piece in range(self.pieces):
            begin = self.first + (piece << self.level)
            left = piece * self.bins
            part = partial[:, begin : begin + last : self.hop_blocks, left : left + self.bins]
            whole = part if piece == 0 else whole + part
        return whole


def is_long(length: int) -> bool:
    """Whether a window of so many samples is cut into pieces."""
    return length > 2 * STRETCH * BLOCK
