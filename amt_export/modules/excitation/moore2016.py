"""Excitation pattern of a sparse spectrum after Moore et al. (2016)."""

import math
from dataclasses import replace
from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.moore_excitation import (
    LEAST_WEIGHT,
    STEEP,
    channel_functions,
    channel_numbers,
    channel_powers,
    sharpness,
)
from amt_export.erb import erbrate2f
from amt_export.manifest.ports import Port
from amt_export.modules.base import AuditoryModule, reject_autocast, unrounded
from amt_export.modules.excitation.component_lines import (
    lines_on_channel,
    lines_on_component,
    reach_parabolas,
    upward_slope,
)
from amt_export.modules.excitation.excitation_from_erbs import excitation_from_erbs
from amt_export.modules.excitation.excitation_sums import excitation_sums
from amt_export.modules.levels import DB_PER_NEPER, propagate_nan
from amt_export.modules.reference import AMT, DOCUMENTED, TORCH_AMT, checked_reference

# Rows (frames) whose components x channels are in memory at once, 6.9 MB an array in float32. Fewer run
# faster (one second of audio in ONNX Runtime, one slow core: 6 rows 0.7 s, 12 0.95 s) but make a longer graph,
# which takes longer to convert and to open.
ROWS = 12
# In eager torch: twelve take three times as long in float32, and five times in float64.
CACHED_ROWS = 1
# e^-80 is 1e-23 of LEAST_WEIGHT; e^-100 would mean slow, denormal float32 arithmetic.
LEAST_EXPONENT = -80.0
# What counts as padding, and what is added before the logarithm, is part of the documented formula.
LEAST_FREQUENCY = 1e-6  # Hz; a component at or below it is padding
LEAST_LEVEL = -50.0  # dB; so is one at or below this
LEAST_POWER = 1e-12  # added before the logarithm: -120 dB
REFERENCES = (DOCUMENTED, TORCH_AMT, AMT)
# The slope towards higher channels is p - 0.35 (p / p(1 kHz)) (X - 51 dB) for a component of X dB (Glasberg and
# Moore 1990), and at least 0.1.
DESIGN = {"level_dep_factor": 0.35, "reference_level": 51.0, "min_p_lower": 0.1}


