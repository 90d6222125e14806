"""Inner hair cell of Dau et al. (1997): half-wave rectification and a low-pass."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.modulation import first_order_lowpass
from amt_export.manifest.ports import Port, State
from amt_export.modules.levels import propagate_nan
from amt_export.modules.representation.stage import TAIL, ChannelStage
from amt_export.numerics.blocks import to_blocks, trim
from amt_export.recurrence.linear_filter import LinearFilter
from amt_export.recurrence.memory import settling_time
from amt_export.recurrence.state_space import StateSpace, butterworth_lowpass


class DauHairCell(ChannelStage):
    """Inner hair cell: half-wave rectification, then a Butterworth low-pass.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    cutoff : float
        Of the low-pass in Hz, below fs/2.
    order : {1, 2}
        Of the low-pass: 1 in Dau et al. (1997), 2 in Jepsen et al. (2008).
    dtype : torch.dtype
        Of the computation and the output.
    learnable : bool
        Not available.

    Shape
    -----
    signal (B, F, T) -> envelope (B, F, T), in the unit of signal and not below 0; without B when signal has
    none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] T. Dau, D. Pueschel and A. Kohlrausch, "A quantitative model of the effective signal processing in
       the auditory system. I. Model structure", J. Acoust. Soc. Am. 99, 3615-3622 (1996).
    .. [2] M. L. Jepsen, S. D. Ewert and T. Dau, "A computational model of human auditory signal
       processing and perception", J. Acoust. Soc. Am. 124, 422-438 (2008).

    Examples
    --------
    >>> import torch
    >>> cell = DauHairCell(16000)
    >>> cell(torch.tensor([[1.0, -1.0, -1.0]])).round(decimals=3)
    tensor([[0.1660, 0.2770, 0.1850]])
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("signal", ("batch", "channel", "time"), "Pa"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("envelope", ("batch", "channel", "time"), "Pa"),
    )
    states: ClassVar[tuple[State, ...]] = (State("hair_cell", "the low-pass of each channel"),)

    def __init__(
        self,
        fs: float,
        cutoff: float = 1000.0,
        order: int = 1,
        dtype: torch.dtype = torch.float32,
        learnable: bool = False,
    ) -> None:
        super().__init__(fs, dtype, learnable)
        if not 0.0 < cutoff < 0.5 * fs:
            raise ValueError(
                f"cutoff is {cutoff} Hz; it must be above 0 and below fs/2, {0.5 * fs:g}"
            )
        if order not in (1, 2):
            raise ValueError(f"order is {order}; the choices are 1, 2")
        self.cutoff, self.order = cutoff, order
        self.update_coefficients()

    def system(self) -> StateSpace:
        """The low-pass in float64."""
        if self.order == 2:
            return butterworth_lowpass(torch.tensor([self.cutoff], dtype=torch.float64), self.fs)
        lowpass = first_order_lowpass(self.cutoff, self.fs)
        pole, gain = (torch.tensor([v.real], dtype=torch.float64) for v in lowpass[:2])
        # g (1 + z^-1) / (1 - p z^-1) = g + g (1 + p) z^-1 / (1 - p z^-1)
        stage = 1.0 - pole
        return StateSpace(
            pole.reshape(1, 1, 1), stage[:, None], (gain * (1.0 + pole) / stage)[:, None], gain
        )

    def update_coefficients(self) -> None:
        """Design the low-pass."""
        self.filter = LinearFilter(self.system(), self.block, self.like, self.blocks)

    def states_at_rest(self, batch: int, channels: int) -> List[Tensor]:
        """States of silence."""
        return [self.like.new_zeros([batch, channels, 1, self.order])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; see `AuditoryModule.step`."""
        rectified = propagate_nan(torch.clamp(audio, min=0.0), audio)
        filtered, state = self.filter(to_blocks(rectified, self.block), states[0])
        return [trim(filtered, audio.shape[2])], [state]

    def warm_up(self) -> int:
        """Samples of memory."""
        return settling_time(self.system(), TAIL)

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}, cutoff={self.cutoff:g}, order={self.order}"
