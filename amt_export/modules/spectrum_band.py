"""One window of the Moore spectrum: its bins as products of laid-out samples with DFT columns."""

from torch import Tensor, nn

from amt_export.design.moore_spectrum import BLOCK, LENGTH


class SpectrumBand(nn.Module):
    """Cosine and sine columns of one window for its bins: two (rows, pieces * bins) buffers."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, hop_blocks: int) -> None:
        super().__init__()
        self.hop_blocks = hop_blocks
        self.rows = 0
        self.pieces = 1
        self.bins = 0
        self.first = 0

    def set_columns(self, cosine: Tensor, sine: Tensor, bins: int, like: Tensor) -> None:
        """Cast once and keep; no bins are kept as one that is zero."""
        self.register_buffer("cosine", cosine.to(like), persistent=False)
        self.register_buffer("sine", sine.to(like), persistent=False)
        self.bins = bins
        self.rows = cosine.shape[0]
        self.pieces = cosine.shape[1] // bins
        self.first = (LENGTH - self.rows * self.pieces) // 2 // BLOCK

    def project(self, laid: Tensor, columns: Tensor, frames: int) -> Tensor:
        """(B, positions, rows) -> (B, S, bins), one part of the spectrum."""
        last = (frames - 1) * self.hop_blocks + 1
        step = self.hop_blocks
        if self.pieces == 1:
            return laid[:, self.first : self.first + last : step] @ columns
        partial = laid @ columns
        part = partial[:, self.first : self.first + last : step, : self.bins]
        for piece in range(1, self.pieces):
            begin = self.first + piece * (self.rows // 32)
            left = piece * self.bins
            part = part + partial[:, begin : begin + last : step, left : left + self.bins]
        return part

    def intensity(self, laid: Tensor, frames: int) -> Tensor:
        """Intensity of the bins of this window, (B, S, bins)."""
        re = self.project(laid, self.cosine, frames)
        im = self.project(laid, self.sine, frames)
        return re * re + im * im
