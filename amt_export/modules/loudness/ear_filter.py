"""Outer and middle ear as one FIR filter."""

from typing import Tuple

import torch
from torch import Tensor

from amt_export.design.outer_middle_ear import ear_taps
from amt_export.modules.constant import ConstantModule
from amt_export.numerics.blocks import block_count, pad_end, trim
from amt_export.numerics.double_float import split_rows
from amt_export.numerics.fir import convolution_matrix, main_lobe, overlapping

# Of the responses of `ear_taps`.
TAPS = 4097
# Samples that the response is ahead of its linear phase: half a frame, so that frame s starts at sample
# 32 s - 1024 of the sound at the cochlea.
LEAD = 1024
# Output samples of one product: the cheapest for a second of sound. A stream has 320 at a time.
BLOCK, STREAM_BLOCK = 256, 64
# A stream works in a block that divides its own.
SMALLEST = 32
# Taps above this share of the largest are the main lobe, 57 of 4097. With fewer, speech is filtered twice as
# inexactly; with more, nothing gets better.
LOBE = 2.0**-7


class LoudnessEarFilter(ConstantModule):
    """From the sound field to the cochlea, with the ends of the response.

    z[n] = sum_k h[k] x[n + 1024 - k], n = 0 ... T + 2047, with 4097 taps of linear phase.

    The sum over the main lobe rounds once, see `numerics.double_float`. A plain sum of 4097 float32 products is
    ten times as far from the float64 sum, and then five times as many components are on the wrong side of the
    relevance threshold, 60 dB below the loudest one.

    Parameters
    ----------
    field : {"free", "diffuse", "eardrum"}
    dtype : torch.dtype

    Shape
    -----
    audio (B, 2, T) in Pa -> (B, 2, T + 2048).

    Raises
    ------
    ValueError
        For another field.

    References
    ----------
    .. [1] ISO 532-3:2023, "Acoustics - Methods for calculating loudness - Part 3:
       Moore-Glasberg-Schlittenlacher method".
    """

    head: Tensor
    rest: Tensor

    def __init__(self, field: str = "free", dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        self.field = field
        self.block = BLOCK
        # TorchScript reads no globals.
        self.silence, self.longer = TAPS - 1 - LEAD, 2 * LEAD
        self.lobe_start = 0
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Set the taps of the main lobe, and what is left of all taps."""
        lobe = main_lobe(ear_taps(self.field), LOBE)
        self.lobe_start = TAPS - len(lobe.head) - lobe.first
        self.set_table("head", lobe.head)
        self.set_table("rest", lobe.rest)

    def prepare_for_stream(self, block: int) -> None:
        """Choose a block that divides that of the stream, near the one that costs least.

        Raises
        ------
        ValueError
            If it is no multiple of 32.
        """
        if block % SMALLEST:
            raise ValueError(f"the block must be a multiple of {SMALLEST} samples")
        sizes = [size for size in range(SMALLEST, STREAM_BLOCK + 1) if block % size == 0]
        self.block = max(sizes)

    def filtered(self, samples: Tensor) -> Tensor:
        """Filter where all taps have samples: (B, 2, 4096 + K block) -> (B, 2, K block)."""
        head = convolution_matrix(self.head, self.block)
        rest = convolution_matrix(self.rest, self.block)
        rows = overlapping(samples, rest.shape[0], self.block)
        lobe = rows[..., self.lobe_start : self.lobe_start + head.shape[0]]
        large, small = split_rows(lobe)
        filtered = large @ head + (small @ head + rows @ rest)
        return filtered.reshape(filtered.shape[0], filtered.shape[1], -1)

    def forward(self, audio: Tensor) -> Tensor:
        """Filter a whole signal."""
        count = audio.shape[2] + self.longer
        silence = audio.new_zeros([audio.shape[0], audio.shape[1], self.silence])
        padded = torch.cat([silence, audio, silence], dim=2)
        padded = pad_end(padded, block_count(count, self.block) * self.block - count, 2)
        return trim(self.filtered(padded), count)

    def step(self, audio: Tensor, past: Tensor) -> Tuple[Tensor, Tensor]:  # type: ignore[override]
        """Filter a block causally.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, N)]
        past : Tensor [shape=(B, 2, 4096)]
            The samples before it.

        Returns
        -------
        filtered : Tensor [shape=(B, 2, N)]
        past : Tensor [shape=(B, 2, 4096)]
        """
        heard = torch.cat([past, audio], dim=2)
        return self.filtered(heard), heard[:, :, audio.shape[2] :]
