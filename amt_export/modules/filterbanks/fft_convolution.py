"""FFT convolution of many channels without an FFT operator; see `numerics.good_thomas`."""

from typing import Tuple

import torch
from torch import Tensor, nn

from amt_export.numerics.blocks import pad_end
from amt_export.numerics.double_float import SplitMatrix, split_matrix
from amt_export.numerics.good_thomas import (
    OrderedInverse,
    Spectrum,
    SplitTorus,
    Torus,
    halved,
    ordered_inverse_matrices,
    torus,
    transform,
    wrap_order,
)


class FilterSpectrum(nn.Module):
    """Keeper of one filter's spectrum for every channel: buffers that are not saved."""

    plus_re: Tensor
    plus_im: Tensor
    minus_re: Tensor
    minus_im: Tensor

    def design(self, taps: Tensor, n1: int, n2: int, like: Tensor) -> None:
        """Transform taps (F, M), float64; dtype and device are those of `like`."""
        padded = pad_end(taps.cpu(), n1 * n2 - taps.shape[1], 1)
        laid_out = padded[:, wrap_order(n1, n2)].reshape(-1, 1, n1, n2)
        spectrum = halved(transform(laid_out, torus(n1, n2)))
        for name, part in zip(spectrum._fields, spectrum, strict=True):
            self.register_buffer(name, part.to(like), persistent=False)

    def spectrum(self) -> Spectrum:
        """(F, 1, K1, K2) each, halved."""
        return Spectrum(self.plus_re, self.plus_im, self.minus_re, self.minus_im)


class TorusTransform(nn.Module):
    """Keeper of the transform matrices, and the way of signals onto the torus and back."""

    cosine1: Tensor
    sine1: Tensor
    cosine2: Tensor
    sine2: Tensor
    cosine1_head: Tensor
    cosine1_rest: Tensor
    sine1_head: Tensor
    sine1_rest: Tensor
    cosine2_head: Tensor
    cosine2_rest: Tensor
    sine2_head: Tensor
    sine2_rest: Tensor
    back_cosine1: Tensor
    back_sine1: Tensor
    back_cosine2: Tensor
    back_sine2: Tensor
    ordered_cosine1: Tensor
    ordered_sine1: Tensor
    ordered_turn_cosine: Tensor
    ordered_turn_sine: Tensor
    ordered_cosine2: Tensor
    ordered_sine2: Tensor
    new_samples: Tensor
    wrap: Tensor

    def design(self, n1: int, n2: int, taps: int, like: Tensor, hop: int = 0) -> None:
        """Set up for pieces of n1 n2 samples: taps - 1 of the past, then `hop` new ones (0: all others)."""
        self.n1, self.n2, self.past = n1, n2, taps - 1
        self.hop = hop if hop > 0 else n1 * n2 - self.past
        matrices = torus(n1, n2)
        for name, matrix in zip(matrices._fields, matrices, strict=True):
            self.register_buffer(name, matrix.to(like).contiguous(), persistent=False)
            if not name.startswith("back"):
                parts = split_matrix(matrix, like.dtype)
                for part, value in zip(parts._fields, parts, strict=True):
                    self.register_buffer(
                        f"{name}_{part}", value.to(like.device).contiguous(), persistent=False
                    )
        order = wrap_order(n1, n2)
        new = (order >= self.past) & (order < self.past + self.hop)
        self.register_buffer("new_samples", new.to(like).reshape(n1, n2), persistent=False)
        self.register_buffer("wrap", order.to(like.device), persistent=False)
        # New samples first, then what reaches around into the next piece.
        ordered = ordered_inverse_matrices(n1, n2, self.past)
        for name, matrix in zip(ordered._fields, ordered, strict=True):
            value = matrix.to(like).contiguous()
            self.register_buffer(f"ordered_{name}", value, persistent=False)

    def matrices(self) -> Torus:
        """The transform."""
        return Torus(
            self.cosine1,
            self.sine1,
            self.cosine2,
            self.sine2,
            self.back_cosine1,
            self.back_sine1,
            self.back_cosine2,
            self.back_sine2,
        )

    def ordered(self) -> OrderedInverse:
        """Matrices of the inverse transform that returns samples in order, the new ones first."""
        return OrderedInverse(
            self.ordered_cosine1,
            self.ordered_sine1,
            self.ordered_turn_cosine,
            self.ordered_turn_sine,
            self.ordered_cosine2,
            self.ordered_sine2,
        )

    def split_matrices(self) -> SplitTorus:
        """The forward transform in two parts."""
        return SplitTorus(
            SplitMatrix(self.cosine1_head, self.cosine1_rest),
            SplitMatrix(self.sine1_head, self.sine1_rest),
            SplitMatrix(self.cosine2_head, self.cosine2_rest),
            SplitMatrix(self.sine2_head, self.sine2_rest),
        )

    def silence(self, batch: int) -> Tensor:
        """The past of a signal's first piece, (B, past)."""
        like = self.new_samples
        return torch.zeros(batch, self.past, dtype=like.dtype, device=like.device)

    def pieces(self, signal: Tensor, past: Tensor) -> Tensor:
        """Pieces of (B, T) on the torus, (B, 1, P, N1, N2), each after its past.

        `past` (B, past) is that of the first one; those of the others must be shorter than a piece.
        """
        batch, samples = signal.shape
        hop = self.hop
        count = (samples + hop - 1) // hop
        new = pad_end(signal, count * hop - samples, 1).reshape(batch, count, hop)
        before = past.unsqueeze(1)[:, :count]  # none for an empty signal
        if count > 1:
            before = torch.cat([before, new[:, : count - 1, hop - self.past :]], dim=1)
        new = pad_end(new, self.n1 * self.n2 - self.past - hop, 2)
        laid_out = torch.index_select(torch.cat([before, new], dim=2), 2, self.wrap)
        return laid_out.reshape(batch, 1, count, self.n1, self.n2)

    def joined(self, pieces: Tensor, samples: int) -> Tensor:
        """Overlap-add of pieces (B, F, P, N), as `ordered_inverse` returns them, to (B, F, T)."""
        batch, channels, count, _ = pieces.shape
        hop = self.hop
        signal = pieces[:, :, :, :hop]
        if count > 1:
            reaching = pieces[:, :, : count - 1, hop : hop + self.past]
            later = signal[:, :, 1:]
            later = torch.cat([later[..., : self.past] + reaching, later[..., self.past :]], dim=3)
            signal = torch.cat([signal[:, :, :1], later], dim=2)
        return signal.reshape(batch, channels, count * hop)[:, :, :samples]

    def continued(self, piece: Tensor, tail: Tensor) -> Tuple[Tensor, Tensor]:
        """Overlap-add of one piece (B, F, 1, N) and what reaches into it from those before.

        Parameters
        ----------
        piece : Tensor
        tail : Tensor [shape=(B, F, past)]

        Returns
        -------
        signal : Tensor [shape=(B, F, hop)]
        tail : Tensor [shape=(B, F, past)]
            What reaches into the next pieces.
        """
        added = piece[:, :, 0, : self.hop + self.past]
        both = torch.cat([added[:, :, : self.past] + tail, added[:, :, self.past :]], dim=2)
        return both[:, :, : self.hop], both[:, :, self.hop :]
