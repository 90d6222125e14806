"""Base class of the stages after the filterbank."""

from typing import ClassVar, List

import torch
from torch import Tensor

from amt_export.modules.base import as_batch, checked_dtype
from amt_export.modules.constant import ConstantModule
from amt_export.modules.filterbanks.centre_frequencies import checked_rate
from amt_export.recurrence.block_length import BLOCK, stream_blocks, whole_blocks

# Model units of a steady sound of 110 dB SPL, with room; what is above belongs to an onset.
STEADY = 120.0
# Share of a linear stage's past that is left after the samples of its memory: far below rounding.
TAIL = 1e-12


class ChannelStage(ConstantModule):
    """A stage that does the same to every channel: (B, F, T) in, T samples or frames of them out.

    Its numbers are constants, designed in float64 and cast once.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    dtype : torch.dtype
        Of the computation and the output.
    learnable : bool
        Not available.

    Attributes
    ----------
    channels : int
        Channels that `initial_states` makes states for, see `prepare_for_shape`.
    """

    # Of a whole signal.
    shortest_block: ClassVar[int] = BLOCK

    def __init__(self, fs: float, dtype: torch.dtype, learnable: bool = False) -> None:
        super().__init__(dtype)
        if learnable:
            raise ValueError(f"learnable is True; {type(self).__name__} has nothing to be trained")
        self.fs = checked_rate(fs)
        self.dtype = checked_dtype(dtype, self)
        self.block, self.blocks = BLOCK, 0
        self.channels = 1

    def forward(self, signal: Tensor) -> Tensor:
        """Process whole signals from rest.

        Parameters
        ----------
        signal : Tensor [shape=(B, F, T) or (F, T)]

        Returns
        -------
        Tensor [shape=(B, F, ..., T) or (F, ..., T)]
            See the class.
        """
        rows = as_batch(signal, 3, self.like, "signal")
        outputs, _ = self.step(rows, self.states_at_rest(rows.shape[0], rows.shape[1]))
        if signal.dim() == 2:
            return outputs[0].squeeze(0)
        return outputs[0]

    def states_at_rest(self, batch: int, channels: int) -> List[Tensor]:
        """States before the first sample, for so many channels."""
        raise NotImplementedError

    def prepare_for_shape(self, shape: tuple[int, ...]) -> None:
        """Make `initial_states` for the channels of a signal (B, F, T)."""
        self.channels = shape[1]

    def initial_states(self, batch: int) -> List[Tensor]:
        """States before the first sample, for `channels` channels."""
        return self.states_at_rest(batch, self.channels)

    def prepare_for_stream(self, block: int) -> None:
        """Choose a block length that divides the stream's block."""
        self.block, self.blocks = stream_blocks(block)

    def prepare_for_length(self, samples: int | None) -> None:
        """Choose a block length that divides `samples`, so nothing is padded."""
        if samples is not None:
            self.block, self.blocks = whole_blocks(samples, self.shortest_block)

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}"
