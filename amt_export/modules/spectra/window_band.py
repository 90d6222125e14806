"""One window of a multi-resolution spectrum: frames as products of hops with DFT columns."""

import torch
from torch import Tensor, nn

from amt_export.design.multires import alignment
from amt_export.numerics.double_float import split_matrix, split_product, split_rows


class WindowBand(nn.Module):
    """One window: the bins that its band needs, as one product of the hops with a matrix.

    The product is the sum of two float32 numbers. A window leaves 1e-4 of a tone in bins far from it, but
    the sums on the way there are as large as the tone, and are rounded so: the excitation of a sweep, within
    80 dB of its maximum, is wrong by up to 1.6e-3 dB with plain products and by 1.2e-5 dB with these.

    Buffers: columns (hop, parts * 2 * bins) and rest of the same shape, which is what
    `columns` lack of float64; window (w,); index (S * r,) and weight (S, r, 1) of
    the frames after each reference frame, for one length of the signal.
    """

    columns: Tensor
    rest: Tensor
    window: Tensor
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

    def set_columns(self, columns: Tensor, like: Tensor) -> None:
        """Cast once and keep.

        Parameters
        ----------
        columns : Tensor [shape=(hop, parts * 2 * bins)], float64
        like : Tensor
            Gives dtype and device.
        """
        for name, part in zip(("columns", "rest"), split_matrix(columns, like.dtype), strict=True):
            self.register_buffer(name, part.to(like), persistent=False)

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
        head, rest = split_rows(hops)
        main, small = split_product(head, rest, self.columns, self.rest)
        spectrum = self.framed(main, frames) + self.framed(small, frames)
        return spectrum * spectrum

    def framed(self, partial: Tensor, frames: int) -> Tensor:
        """The parts (B, hops, parts * m) of every frame added up, (B, frames, m)."""
        width = partial.shape[2] // self.parts
        whole = partial[:, :frames, :width]
        for part in range(1, self.parts):
            whole = whole + partial[:, part : part + frames, part * width : (part + 1) * width]
        return whole

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

    def centred(
        self, padded: Tensor, reach: int, frames: int, first: Tensor, last: Tensor
    ) -> Tensor:
        """Squares of reference frames in the middle of a signal, (B, frames, 2 * bins).

        Parameters
        ----------
        padded : Tensor [shape=(B, T)]
        reach : int
            Samples of `padded` before the centre of the first reference frame.
        frames : int
            Reference frames; each is the mean of as many frames as hops fit into its own.
        first, last : Tensor [shape=(B, 1)], samples
            Frames whose centres lie from `first` to `last`, counted from the centre of the first reference
            frame, have a part in the mean.
        """
        share = self.reference_hop // self.hop
        start = reach - share // 2 * self.hop - self.length // 2
        power = self.squares(padded, start, frames * share)
        if share == 1:
            return power
        power = power.reshape(power.shape[0], frames, share, power.shape[2])
        place = self.hop * torch.arange(frames * share, device=power.device, dtype=power.dtype)
        place = place - self.hop * (share // 2)
        there = torch.clamp(place - first + 1.0, 0.0, 1.0) * torch.clamp(
            last - place + 1.0, 0.0, 1.0
        )
        there = there.reshape(-1, frames, share, 1)
        weight = there / torch.clamp(there.sum(2, keepdim=True), min=1.0)
        return (power * weight).sum(2)

    def overhang(self) -> int:
        """Samples after the last reference frame's hop that `centred` reads."""
        share = self.reference_hop // self.hop
        return (self.parts - 1 - share // 2) * self.hop - self.length // 2
