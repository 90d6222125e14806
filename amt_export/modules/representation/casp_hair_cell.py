"""Inner hair cell of CASP: velocity of the basilar membrane to receptor potential."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.hair_cell import (
    DISPLACEMENT,
    LEAST_DISPLACEMENT,
    LOWEST_RATE,
    NARROW,
    WIDE,
    bundle_factors,
    membrane,
)
from amt_export.manifest.ports import Port, State
from amt_export.modules.levels import propagate_nan
from amt_export.modules.representation.stage import TAIL, ChannelStage
from amt_export.numerics.blocks import from_blocks, to_blocks, trim
from amt_export.recurrence.affine_scan import affine_scan, doubling_rounds, running_sum

# e^-70: products of the membrane's factors over a block stay far inside float32.
SMALLEST_PRODUCT = 1e-30


class CASPHairCell(ChannelStage):
    """Inner hair cell: the hair bundle opens a conductance, which charges the membrane.

    The bundle's displacement d is proportional to the velocity. The conductance G(d) rises from 0 to 30 nS as a
    Boltzmann function of second order, and the potential W above rest follows

        C dW/dt = (90 mV - V) G(d) - g (V - E1) - g (V - E2)

    by the forward Euler rule, V being W plus the potential at rest. Given G this is linear in W with a
    coefficient that changes from sample to sample, and `affine_scan` solves it. Everything is computed
    from the *change* of G: what float32 loses then is relative to the signal, however faint.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, 8000 or more.
    dtype : torch.dtype
        Of the computation and the output; float64 by default like the DRNL in front of it, while most modules
        are float32 by default.
    learnable : bool
        Not available.

    Shape
    -----
    signal (B, F, T), velocity of the basilar membrane in m/s -> potential (B, F, T) above rest in V; without B
    when signal has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] E. A. Lopez-Poveda and A. Eustaquio-Martin, "A biophysical model of the inner hair cell: the
       contribution of potassium currents to peripheral auditory compression", JARO 7, 218-235 (2006).
    .. [2] L. Paulick, H. Relaño-Iborra and T. Dau, "The computational auditory signal processing and perception
       model (CASP): a revised version", bioRxiv (2024).

    Examples
    --------
    >>> import torch
    >>> cell = CASPHairCell(44100)
    >>> potential = cell(torch.full((1, 441), 1e-3))  # the bundle is 5.6 nm off its rest
    >>> round(float(potential[0, -1]) * 1e3, 2)  # mV
    5.05
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("signal", ("batch", "channel", "time"), "m/s"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("potential", ("batch", "channel", "time"), "V"),
    )
    states: ClassVar[tuple[State, ...]] = (
        State("hair_cell", "potential above rest of each channel, in uV"),
    )

    sums: Tensor

    def __init__(
        self, fs: float, dtype: torch.dtype = torch.float64, learnable: bool = False
    ) -> None:
        super().__init__(fs, dtype, learnable)
        if fs < LOWEST_RATE:
            raise ValueError(
                f"fs is {fs:g} Hz; the hair cell is stepped from {LOWEST_RATE:g} Hz upwards"
            )
        # TorchScript reads no globals.
        self.e1, self.e12 = bundle_factors()
        self.least, self.nanometres = LEAST_DISPLACEMENT, DISPLACEMENT
        self.wide, self.both = -1.0 / WIDE, -1.0 / WIDE - 1.0 / NARROW
        self.retained, self.change, self.offset, self.drive = membrane(fs)
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Lay out the running sums."""
        self.rounds = doubling_rounds(
            self.retained + self.change, self.block, torch.finfo(self.like.dtype).eps ** 2
        )
        self.set_table("sums", running_sum(self.block))

    def conductance_change(self, velocity: Tensor) -> Tensor:
        """(G - G(0)) / G(0), without the cancellation of G - G(0)."""
        d = torch.clamp(self.nanometres * velocity, min=self.least)
        z1, z12 = self.wide * d, self.both * d
        # expm1(z) = tanh(z/2) (e^z + 1), for engines that have no expm1.
        n = self.e1 * (torch.tanh(0.5 * z1) * (torch.exp(z1) + 1.0)) + self.e12 * (
            torch.tanh(0.5 * z12) * (torch.exp(z12) + 1.0)
        )
        return -n / (n + (1.0 + self.e1 + self.e12))

    def states_at_rest(self, batch: int, channels: int) -> List[Tensor]:
        """No potential above rest."""
        return [self.like.new_zeros([batch, channels, 1])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; see `AuditoryModule.step`."""
        blocks = to_blocks(audio, self.block)
        # Where the conductance saturates, infinity would not show.
        change = propagate_nan(self.conductance_change(blocks), blocks)
        potential, state = affine_scan(
            self.retained - self.change * change,
            self.offset + self.drive * change,
            states[0],
            self.sums,
            self.rounds,
        )
        return [1e-6 * trim(from_blocks(potential), audio.shape[2])], [state]

    def prepare_for_stream(self, block: int) -> None:
        """The stage's own blocks divide the stream's.

        Raises
        ------
        ValueError
            If they would be so long that products over one of them underflow.
        """
        super().prepare_for_stream(block)
        # The conductance is at most 30 nS, 9 times that at rest.
        least = self.retained - self.change * (self.e1 + self.e12)
        if least**self.block < SMALLEST_PRODUCT:
            raise ValueError(f"no divisor from 32 to 64; take a multiple of 32 at {self.fs:g} Hz")

    def warm_up(self) -> int:
        """Samples of memory."""
        return int(2 ** doubling_rounds(self.retained + self.change, 1, TAIL))