class Moore2016ExcitationPattern(AuditoryModule):
    """Level in 150 auditory filters (roex) from components of any frequency and level.

    A component at f with level X adds 10^(X/10) (W + 1e-12) to the channel at fc,
    W = (1 + p |g|) e^(-p |g|), g = (f - fc)/fc, p = 4 fc / ERB(fc) for f >= fc, and for channels above
    the component p = max(p - level_dep_factor (p / p1000) (X - reference_level), min_p_lower), so that
    louder sounds spread further upwards; W is 1e-12 further than `spreading_limit_octaves` away. The
    exponent is the lowest of three sums of products of a number of the component with one of the channel,
    so it comes from matrix products, and so does the limit, a parabola over fc.

    With `reference` "torch_amt" g = (fc - f)/f and p = 4 f / ERB(f): the filter stands on the component,
    and the slope that depends on level falls on the channels below it. A component of 90 dB at 1 kHz then
    has 63.8 dB at 500 Hz and -21.9 dB at 2 kHz; documented, and in the ear, it is -6.2 and 61.0.

    With "amt" the level is that of all components in one ERB around each, spread ends where
    g > 4, nothing is added, and the least excitation is -200 dB. This takes N^2 exponentials a frame.

    Parameters
    ----------
    erb_lower, erb_upper, erb_step : float
        Channels in Cam, both ends included.
    spreading_limit_octaves : float
    learnable : bool
        Make `level_dep_factor`, `reference_level`, `min_p_lower` parameters, clamped to [0, 1],
        [30, 70] and [0.01, 1] in the forward.
    dtype : torch.dtype
    reference : {"documented", "torch_amt", "amt"}

    Attributes
    ----------
    level_dep_factor, reference_level, min_p_lower : Tensor [scalar], 1/dB, dB SPL and 1
    _erb_channels, _fc_channels, _p_channels : Tensor [shape=(C,)], Cam, Hz and 1
        Only the second has an effect. (The sharpness at the channels follows from it.)

    Shape
    -----
    freqs (..., N) in Hz, levels (..., N) in dB SPL -> excitation (..., C) in dB SPL.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] B. C. J. Moore, B. R. Glasberg, A. Varathanathan and J. Schlittenlacher, "A loudness
       model for time-varying sounds incorporating binaural inhibition", Trends in Hearing 20
       (2016).

    Examples
    --------
    >>> pattern = Moore2016ExcitationPattern()
    >>> freqs, levels = torch.tensor([[[1000.0, 3000.0]]]), torch.tensor([[[60.0, 40.0]]])
    >>> pattern(freqs, levels).shape
    torch.Size([1, 1, 150])
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("freqs", ("batch", "frame", "component"), "Hz", "frequency"),
        Port("levels", ("batch", "frame", "component"), "dB SPL", "db"),
    )
    output_ports = (Port("excitation", ("batch", "frame", "channel"), "dB SPL", "db", -120.0),)

    level_dep_factor: Tensor
    reference_level: Tensor
    min_p_lower: Tensor
    _fc_channels: Tensor
    powers: Tensor
    functions: Tensor
    fixed_numbers: Tensor

    def __init__(
        self,
        erb_lower: float = 1.75,
        erb_upper: float = 39.0,
        erb_step: float = 0.25,
        spreading_limit_octaves: float = 4.0,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
        reference: str = DOCUMENTED,
    ) -> None:
        super().__init__()
        self.reference = checked_reference(reference, REFERENCES)
        if reference == AMT:
            self.set_output_ports((replace(self.output_ports[0], floor=-200.0),))
        self.on_component, self.is_amt = reference == TORCH_AMT, reference == AMT
        numbers = channel_numbers(erb_lower, erb_upper, erb_step)
        if not 0 < spreading_limit_octaves < math.inf:
            raise ValueError(
                f"spreading_limit_octaves is {spreading_limit_octaves}; it must be positive"
            )
        self.erb_lower, self.erb_upper, self.erb_step = erb_lower, erb_upper, erb_step
        self.spreading_limit_octaves = spreading_limit_octaves
        self.learnable = learnable
        self.bounded = learnable  # stays when the trained values are frozen
        self.dtype = dtype
        self.n_channels = len(numbers)
        self.rows, self.cached_rows = ROWS, CACHED_ROWS
        self.reach = 2.0**spreading_limit_octaves
        self.steep, self.least_weight, self.least_power = STEEP, LEAST_WEIGHT, LEAST_POWER
        self.least_frequency, self.least_level = LEAST_FREQUENCY, LEAST_LEVEL
        self.least_exponent, self.db_per_neper = LEAST_EXPONENT, DB_PER_NEPER
        self.p1000 = float(sharpness(torch.tensor(1000.0, dtype=torch.float64)))
        for name, value in DESIGN.items():
            self.register_design_value(
                name, torch.tensor(value, dtype=torch.float64), learnable, dtype
            )
        fc = erbrate2f(numbers)
        self.register_design_value("_erb_channels", numbers, False, dtype)
        self.register_design_value("_fc_channels", fc, False, dtype)
        self.register_design_value("_p_channels", sharpness(fc), False, dtype)
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the powers of the channels and the numbers that are not learned."""
        fc = unrounded(self._fc_channels, self._designed["_fc_channels"])
        self.centres = [float(f) for f in fc]
        powers, dtype = channel_powers(fc), self._fc_channels.dtype
        functions = powers[1:] if self.on_component else channel_functions(fc)
        self.register_buffer("powers", powers.to(dtype), persistent=False)
        self.register_buffer("functions", functions.to(dtype), persistent=False)
        self.register_buffer("fixed_numbers", self.published_numbers(), persistent=False)

    def numbers(self) -> Tensor:
        """level_dep_factor, reference_level and min_p_lower as they count, (3,)."""
        return self.published_numbers() if self.learnable else self.fixed_numbers

    def published_numbers(self) -> Tensor:
        """The same from the entries of the `state_dict`."""
        factor, reference, least = self.level_dep_factor, self.reference_level, self.min_p_lower
        if self.bounded:  # as torch_amt documents them
            factor = torch.clamp(factor, 0.0, 1.0)
            reference = torch.clamp(reference, 30.0, 70.0)
            least = torch.clamp(least, 0.01, 1.0)
        return torch.stack([factor, reference, least])

    def upward_slope(self, levels: Tensor) -> Tensor:
        """Share of the sharpness that is left towards higher channels, for levels in dB."""
        return upward_slope(levels, self.numbers(), self.p1000)

    def lower_sharpness(self, p: Tensor, levels: Tensor) -> Tensor:
        """Sharpness on the side below the component.

        Parameters
        ----------
        p, levels : Tensor [shapes that broadcast]
            Sharpness above the component, and its level in dB.
        """
        numbers = self.numbers()
        excess = (levels - numbers[1]) * (numbers[0] / self.p1000)
        return torch.maximum(p - p * excess, numbers[2])

    def forward(self, freqs: Tensor, levels: Tensor) -> Tensor:
        """Excitation.

        Parameters
        ----------
        freqs, levels : Tensor [shape=(..., N)], Hz and dB SPL
            At or below 1e-6 Hz or -50 dB it is padding.

        Returns
        -------
        Tensor [shape=(..., C)], dB SPL
            -120 without any component.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        reject_autocast(levels)
        if freqs.is_complex() or levels.is_complex():
            raise TypeError("freqs or levels is complex; real tensors are needed")
        if freqs.dim() < 1 or freqs.shape != levels.shape:
            raise ValueError(f"freqs has shape {freqs.shape}, levels {levels.shape}")
        count = freqs.shape[-1]
        frames = freqs.shape[-2] if freqs.dim() > 1 else 1
        f, x, power = self.audible(
            freqs.to(self.powers.dtype).reshape(-1, frames, count),
            levels.to(self.powers.dtype).reshape(-1, frames, count),
        )
        if self.is_amt:
            excitation = excitation_from_erbs(f, power, self.powers[1], self.numbers(), self.p1000)
            return excitation.reshape(freqs.shape[:-1] + excitation.shape[2:])
        weighted, beyond = excitation_sums(
            self.lines(f, x),
            reach_parabolas(f, self.steep, self.reach),
            power,
            self.functions,
            self.powers,
            self.cached_rows,
            self.rows,
            self.least_exponent,
        )
        # Everywhere once, and once more out of reach.
        floor = beyond - power.sum(3, keepdim=True)
        total = (weighted + self.least_weight / math.e * floor).squeeze(2)
        excitation = self.db_per_neper * torch.log(total + self.least_power)
        return excitation.reshape(freqs.shape[:-1] + excitation.shape[2:])

    def audible(self, freqs: Tensor, levels: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Components without padding.

        Parameters
        ----------
        freqs, levels : Tensor [shape=(B, S, N)], Hz and dB

        Returns
        -------
        f, levels : Tensor [shape=(B, S, N)]
            Padding stands at 1 kHz.
        power : Tensor [shape=(B, S, 1, N)]
            Intensity times -e, 0 for padding.
        """
        audible = torch.logical_and(freqs > self.least_frequency, levels > self.least_level)
        kept = audible.to(freqs.dtype)
        # Padding may stand anywhere that exponents are finite; 1 kHz is.
        left_out = -kept + 1.0  # not 1 - x, which torch takes apart anew in every export
        power = -math.e * torch.exp(levels * (1.0 / self.db_per_neper))
        power = propagate_nan(propagate_nan(power * kept, power), freqs)
        return freqs * kept + 1000.0 * left_out, levels, power.unsqueeze(2)

    def lines(self, f: Tensor, levels: Tensor) -> List[Tensor]:
        """Exponents for components (B, S, N) at f in Hz and each channel; see `component_lines`."""
        if self.on_component:
            p = sharpness(f)
            return lines_on_component(f, p, self.lower_sharpness(p, levels))
        return lines_on_channel(f, self.upward_slope(levels), self.numbers()[2])

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return self.centres

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"erb_range=[{self.erb_lower:g}, {self.erb_upper:g}], erb_step={self.erb_step:g}, "
            f"n_channels={self.n_channels}, spreading={self.spreading_limit_octaves:g} oct, "
            f"learnable={self.learnable}, reference={self.reference}"
        )
