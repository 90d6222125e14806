"""Dual-resonance nonlinear filterbank, exact recursive form."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.drnl import MODELS, PARAMETERS, SUBJECTS, drnl_parameters, resonance
from amt_export.design.rounding import ONE_TERM, checked_terms
from amt_export.manifest.ports import Port, State
from amt_export.modules.base import AuditoryModule, as_batch, exact
from amt_export.modules.filterbanks.centre_frequencies import checked_rate, evenly_spaced
from amt_export.modules.filterbanks.compression import broken_stick, knees, quarter_power_stick
from amt_export.numerics.blocks import blocks_of, shortened, to_blocks
from amt_export.recurrence.linear_filter import (
    BLOCK,
    BlockFilter,
    added_up,
    added_up_with,
    divisor_block,
    respond,
)
from amt_export.recurrence.operators import stream_block
from amt_export.recurrence.settling import settling_time
from amt_export.recurrence.state_space import StateSpace, amplified, driven
from amt_export.recurrence.tables import BlockTables, laid_out

# The first filter's tail is amplified by up to a = 1e4 on its way through the compression, against
# outputs of 0.1: 1e-13 of it is 1e-8 of the output. Behind the compression 1e-9 is enough.
TAIL_BEFORE = 1e-13
TAIL_BEHIND = 1e-9


class DRNLParameters(AuditoryModule):
    """What both forms of the DRNL share: checks, published parameters, filters."""

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "time"), "m/s"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("velocity", ("batch", "channel", "time"), "m/s"),
    )

    fc: Tensor
    CF_lin: Tensor
    BW_lin_norm: Tensor
    LP_lin_cutoff: Tensor
    g: Tensor
    CF_nlin: Tensor
    BW_nlin_norm: Tensor
    LP_nlin_cutoff: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    limb: Tensor
    gain: Tensor
    exponent: Tensor

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n_channels: int,
        subject: str,
        model: str,
        learnable: tuple[str, ...],
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        if model not in MODELS:
            raise ValueError(f"model is {model!r}; one of {', '.join(map(repr, MODELS))}")
        if subject not in SUBJECTS:
            raise ValueError(f"subject is {subject!r}; one of {', '.join(map(repr, SUBJECTS))}")
        self.fs = checked_rate(fs)
        self.subject = subject
        self.model = model
        self.dtype = dtype
        self.learnable = bool(learnable)
        self.gt_lin, self.lp_lin, self.gt_nlin, self.lp_nlin = MODELS[model]
        centre = evenly_spaced(fc, n_channels, fs)
        self.num_channels = centre.shape[0]
        self.declare("fc", centre, False, dtype)
        for name, value in drnl_parameters(centre, subject).items():
            self.declare(name, value, name in learnable, dtype)

    def linear_path(self) -> StateSpace:
        """g, gammatone and low-passes of the linear path, float64."""
        system = resonance(
            exact(self.CF_lin, self._designed["CF_lin"]),
            exact(self.BW_lin_norm, self._designed["BW_lin_norm"]),
            self.gt_lin,
            exact(self.LP_lin_cutoff, self._designed["LP_lin_cutoff"]),
            self.lp_lin,
            float(self.fs),
        )
        return amplified(system, exact(self.g, self._designed["g"]))

    def nonlinear_filter(self, lowpasses: int) -> StateSpace:
        """The gammatone of the nonlinear path, which stands on both sides of the compression."""
        return resonance(
            exact(self.CF_nlin, self._designed["CF_nlin"]),
            exact(self.BW_nlin_norm, self._designed["BW_nlin_norm"]),
            self.gt_nlin,
            exact(self.LP_nlin_cutoff, self._designed["LP_nlin_cutoff"]),
            lowpasses,
            float(self.fs),
        )

    def keep_compression(self) -> None:
        """Bake a, b and c - 1 into buffers."""
        with torch.no_grad():
            for name, value in zip(("limb", "gain", "exponent"), self.compression(), strict=True):
                self.register_buffer(name, value, persistent=False)

    def compression(self) -> tuple[Tensor, Tensor, Tensor]:
        """a, b and c - 1 as (F,) in the module's dtype."""
        dtype = self.a.dtype
        a = exact(self.a, self._designed["a"]).to(dtype)
        b = exact(self.b, self._designed["b"]).to(dtype)
        exponent = (exact(self.c, self._designed["c"]) - 1.0).to(dtype)
        return a, b, exponent

    def knees(self) -> Tensor | None:
        """Knee of each channel (F,) in m/s, float64, or None; see `modules.compression.knees`."""
        found = [exact(getattr(self, name), self._designed[name]) for name in ("a", "b", "c")]
        return knees(found[0], found[1], found[2])

    def compressed(self, resonant: Tensor) -> Tensor:
        """`broken_stick` for (B, F, ...)."""
        a, b, exponent = self.limb, self.gain, self.exponent
        if self.learnable:
            a, b, exponent = self.compression()
        shape = [-1] + [1] * (resonant.dim() - 2)
        return broken_stick(resonant, a.reshape(shape), b.reshape(shape), exponent.reshape(shape))

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return [float(f) for f in self._designed["fc"]]

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        low, high = self.centre_frequencies()[0], self.centre_frequencies()[-1]
        return (
            f"num_channels={self.num_channels}, fc={low:.1f}...{high:.1f} Hz, fs={self.fs:g}, "
            f"subject={self.subject!r}, model={self.model!r}, learnable={self.learnable}"
        )


