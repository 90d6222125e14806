"""One window of the Moore spectrum: its bins as products of laid-out samples with DFT columns."""

from typing import List

import torch
from torch import Tensor, nn

from amt_export.design.moore_spectrum import BLOCK, LENGTH, STRETCH, folded, in_pieces
from amt_export.numerics.double_float import split_matrix, split_product, split_rows

# Share of a column up to which a window counts as symmetric: what float32 leaves of one.
ASYMMETRY = 1e-6


class SpectrumBand(nn.Module):
    """Cosine and sine columns of one window for its bins.

    A short window is multiplied with the sum and the difference of a frame's halves, as its cosine
    columns are even and its sine columns odd. A long one is cut into pieces, and a frame is the sum of
    the products of its pieces. With `split` these products are sums of two float32 numbers: a component may
    be 60 dB below the loudest, and plain sums of so many samples make it wrong by up to 1e-3 dB.
    """

    even: Tensor
    odd: Tensor
    columns: Tensor
    rest: Tensor

    def __init__(self, hop_blocks: int, split: bool = True) -> None:
        super().__init__()
        self.split = split
        self.hop_blocks = hop_blocks
        self.level = 0  # half of a short window is BLOCK << level samples
        self.pieces = 0  # of a long window, else 0
        self.piece_blocks = STRETCH // BLOCK
        self.asymmetric = False
        self.bins = 0
        self.first = 0  # block that a frame of this window starts with

    def set_columns(self, cosine: Tensor, sine: Tensor, basis: Tensor, like: Tensor) -> None:
        """Cast once and keep.

        Parameters
        ----------
        cosine, sine : Tensor [shape=(w, b)], float64
        basis : Tensor [shape=(STRETCH, r)]
            See `design.moore_spectrum.stretch_basis`.
        like : Tensor
            Gives dtype and device.
        """
        length, self.bins = cosine.shape
        self.first = (LENGTH - length) // 2 // BLOCK
        self.asymmetric, self.pieces = False, 0
        columns = torch.cat([cosine, sine], dim=1)
        unused = columns[:1, :1]
        even, odd, rest = unused, unused, unused
        if is_long(length):
            self.pieces = length // STRETCH
            columns = in_pieces(columns, basis)
            if self.split:
                columns, rest = split_matrix(columns, like.dtype)
        else:
            self.level = (length // BLOCK // 2).bit_length() - 1
            (even, odd_rest), (even_rest, odd) = folded(cosine), folded(sine)
            uneven = max(float(odd_rest.abs().max()), float(even_rest.abs().max()))
            self.asymmetric = uneven > ASYMMETRY * float(even.abs().max())
            if not self.asymmetric:
                columns = unused
        tables = {"even": even, "odd": odd, "columns": columns, "rest": rest}
        for name, table in tables.items():
            self.register_buffer(name, table.to(like), persistent=False)

    def forward(
        self,
        spans: List[Tensor],
        reversed_spans: List[Tensor],
        slow: Tensor,
        slow_rest: Tensor,
        frames: int,
    ) -> Tensor:
        """Intensity of the bins of this window.

        Parameters
        ----------
        spans, reversed_spans : list of Tensor [shape=(B, positions, BLOCK << i)]
            The samples that start with each block, and the same read backwards.
        slow, slow_rest : Tensor [shape=(B, positions, r)]
            STRETCH samples in terms of `stretch_basis`, with `split` as the sum of the two.
        frames : int

        Returns
        -------
        Tensor [shape=(B, S, b)]
        """
        if self.pieces > 0 and not self.split:
            return self.power(self.joined(slow @ self.columns, frames))
        if self.pieces > 0:
            head, rest = split_rows(slow)
            main, small = split_product(head, rest + slow_rest, self.columns, self.rest)
            return self.power(self.joined(main, frames) + self.joined(small, frames))
        middle = self.first + (1 << self.level)
        last = (frames - 1) * self.hop_blocks + 1
        later = spans[self.level][:, middle : middle + last : self.hop_blocks]
        if self.asymmetric:
            earlier = spans[self.level][:, self.first : self.first + last : self.hop_blocks]
            return self.power(torch.cat([earlier, later], dim=2) @ self.columns)
        earlier = reversed_spans[self.level][:, self.first : self.first + last : self.hop_blocks]
        real, imaginary = (later + earlier) @ self.even, (later - earlier) @ self.odd
        power: Tensor = real * real + imaginary * imaginary
        return power

    def power(self, spectrum: Tensor) -> Tensor:
        """Re^2 + Im^2 (B, S, b) of (B, S, 2 b)."""
        squares = spectrum * spectrum
        return squares[:, :, : self.bins] + squares[:, :, self.bins :]

    def joined(self, partial: Tensor, frames: int) -> Tensor:
        """Sum (B, S, 2 b) over the pieces of each frame in (B, positions, pieces * 2 b)."""
        last, width = (frames - 1) * self.hop_blocks + 1, 2 * self.bins
        whole = torch.zeros(1, 1, 1, dtype=partial.dtype, device=partial.device)
        for piece in range(self.pieces):
            begin, left = self.first + piece * self.piece_blocks, piece * width
            part = partial[:, begin : begin + last : self.hop_blocks, left : left + width]
            whole = part if piece == 0 else whole + part
        return whole


def is_long(length: int) -> bool:
    """Whether a window of so many samples is cut into pieces."""
    return length > STRETCH
