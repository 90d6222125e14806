"""Dual-resonance nonlinear filterbank, exact recursive form."""

from collections.abc import Sequence
from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.drnl import MODELS, PARAMETERS, SUBJECTS, drnl_parameters, resonance
from amt_export.design.ears import both_ears_gain
from amt_export.design.rounding import (
    AMPLITUDE,
    LEFT,
    ONCE,
    noise_gain,
    tone_error,
    tone_gain,
)
from amt_export.manifest.ports import Port, State
from amt_export.modules.base import AuditoryModule, as_batch, unrounded
from amt_export.modules.filterbanks.centre_frequencies import checked_rate, evenly_spaced
from amt_export.modules.filterbanks.compression import (
    SMALLEST,
    broken_stick,
    knee_velocity,
    quarter_power_stick,
)
from amt_export.modules.reference import AMT, DOCUMENTED, checked_reference
from amt_export.numerics.blocks import block_count, from_blocks, to_blocks, trim
from amt_export.numerics.double_float import shared_product
from amt_export.recurrence.block_length import BLOCK, stream_block, whole_block
from amt_export.recurrence.linear_filter import (
    LinearFilter,
    differentiable_tables,
    filter_parts,
    sum_outputs,
)
from amt_export.recurrence.memory import settling_time
from amt_export.recurrence.prefix_scan import prefix_scan
from amt_export.recurrence.state_space import StateSpace, amplified, driven, series
from amt_export.recurrence.tables import Tables

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

    # The compression lifts what is faint, rounding included.
    parity_defaults: ClassVar[dict[str, float]] = {"onnx": 3e-5, "coreml": 3e-5, "float64": 3e-5}

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
    linear_gain: Tensor
    compressive_gain: Tensor
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
        reference: str,
    ) -> None:
        super().__init__()
        self.reference = checked_reference(reference, (DOCUMENTED, AMT))
        self.classic = reference == AMT
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
        self.register_design_value("fc", centre, False, dtype)
        for name, value in drnl_parameters(centre, subject).items():
            self.register_design_value(name, value, name in learnable, dtype)

    def linear_path(self) -> StateSpace:
        """g, gammatone and low-passes of the linear path, float64."""
        system = resonance(
            unrounded(self.CF_lin, self._designed["CF_lin"]),
            unrounded(self.BW_lin_norm, self._designed["BW_lin_norm"]),
            self.gt_lin,
            unrounded(self.LP_lin_cutoff, self._designed["LP_lin_cutoff"]),
            self.lp_lin,
            float(self.fs),
            self.classic,
        )
        return amplified(system, unrounded(self.g, self._designed["g"]))

    def nonlinear_filter(self, lowpasses: int) -> StateSpace:
        """The gammatone of the nonlinear path, which stands on both sides of the compression."""
        return resonance(
            unrounded(self.CF_nlin, self._designed["CF_nlin"]),
            unrounded(self.BW_nlin_norm, self._designed["BW_nlin_norm"]),
            self.gt_nlin,
            unrounded(self.LP_nlin_cutoff, self._designed["LP_nlin_cutoff"]),
            lowpasses,
            float(self.fs),
            self.classic,
        )

    def keep_compression(self) -> None:
        """Bake a, b and c - 1 into buffers."""
        with torch.no_grad():
            for name, value in zip(
                ("linear_gain", "compressive_gain", "exponent"), self.compression(), strict=True
            ):
                self.register_buffer(name, value, persistent=False)

    def compression(self) -> tuple[Tensor, Tensor, Tensor]:
        """a, b and c - 1 as (F,) in the module's dtype."""
        dtype = self.a.dtype
        a = unrounded(self.a, self._designed["a"]).to(dtype)
        b = unrounded(self.b, self._designed["b"]).to(dtype)
        exponent = (unrounded(self.c, self._designed["c"]) - 1.0).to(dtype)
        return a, b, exponent

    def knee_velocity(self) -> Tensor | None:
        """Knee of each channel (F,) in m/s, float64, or None; see `compression.knee_velocity`."""
        found = [unrounded(getattr(self, name), self._designed[name]) for name in ("a", "b", "c")]
        return knee_velocity(found[0], found[1], found[2])

    def compressed(self, resonant: Tensor) -> Tensor:
        """`broken_stick` for (B, F, ...)."""
        a, b, exponent = self.linear_gain, self.compressive_gain, self.exponent
        if self.learnable:
            a, b, exponent = self.compression()
        shape = [-1] + [1] * (resonant.dim() - 2)
        return broken_stick(resonant, a.reshape(shape), b.reshape(shape), exponent.reshape(shape))

    @torch.no_grad()
    def expected_rounding(self, tones: Sequence[float]) -> float:
        """See `design.rounding`: more than usual where no channel is near a tone."""
        fs = float(self.fs)
        linear, before = self.linear_path(), self.nonlinear_filter(0)
        behind = self.nonlinear_filter(self.lp_nlin)
        a, b, exponent = (value.double().cpu() for value in self.compression())
        found = [0.0]
        for frequency in (tone for tone in tones if tone < 0.5 * fs):
            amplitude = AMPLITUDE * both_ears_gain(frequency, fs)
            resonant = tone_gain(before, frequency, fs) * amplitude
            gain = torch.minimum(a, b * torch.clamp(resonant, min=SMALLEST) ** exponent)
            peak = tone_gain(linear, frequency, fs) * amplitude
            peak = peak + tone_gain(behind, frequency, fs) * gain * resonant
            left = noise_gain(linear) * amplitude + noise_gain(behind) * gain * resonant
            # What rounding leaves before the compression goes through the filter behind it too.
            left = left + ONCE * gain * noise_gain(series(before, behind)) * amplitude
            found.append(tone_error(LEFT * left, peak))
        return max(found)

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return [float(f) for f in self._designed["fc"]]

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        low, high = self.centre_frequencies()[0], self.centre_frequencies()[-1]
        return (
            f"num_channels={self.num_channels}, fc={low:.1f}...{high:.1f} Hz, fs={self.fs:g}, "
            f"subject={self.subject!r}, model={self.model!r}, learnable={self.learnable}, "
            f"reference={self.reference!r}"
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
        Of the computation and the output; float64 by default as in torch_amt, while every other module is
        float32 by default. The filters are designed in float64 in any case.
    reference : {"documented", "amt"}
        The all-pole gammatone of the documentation, or the pole-zero gammatone of the Auditory Modeling
        Toolbox. The latter is 12 dB louder at the centre frequency where the filterbank is linear, and 6 to
        8 dB where it compresses.

    Shape
    -----
    audio (B, T), stapes velocity in m/s -> velocity (B, F, T) in m/s; without B when audio has none.

    Notes
    -----
    Fed with pascals, which are 2,400 times larger at 1 kHz and 26,000 times at 8 kHz, nothing is compressed at
    any audible level. `CASPFrontEnd` takes pascals.

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
        State("linear", "filters of the linear path"),
        State("before", "gammatone before the compression"),
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
        reference: str = DOCUMENTED,
    ) -> None:
        trained = PARAMETERS if learnable else ()
        super().__init__(fc, fs, n_channels, subject, model, trained, dtype, reference)
        self.block, self.blocks = BLOCK, 0
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Design the filters and the compression from the parameters."""
        before, behind = self.nonlinear_filter(0), self.nonlinear_filter(self.lp_nlin)
        # In units of the knee velocity the published compression is two square roots. float64 keeps the
        # published exponent, which is no quarter by 5e-9, and training may change it.
        plain = self.fc.dtype == torch.float32 and not self.learnable
        knee = self.knee_velocity() if plain else None
        self.knee_units = knee is not None
        if knee is not None:
            before = amplified(before, 1.0 / knee)
            behind = driven(behind, knee * unrounded(self.a, self._designed["a"]))
        self.linear = LinearFilter(self.linear_path(), self.block, self.fc, self.blocks)
        self.before = LinearFilter(before, self.block, self.fc, self.blocks)
        self.behind = LinearFilter(behind, self.block, self.fc, self.blocks)
        self.keep_compression()

    def tables(self, blocks: int) -> Tuple[Tables, Tables, Tables]:
        """Of the linear path, and of the filters before and behind the compression, for so many blocks."""
        if self.learnable:
            behind = self.nonlinear_filter(self.lp_nlin)
            return (
                differentiable_tables(self.linear_path(), self.block, blocks, self.fc),
                differentiable_tables(self.nonlinear_filter(0), self.block, blocks, self.fc),
                differentiable_tables(behind, self.block, blocks, self.fc),
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
        signal = as_batch(audio, 2, self.linear.values, "audio")
        outputs, _ = self.step(signal, self.initial_states(signal.shape[0]))
        if audio.dim() == 1:
            return outputs[0].squeeze(0)
        return outputs[0]

    def initial_states(self, batch: int) -> List[Tensor]:
        """States of silence."""
        return [
            self.linear.initial_state(batch),
            self.before.initial_state(batch),
            self.behind.initial_state(batch),
        ]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Filter one block; see `AuditoryModule.step`."""
        blocks = to_blocks(audio.unsqueeze(1), self.block)
        linear, before, behind = self.tables(blocks.shape[2])
        # The compression lifts the noise of these sums in channels far from a loud tone.
        inputs = shared_product(blocks, before.input_to_state)
        inner, before_state = prefix_scan(inputs, states[1], before)
        resonant = from_blocks(blocks @ before.impulse + inner @ before.state_to_output)
        compressed = quarter_power_stick(resonant) if self.knee_units else self.compressed(resonant)
        linear_path = filter_parts(blocks, linear, states[0])
        nonlinear_path = filter_parts(to_blocks(compressed, self.block), behind, states[2])
        velocity = sum_outputs(linear_path, linear, nonlinear_path, behind)
        following = [linear_path.next_state, before_state, nonlinear_path.next_state]
        return [trim(velocity, audio.shape[1])], following

    def prepare_for_stream(self, block: int) -> None:
        """The filters' own blocks divide the stream's."""
        self.block = stream_block(block)
        self.blocks = block // self.block

    def prepare_for_length(self, samples: int | None) -> None:
        """A block that divides the audio spares padding and cutting."""
        if samples is not None:
            self.block = whole_block(samples)
            self.blocks = block_count(samples, self.block)

    def warm_up(self) -> int:
        """Samples of memory: the two filters of the nonlinear path in a row, or the linear path."""
        before = settling_time(self.nonlinear_filter(0), TAIL_BEFORE)
        behind = settling_time(self.nonlinear_filter(self.lp_nlin), TAIL_BEHIND)
        return max(settling_time(self.linear_path(), TAIL_BEHIND), before + behind)