class DRNLFilterbank(DRNLParameters):
    """Dual-resonance nonlinear filterbank (basilar-membrane velocity).

    A linear path, g x through a gammatone and low-passes, and a nonlinear path, a gammatone, the
    broken-stick compression sign(v) min(a|v|, b|v|^c), the gammatone again and low-passes, are added.
    All filters are exact recursions and start from silence.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or tuple of two float
        Centre frequencies in Hz, each in (0, fs/2]. A tuple (flow, fhigh) means `n_channels`
        values evenly spaced in Cams, ends included.
    fs : float
        Sampling rate in Hz.
    n_channels : int
        Used with a tuple.
    subject : {"NH", "HIx"}
        Normal hearing, or without outer hair cells (no nonlinear path).
    model : {"paulick2024", "jepsen2008"}
        Filter orders.
    learnable : bool
        Make CF_lin, BW_lin_norm, LP_lin_cutoff, g, CF_nlin, BW_nlin_norm, LP_nlin_cutoff, a, b and
        c parameters.
    dtype : torch.dtype
        Of the computation and the output. The filters are designed in float64 in any case.
    terms : int, optional
        float32 terms of the filters' sums, 1 to 6. By default as many as keep the error of tones far outside a
        channel's band near 1e-6 of its peak (`amt_export.design.rounding`), two lean ones where these are
        enough. One is twice as fast and 1e-5 off on such tones, more where channels are few.

    Shape
    -----
    audio (B, T), stapes velocity -> velocity (B, F, T), in the same unit; without B when audio has
    none.

    Raises
    ------
    ValueError
        For values out of range or unknown names, with the value in the message.

    References
    ----------
    .. [1] E. A. Lopez-Poveda and R. Meddis, "A human nonlinear cochlear filterbank",
       J. Acoust. Soc. Am. 110, 3107-3118 (2001).
    .. [2] M. L. Jepsen, S. D. Ewert and T. Dau, "A computational model of human auditory signal
       processing and perception", J. Acoust. Soc. Am. 124, 422-438 (2008), Table I.
    """

    states: ClassVar[tuple[State, ...]] = (
        State("linear", "filters of the linear path, as a sum of float32 terms"),
        State("before", "gammatone before the compression, as a sum of float32 terms"),
        State("behind", "gammatone and low-passes behind the compression"),
    )

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n_channels: int = 50,
        subject: str = "NH",
        model: str = "paulick2024",
        learnable: bool = False,
        dtype: torch.dtype = torch.float64,
        terms: int | None = None,
    ) -> None:
        trained = PARAMETERS if learnable else ()
        super().__init__(fc, fs, n_channels, subject, model, trained, dtype)
        self.terms = checked_terms(terms)
        self.block = BLOCK
        self.in_knees = False
        self.linear, self.before, self.behind = BlockFilter(), BlockFilter(), BlockFilter()
        self.redesign()

    def redesign(self) -> None:
        """Set the block operators and the compression from the parameters."""
        with torch.no_grad():
            linear, before = self.linear_path(), self.nonlinear_filter(0)
            behind = self.nonlinear_filter(self.lp_nlin)
            # The linear path amplifies by up to 1e3 what its gammatone leaves of a distant tone, and the
            # compression lifts what the other one leaves; rounding included. Behind the compression nothing
            # is gained by more terms: what comes in is itself rounded to float32.
            needed = [
                keeper.sums(system, self.fs, self.block, self.terms)
                for keeper, system in ((self.linear, linear), (self.before, before))
            ]
            sums = max(needed, key=lambda sums: (sums.terms, not sums.lean))
            self.linear.design(linear, self.block, self.fc, sums, self.learnable)
            # In units of the knee the published compression is two square roots. float64 keeps to its exponent,
            # and half precision has no range for the unit.
            plain = self.fc.dtype == torch.float32 and not self.learnable
            found = self.knees() if plain else None
            self.in_knees = found is not None
            if found is not None:
                before = amplified(before, 1.0 / found)
                behind = driven(behind, found * exact(self.a, self._designed["a"]))
            self.before.design(before, self.block, self.fc, sums, self.learnable)
            self.behind.design(behind, self.block, self.fc, ONE_TERM, self.learnable)
        self.keep_compression()

    def tables(self) -> tuple[BlockTables, BlockTables, BlockTables]:
        """Of the linear path and of the filters before and behind the compression."""
        if self.learnable:
            dtype, behind = self.linear.numbers.dtype, self.nonlinear_filter(self.lp_nlin)
            return (
                laid_out(self.linear.settled(self.linear_path(), self.block, dtype)),
                laid_out(self.before.settled(self.nonlinear_filter(0), self.block, dtype)),
                laid_out(self.behind.settled(behind, self.block, dtype)),
            )
        return self.linear.tables(), self.before.tables(), self.behind.tables()

    def forward(self, audio: Tensor) -> Tensor:
        """Filter from silence.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], m/s

        Returns
        -------
        Tensor [shape=(B, F, T) or (F, T)], m/s
        """
        signal = as_batch(audio, 2, self.linear.numbers, "audio")
        outputs, _ = self.step(signal, self.rest(signal.shape[0]))
        if audio.dim() == 1:
            return outputs[0].squeeze(0)
        return outputs[0]

    def rest(self, batch: int) -> List[Tensor]:
        """States of silence."""
        return [self.linear.rest(batch), self.before.rest(batch), self.behind.rest(batch)]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Go on by one block; see `AuditoryModule.step`."""
        blocks = to_blocks(audio.unsqueeze(1), self.block)
        linear, before, behind = self.tables()
        resonant = respond(blocks, before, states[1])
        velocity = added_up(resonant, before).to(audio.dtype)
        compressed = quarter_power_stick(velocity) if self.in_knees else self.compressed(velocity)
        amplified = respond(blocks, linear, states[0])
        nonlinear = respond(to_blocks(compressed, self.block), behind, states[2])
        velocity = added_up_with(amplified, linear, nonlinear, behind)
        return [shortened(velocity, audio.shape[1])], [
            amplified.last,
            resonant.last,
            nonlinear.last,
        ]

    def choose_stream_block(self, block: int) -> None:
        """The filters' own blocks divide the stream's."""
        self.block = stream_block(block)
        for keeper in (self.linear, self.before, self.behind):
            keeper.stream(block // self.block, self.may_widen and self.terms is None)

    def choose_block(self, samples: int | None) -> None:
        """A block that divides the audio spares padding and cutting."""
        if samples is not None:
            self.block = divisor_block(samples)
            for keeper in (self.linear, self.before, self.behind):
                keeper.count = blocks_of(samples, self.block)

    def warm_up(self) -> int:
        """Samples of memory: the two filters of the nonlinear path in a row, or the linear path."""
        before = settling_time(self.nonlinear_filter(0), TAIL_BEFORE)
        behind = settling_time(self.nonlinear_filter(self.lp_nlin), TAIL_BEHIND)
        return max(settling_time(self.linear_path(), TAIL_BEHIND), before + behind)
