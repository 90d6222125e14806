"""Decimation of the adapted signal."""

from typing import ClassVar, Final, List, Tuple

import torch
from torch import Tensor

from amt_export.design.decimation import decimation_taps
from amt_export.manifest.ports import Port, State
from amt_export.modules.base import as_batch
from amt_export.modules.representation.stage import STEADY, ChannelStage
from amt_export.numerics.blocks import pad_end
from amt_export.numerics.fir import convolution_matrix, overlapping

AMT, PLAIN = "amt", "plain"
KINDS = (AMT, PLAIN)
# Frames that one row of the product gives. Longer rows look back on the same samples less often, shorter ones
# multiply fewer zeros.
FRAMES = 32


class Decimation(ChannelStage):
    """Every fourth sample, after a low-pass.

    What comes out of the adaptation loops still carries the carrier and its harmonics. Taken as it is, every
    fourth sample at 44.1 kHz has twice the 5.5 kHz channel's frequency at 100 Hz: the modulation spectrum is
    wrong by 3 % in the median channel and by 30 % in that one.

    Parameters
    ----------
    factor : int
        2 or more.
    kind : {"amt", "plain"}
        With the low-pass of the Auditory Modeling Toolbox (a sinc under a Kaiser window, 20 factor + 1 taps,
        whose delay is taken out: a frame also hears the 10 that follow), or every sample number `factor` as it
        is.
    dtype : torch.dtype
        Of the computation and the output.
    learnable : bool
        Not available.

    Shape
    -----
    signal (B, F, T) -> decimated (B, F, T // factor), in the unit of the signal; without B when signal has
    none.

    Raises
    ------
    ValueError
        For values out of range or unknown names.

    References
    ----------
    .. [1] L. Paulick, H. Relaño-Iborra and T. Dau, "The computational auditory signal processing and perception
       model (CASP): a revised version", bioRxiv (2024).

    Examples
    --------
    >>> import torch
    >>> Decimation(kind="plain")(torch.arange(9.0)[None])
    tensor([[0., 4.]])
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("signal", ("batch", "channel", "time"), "model units"),
    )
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("decimated", ("batch", "channel", "frame"), "model units", quiet=1.0, steady=STEADY),
    )
    states: ClassVar[tuple[State, ...]] = (
        State("decimation", "the last samples of each channel before the block"),
    )

    matrix: Tensor
    filtered: Final[bool]

    def __init__(
        self,
        factor: int = 4,
        kind: str = AMT,
        dtype: torch.dtype = torch.float32,
        learnable: bool = False,
    ) -> None:
        # It knows samples and frames, no rate.
        super().__init__(1.0, dtype, learnable)
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; one of {', '.join(map(repr, KINDS))}")
        if factor != int(factor) or factor < 2:
            raise ValueError(f"factor is {factor}; a whole number is needed, 2 or more")
        self.factor, self.kind, self.filtered = int(factor), kind, kind == AMT
        taps = decimation_taps(self.factor)
        self.past, self.side = taps.size - 1, taps.size // 2
        self.stride = FRAMES * self.factor
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Lay out the matrix: from one row of samples and the past before it to one row of frames."""
        taps = torch.from_numpy(decimation_taps(self.factor))
        self.set_table("matrix", convolution_matrix(taps, self.stride)[:, :: self.factor])

    def forward(self, signal: Tensor) -> Tensor:
        """Decimate a whole signal; zeros follow it.

        Parameters
        ----------
        signal : Tensor [shape=(B, F, T) or (F, T)]

        Returns
        -------
        Tensor [shape=(B, F, T // factor) or (F, T // factor)]

        Raises
        ------
        ValueError
            If there is no frame.
        """
        samples = signal.shape[-1]
        frames = samples // self.factor
        if frames == 0:
            raise ValueError(f"signal has {samples} samples; a frame has {self.factor}")
        rows = as_batch(signal, 3, self.like, "signal")
        if not self.filtered:
            decimated = rows[:, :, : frames * self.factor : self.factor]
        else:
            lead = self.side // self.factor
            ahead = pad_end(rows, self.side, 2)
            past = rows.new_zeros([rows.shape[0], rows.shape[1], self.past])
            decimated = self.low_passed(torch.cat([past, ahead], dim=2))[:, :, lead : lead + frames]
        if signal.dim() == 2:
            return decimated.squeeze(0)
        return decimated

    def low_passed(self, heard: Tensor) -> Tensor:
        """Every output number `factor` of the filter, (B, F, past + T) -> (B, F, T / factor)."""
        batch, channels, length = heard.shape
        rows = overlapping(
            heard.reshape(batch * channels, length), self.past + self.stride, self.stride
        )
        decimated = (rows @ self.matrix).reshape(batch, channels, -1)
        return decimated[:, :, : (length - self.past) // self.factor]

    def states_at_rest(self, batch: int, channels: int) -> List[Tensor]:
        """Silence."""
        return [self.like.new_zeros([batch, channels, self.past if self.filtered else 0])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; its frames are `lead_frames` late. See `AuditoryModule.step`."""
        if not self.filtered:
            return [audio[:, :, :: self.factor]], states
        heard = torch.cat([states[0], audio], dim=2)
        return [self.low_passed(heard)], [heard[:, :, audio.shape[2] :]]

    def prepare_for_stream(self, block: int) -> None:
        """Blocks are whole frames.

        Raises
        ------
        ValueError
            Otherwise.
        """
        if block % self.factor:
            raise ValueError(f"must be a multiple of the decimation factor, {self.factor}")
        # A short block is one row.
        self.stride = min(block, FRAMES * self.factor)

    def prepare_for_length(self, samples: int | None) -> None:
        """Any length will do."""

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.factor

    def frame_length(self) -> int:
        """Frames stand at samples of the signal; what is left at the end has none."""
        return self.factor

    def lead_frames(self) -> int:
        """Frames that a stream gives before the signal's first."""
        return self.side // self.factor if self.filtered else 0

    def latency(self) -> int:
        """Half the filter."""
        return self.side if self.filtered else self.factor - 1

    def look_ahead(self) -> int:
        """Half the filter."""
        return self.side if self.filtered else 0

    def warm_up(self) -> int:
        """Half the filter."""
        return self.side if self.filtered else 0

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"factor={self.factor}, kind={self.kind!r}"
