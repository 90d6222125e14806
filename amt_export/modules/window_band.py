"""One window of a multi-resolution spectrum: frames as products of hops with DFT columns."""

import torch
from torch import Tensor, nn

from amt_export.design.multires import alignment

# Samples whose products a runtime sums in one go, in an order that depends on how many frames there are;
# the sums of these pieces are added one by one. With 64, one frame of a stream and all frames of a signal
# differ by 5e-7 of a bin's peak instead of 3e-6.
PIECE = 64


def in_pieces(columns: Tensor) -> Tensor:
    """(hop, n) -> (pieces, hop / pieces, n), pieces of `PIECE` where the hop is a multiple of it."""
    hop, width = columns.shape
    pieces = hop // PIECE if hop % PIECE == 0 else 1
    return columns.reshape(pieces, hop // pieces, width)


class WindowBand(nn.Module):
    """One window: the bins that its band needs, as one product of the hops with a matrix.

    Buffers: window (w,); columns (pieces, hop / pieces, parts * 2 * bins), see `in_pieces`;
    index (S * r,) and weight (S, r, 1) of the frames behind each reference frame, for one length
    of the signal.
    """

    window: Tensor
    columns: Tensor
    index: Tensor
    weight: Tensor

    def __init__(self, length: int, hop: int, margin: int, reference_hop: int) -> None:
        super().__init__()
        self.length = length
        self.hop = hop
        self.parts = -(-length // hop)
        self.margin = margin  # samples before the first frame in the padded signal
        self.reference_hop = reference_hop
        self.samples = -1  # length of signal that `index` and `weight` are for

    def hops(self, padded: Tensor, start: int, frames: int) -> Tensor:
        """(B, frames + parts - 1, hop) from `start` on: frame k is hops k, ..., k + parts - 1."""
        count = frames + self.parts - 1
        cut = padded[:, start : start + count * self.hop]
        return cut.reshape(padded.shape[0], count, self.hop)

    def full_power(self, padded: Tensor, samples: int) -> Tensor:
        """|STFT|^2 in all bins (B, frames, w/2 + 1), not for export."""
        hops = self.hops(padded, self.margin, samples // self.hop + 1)
        frames = hops.flatten(1).unfold(1, self.parts * self.hop, self.hop)[:, :, : self.length]
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window))
        return (spectrum * spectrum).sum(-1)

    def squares(self, padded: Tensor, start: int, frames: int) -> Tensor:
        """Re^2 and Im^2 of the bins of the band, scaled to density, (B, frames, 2 * bins).

        The first frame begins at sample `start` of `padded`.
        """
        hops = self.hops(padded, start, frames)
        pieces, length, columns = self.columns.shape
        width = columns // self.parts
        if pieces > 1:
            cut = hops.reshape(hops.shape[0], hops.shape[1], pieces, length).transpose(1, 2)
            partial = (cut @ self.columns).sum(1)
        else:
            partial = hops @ self.columns[0]
        spectrum = partial[:, :frames, :width]
        for part in range(1, self.parts):
            spectrum = (
                spectrum + partial[:, part : part + frames, part * width : (part + 1) * width]
            )
        return spectrum * spectrum

    def aligned(self, power: Tensor, samples: int) -> Tensor:
        """Mean over the frames that stand for each reference frame, (B, S, bins)."""
        if self.hop == self.reference_hop:
            return power
        index, weight = self.index, self.weight
        if samples != self.samples:
            index, weight = alignment(samples, self.hop, self.reference_hop, self.window)
        frames, most, _ = weight.shape
        picked = power.index_select(1, index)
        picked = picked.reshape(power.shape[0], frames, most, power.shape[2])
        return (picked * weight).sum(2)

    def centred(self, padded: Tensor, reach: int, frames: int) -> Tensor:
        """Squares of reference frames in the middle of a signal, (B, frames, 2 * bins).

        Parameters
        ----------
        padded : Tensor [shape=(B, T)]
        reach : int
            Samples of `padded` before the centre of the first reference frame.
        frames : int
            Reference frames; each is the mean of as many frames as hops fit into its own.
        """
        share = self.reference_hop // self.hop
        start = reach - share // 2 * self.hop - self.length // 2
        power = self.squares(padded, start, frames * share)
        if share == 1:
            return power
        power = power.reshape(power.shape[0], frames, share, power.shape[2])
        return (power * (1.0 / share)).sum(2)

    def overhang(self) -> int:
        """Samples behind the last reference frame's hop that `centred` reads."""
        share = self.reference_hop // self.hop
        return (self.parts - 1 - share // 2) * self.hop - self.length // 2
