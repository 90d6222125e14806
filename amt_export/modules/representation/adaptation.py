"""Adaptation loops of Dau et al. (1996, 1997)."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor, nn

from amt_export.design.adaptation import (
    DAU_TAU,
    FULL_SCALE,
    default_sweeps,
    overshoot_limits,
    rest_values,
)
from amt_export.manifest.ports import Port, State
from amt_export.modules.levels import propagate_nan
from amt_export.modules.representation.adaptation_loop import AdaptationLoop
from amt_export.modules.representation.stage import STEADY, ChannelStage
from amt_export.numerics.blocks import from_blocks, to_blocks, trim

# Nepers by which a difference between two pasts decays within `warm_up`: to 1e-12.
DECAY = 27.6


class AdaptationLoops(ChannelStage):
    """A chain of loops that divide a signal by its own low-passed past.

    A steady sound comes out compressed to almost the logarithm of its level, a sound that begins stands out by
    its overshoot, and what follows it is held down for a while: forward masking. With x = max(signal, minlvl),
    each loop k divides its input by its state, limits what is above 1 (`AdaptationLoop`), and low-passes the
    result with the time constant tau_k into its state. The output of the last loop is scaled to 0 for silence
    and 100 for a steady sound of level 1, in model units (MU).

    There is no loop over samples: each loop is solved for all samples at once in a fixed number of sweeps.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    minlvl : float or Tensor [shape=(F,)]
        Smallest input, above 0 and below 1: one for all channels, or one for each.
    tau : tuple of float
        Time constants in s.
    limit : float
        Largest ratio of an onset's response to that of the steady sound; 1 or less for no limiter, as in 1996.
    sweeps : tuple of int, optional
        Of each loop. By default what the loudest onsets need, nearly twice as many for a limit below 10; see
        `amt_export.design.adaptation`.
    dtype : torch.dtype
        Of the computation and the output.
    learnable : bool
        Not available.

    Shape
    -----
    signal (B, F, T) -> adapted (B, F, T) in MU; without B when signal has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] T. Dau, D. Pueschel and A. Kohlrausch, "A quantitative model of the effective signal processing in
       the auditory system. I. Model structure", J. Acoust. Soc. Am. 99, 3615-3622 (1996).
    .. [2] T. Dau, B. Kollmeier and A. Kohlrausch, "Modeling auditory processing of amplitude modulation. I",
       J. Acoust. Soc. Am. 102, 2892-2905 (1997).

    Examples
    --------
    >>> import torch
    >>> loops = AdaptationLoops(16000)
    >>> adapted = loops(torch.full((1, 16000), 0.1))  # 80 dB from silence: an overshoot, then about 80
    >>> bool(adapted.max() > 1000), bool(70 < adapted[0, -1] < 90)
    (True, True)
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("signal", ("batch", "channel", "time"), "1"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("adapted", ("batch", "channel", "time"), "model units", quiet=1.0, steady=STEADY),
    )
    states: ClassVar[tuple[State, ...]] = (
        State("adaptation", "states of the loops of each channel; 0 stands for rest"),
    )
    # With one state, longer blocks only cost.
    shortest_block: ClassVar[int] = 24

    minimum: Tensor
    rest: Tensor
    lowest: Tensor
    gain: Tensor

    def __init__(
        self,
        fs: float,
        minlvl: float | Tensor = 1e-5,
        tau: tuple[float, ...] = DAU_TAU,
        limit: float = 10.0,
        sweeps: tuple[int, ...] | None = None,
        dtype: torch.dtype = torch.float32,
        learnable: bool = False,
    ) -> None:
        super().__init__(fs, dtype, learnable)
        self.tau = tuple(float(t) for t in tau)
        self.limit = float(limit)
        self.minlvl = torch.as_tensor(minlvl, dtype=torch.float64).detach().cpu().reshape(-1)
        self.from_state = False
        self.check()
        self.sweeps = self.stream_sweeps = self.checked_sweeps(sweeps)
        self.update_coefficients()

    def check(self) -> None:
        """Refuse impossible values.

        Raises
        ------
        ValueError
        """
        for t in self.tau:
            if not t > 0.0:
                raise ValueError(f"tau holds {t}; time constants in s must be above 0")
        if not self.tau or not self.minlvl.numel():
            raise ValueError(
                f"{'minlvl' if self.tau else 'tau'} is empty; one value or more is needed"
            )
        for m in self.minlvl.tolist():
            if not 0.0 < m < 1.0:
                raise ValueError(f"minlvl is {m:g}; it must lie between 0 and 1")
        if self.limit > 1.0:
            heights = overshoot_limits(rest_values(self.minlvl, len(self.tau)), self.limit)
            if not bool((heights > 0.0).all()):
                raise ValueError(
                    f"limit is {self.limit:g}; with minlvl {float(self.minlvl.max()):g} and "
                    f"{len(self.tau)} loops nothing is left above steady sounds; take more, or 1 for none"
                )

    def checked_sweeps(self, sweeps: tuple[int, ...] | None) -> tuple[int, ...]:
        """Sweeps of each loop; the defaults for None.

        Raises
        ------
        ValueError
        """
        if sweeps is None:
            return default_sweeps(self.limit, len(self.tau))
        counts = tuple(int(count) for count in sweeps)
        if len(counts) != len(self.tau) or min(counts) < 1:
            raise ValueError(
                f"sweeps is {tuple(sweeps)}; one count for each of the {len(self.tau)} loops "
                "is needed, 1 or more"
            )
        return counts

    def choose_sweeps(self, whole: tuple[int, ...], stream: tuple[int, ...]) -> None:
        """Other sweeps, of whole signals and of the blocks of a stream."""
        self.sweeps, self.stream_sweeps = self.checked_sweeps(whole), self.checked_sweeps(stream)
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Lay out the loops."""
        loops = len(self.tau)
        rest = rest_values(self.minlvl, loops)
        heights = overshoot_limits(rest, self.limit)
        self.loops = nn.ModuleList(
            AdaptationLoop(
                1.0 / (self.tau[k] * self.fs),
                heights[:, k : k + 1] if self.limit > 1.0 else None,
                self.sweeps[k],
                self.from_state,
                self.block,
                self.blocks,
                self.like,
            )
            for k in range(loops)
        )
        self.set_table("minimum", self.minlvl[:, None])
        self.set_table("rest", rest)
        self.set_table("lowest", rest[:, -1:])
        self.set_table("gain", FULL_SCALE / (1.0 - rest[:, -1:]))

    def states_at_rest(self, batch: int, channels: int) -> List[Tensor]:
        """Steady states of the loops at the minimum level."""
        return [self.rest.unsqueeze(0).expand(batch, channels, self.rest.shape[1]).clone()]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; see `AuditoryModule.step`."""
        given = torch.where(states[0] == 0.0, self.rest, states[0])
        # A maximum hides -inf, and the limiter +inf.
        above = propagate_nan(torch.maximum(audio, self.minimum), audio)
        y = to_blocks(above, self.block)
        following: List[Tensor] = []
        for k, loop in enumerate(self.loops):
            y, state = loop(y, given[:, :, k : k + 1])
            following.append(state)
        adapted = (trim(from_blocks(y), audio.shape[2]) - self.lowest) * self.gain
        return [adapted], [torch.cat(following, dim=2)]

    def prepare_for_stream(self, block: int) -> None:
        """Guess from the state before the block, which is short compared with the time constants."""
        super().prepare_for_stream(block)
        self.from_state, self.sweeps = True, self.stream_sweeps

    def warm_up(self) -> int:
        """Samples of memory, all loops in series."""
        return int(DECAY * sum(self.tau) * self.fs) + 1

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}, tau={self.tau}, limit={self.limit:g}, sweeps={self.sweeps}"
