"""Modulation filterbank of Dau et al. (1997)."""

from collections.abc import Sequence
from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.modulation import (
    HIGHEST,
    SECOND,
    SHARE,
    filter_counts,
    mode_system,
    modulation_centres,
    modulation_modes,
)
from amt_export.manifest.ports import Port, State
from amt_export.modules.representation.stage import STEADY, TAIL, ChannelStage
from amt_export.numerics.blocks import to_blocks
from amt_export.numerics.toeplitz import toeplitz
from amt_export.recurrence.linear_filter import LinearFilter
from amt_export.recurrence.memory import settling_time
from amt_export.recurrence.prefix_scan import prefix_scan
from amt_export.recurrence.state_space import StateSpace
from amt_export.recurrence.tables import impulse_response, krylov_products

# Gain of the envelopes of modulations that are too fast for their phase to be heard (Jepsen et al. 2008).
ATTENUATION = 0.5**0.5


class ModulationFilterbank(ChannelStage):
    """Modulation filterbank on the adapted signal of each channel.

    Filter 0 is a low-pass at 2.5 Hz. Those at 5 and 10 Hz, 5 Hz wide, give a signal; those above, with Q = 2,
    give its Hilbert envelope. All share one set of states: the filters are written as partial fractions over
    their poles.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or sequence of float
        Centre frequencies of the channels in Hz.
    fs : float
        Sampling rate in Hz.
    lowpass : float or None
        Cutoff in Hz of a first-order Butterworth low-pass in front of all filters; None or 0 for none.
    attenuate : bool
        Multiply the envelopes above 10 Hz by 1/sqrt(2).
    upper_limit : bool
        Leave out filters above a quarter of the channel's centre frequency (Verhey et al. 1999). In any case
        none is above 1 kHz.
    dtype : torch.dtype
        Of the computation and the output.
    learnable : bool
        Not available.

    Attributes
    ----------
    mfc : Tensor [shape=(M,)]
        Centre frequencies of the modulation filters in Hz; 0 for the low-pass.
    counts : Tensor [shape=(F,)], int64
        Filters of each channel: the first so many.
    mask : Tensor [shape=(F, M)], bool
        Where there is a filter. Other outputs are 0.

    Shape
    -----
    signal (B, F, S) -> representation (B, F, M, S); without B when signal has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] T. Dau, B. Kollmeier and A. Kohlrausch, "Modeling auditory processing of amplitude modulation. I",
       J. Acoust. Soc. Am. 102, 2892-2905 (1997).
    .. [2] J. L. Verhey, T. Dau and B. Kollmeier, "Within-channel cues in comodulation masking release (CMR)",
       J. Acoust. Soc. Am. 106, 2733-2745 (1999).
    .. [3] M. L. Jepsen, S. D. Ewert and T. Dau, "A computational model of human auditory signal
       processing and perception", J. Acoust. Soc. Am. 124, 422-438 (2008).

    Examples
    --------
    >>> import torch
    >>> bank = ModulationFilterbank([250.0, 4000.0], 11025)
    >>> bank.counts
    tensor([ 6, 12])
    >>> bank(torch.zeros(1, 2, 300)).shape
    torch.Size([1, 2, 12, 300])
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("signal", ("batch", "channel", "frame"), "model units"),
    )
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port(
            "representation",
            ("batch", "channel", "modulation", "frame"),
            "model units",
            quiet=1.0,
            steady=STEADY,
        ),
    )
    states: ClassVar[tuple[State, ...]] = (
        State("modulation", "the modulation filters of each channel"),
    )
    # Longer blocks cost more for each of the many outputs.
    shortest_block: ClassVar[int] = 24

    mfc: Tensor
    counts: Tensor
    mask: Tensor
    slow_weights: Tensor
    real_weights: Tensor
    imaginary_weights: Tensor
    present: Tensor

    def __init__(
        self,
        fc: Tensor | Sequence[float],
        fs: float,
        lowpass: float | None = 150.0,
        attenuate: bool = True,
        upper_limit: bool = True,
        dtype: torch.dtype = torch.float32,
        learnable: bool = False,
    ) -> None:
        super().__init__(fs, dtype, learnable)
        self.fc = [float(f) for f in fc]
        if not self.fc:
            raise ValueError("fc is empty; one centre frequency or more is needed")
        for f in self.fc:
            if not f > 0.0:
                raise ValueError(f"fc holds {f:g} Hz; it must be above 0")
        self.lowpass = float(lowpass or 0.0)
        if not 0.0 <= self.lowpass < 0.5 * fs:
            raise ValueError(
                f"lowpass is {lowpass} Hz; it must be below fs/2, {0.5 * fs:g}, or None"
            )
        self.attenuate, self.upper_limit = attenuate, upper_limit
        self.channels = len(self.fc)
        top = min(SHARE * max(self.fc), HIGHEST) if upper_limit else HIGHEST
        self.centres = modulation_centres(top)
        counts = filter_counts(self.fc, upper_limit)
        self.centres = self.centres[: max(counts)]
        if self.centres[-1] >= 0.5 * fs:
            raise ValueError(
                f"fs is {fs:g} Hz; the filter at {self.centres[-1]:.1f} Hz needs more than twice that"
            )
        self.count = len(self.centres)
        # Filters up to 10 Hz give a signal, the others an envelope.
        self.slow = sum(centre <= SECOND for centre in self.centres)
        self.numbers = counts
        self.update_coefficients()

    def system(self) -> StateSpace:
        """Real parts of all filters, then the imaginary parts of those that give an envelope; float64."""
        whole = mode_system(modulation_modes(self.centres, float(self.fs), self.lowpass))
        rows = [*range(self.count), *range(self.count + self.slow, 2 * self.count)]
        return StateSpace(whole.A[rows], whole.b[rows], whole.c[rows], whole.d[rows])

    def update_coefficients(self) -> None:
        """Lay out the filters: one scan of states for all of them, one product for each."""
        system = self.system()
        first = StateSpace(system.A[:1], system.b[:1], system.c[:1], system.d[:1])
        self.scan = LinearFilter(first, self.block, self.like, self.blocks)
        state_to_output, _, _ = krylov_products(system, self.block)
        taps = toeplitz(impulse_response(system, self.block)[:, :, None, None])
        # From the samples of a block and the states before it to the outputs of each filter.
        weights = torch.cat([taps, state_to_output.transpose(1, 2)], dim=1)
        self.set_table("mfc", torch.tensor(self.centres, dtype=torch.float64))
        self.set_table("slow_weights", weights[: self.slow])
        self.set_table("real_weights", weights[self.slow : self.count])
        self.set_table("imaginary_weights", weights[self.count :])
        counts = torch.tensor(self.numbers)
        mask = torch.arange(self.count) < counts[:, None]
        self.register_buffer("counts", counts.to(self.like.device), persistent=False)
        self.register_buffer("mask", mask.to(self.like.device), persistent=False)
        gain = torch.ones(self.count, dtype=torch.float64)
        if self.attenuate:
            gain[self.slow :] = ATTENUATION
        self.set_table("present", (mask.T * gain[:, None])[:, :, None])

    def centre_frequencies(self) -> list[float]:
        """Centre frequencies of the channels in Hz."""
        return self.fc

    def modulation_filters(self) -> tuple[list[float], list[int]]:
        """Centre frequencies in Hz, and how many of them each channel has."""
        return self.centres, self.numbers

    def states_at_rest(self, batch: int, channels: int) -> List[Tensor]:
        """States of silence."""
        return [self.like.new_zeros([batch, channels, 1, self.scan.size])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; see `AuditoryModule.step`."""
        if audio.shape[1] != self.mask.shape[0]:
            raise ValueError(
                "signal has {} channels; {} are needed".format(audio.shape[1], self.mask.shape[0])
            )
        batch, channels, frames = audio.shape
        blocks = to_blocks(audio, self.block)
        tables = self.scan.tables()
        starts, following = prefix_scan(blocks @ tables.input_to_state, states[0], tables)
        # Filters in front: each product and each output is one piece of memory.
        rows = torch.cat([blocks, starts], dim=3).reshape(batch, 1, -1, self.slow_weights.shape[1])
        filtered = rows @ self.slow_weights
        if self.slow < self.count:
            real, imaginary = rows @ self.real_weights, rows @ self.imaginary_weights
            envelope = torch.sqrt(real * real + imaginary * imaginary)
            filtered = torch.cat([filtered, envelope], dim=1)
        filtered = (
            filtered.reshape(batch, self.count, channels, -1)[:, :, :, :frames] * self.present
        )
        return [filtered.transpose(1, 2)], [following]

    def warm_up(self) -> int:
        """Samples of memory."""
        return settling_time(self.system(), TAIL)

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"channels={self.channels}, fs={self.fs:g}, lowpass={self.lowpass:g}, "
            f"attenuate={self.attenuate}, upper_limit={self.upper_limit}"
        )
