"""Spread of excitation along the ERB-number scale, with slopes that depend on level."""

from typing import ClassVar, Tuple

import torch
from torch import Tensor

from amt_export.design.spreading import DROP, LEAST_SLOPE, NO_SOURCE, neighbours, shear
from amt_export.erb import as_tensor, erbrate2f
from amt_export.manifest.ports import Port
from amt_export.modules.base import as_batch, unrounded
from amt_export.modules.excitation.erb_channels import ERBChannels
from amt_export.modules.levels import DB_PER_NEPER, decibels, propagate_nan
from amt_export.modules.reference import DOCUMENTED, TORCH_AMT, checked_reference

# Glasberg & Moore (2002): dB/Cam at the reference level, and their change per dB above it.
SLOPES = {
    "upper_slope_base": 27.0,
    "lower_slope_base": 11.0,
    "upper_slope_per_db": -0.37,
    "lower_slope_per_db": -0.20,
    "level_ref": 60.0,
}
# What an attenuation's excess over DROP is multiplied with, so that exp(-attenuation) becomes 0.
# A comparison and a selection would be twenty times as slow in ONNX Runtime.
STEEP = 1e12
# Power below which the sum of a float32 exp is empty: -370 dB.
LEAST_POWER = 1e-37


class ExcitationPattern(ERBChannels):
    """Excitation at every channel from sources that spread to their neighbours.

    Source i at E_i dB adds E_i - A_ij to channel j, A_ij = s_u(E_i) d for d = erb_j - erb_i >= 0
    and -s_l(E_i) d below, s_u = max(10, 27 - 0.37 (E - 60)), s_l = max(10, 11 - 0.20 (E - 60))
    dB/Cam; above 50 dB of attenuation it adds nothing.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    f_min, f_max, erb_step : float
        Channels as in `ERBIntegration`.
    learnable : bool
        Make the four slope numbers parameters.
    reference : {"documented", "torch_amt"}
        "documented": 10 log10 of the sum of powers. "torch_amt": what torch_amt 0.2.0 computes,
        ln(1 + sum e^x) over the values in dB of the sources with E_i >= 0.

    Attributes
    ----------
    fc_erb, erb_centers : Tensor [shape=(E,)], Hz and Cam
    upper_slope_base, lower_slope_base : Tensor [scalar], dB/Cam
    upper_slope_per_db, lower_slope_per_db : Tensor [scalar], 1/Cam
    level_ref : Tensor [scalar], dB

    Shape
    -----
    levels (B, S, E) in dB -> spread excitation (B, S, E) in dB; without B when levels has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] B. R. Glasberg and B. C. J. Moore, "A model of loudness applicable to time-varying
       sounds", J. Audio Eng. Soc. 50, 331-342 (2002).

    Examples
    --------
    >>> tone = torch.full((1, 1, 150), -100.0)
    >>> tone[0, 0, 60] = 60.0
    >>> ExcitationPattern()(tone)[0, 0, 56:65:4]  # 11 dB/Cam below, 27 dB/Cam above
    tensor([49., 60., 33.])
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("levels", ("batch", "frame", "channel"), "dB SPL", "db"),
    )
    # The floor is just above what `ERBIntegration` gives for silence, -26 dB SPL.
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("spread_excitation", ("batch", "frame", "channel"), "dB SPL", "db", -25.0),
    )

    upper_slope_base: Tensor
    lower_slope_base: Tensor
    upper_slope_per_db: Tensor
    lower_slope_per_db: Tensor
    level_ref: Tensor
    erb_centers: Tensor
    above: Tensor
    below: Tensor
    room: Tensor
    fixed_slopes: Tensor

    def __init__(
        self,
        fs: float = 32000,
        f_min: float = 50.0,
        f_max: float = 15000.0,
        erb_step: float = 0.25,
        learnable: bool = False,
        reference: str = DOCUMENTED,
    ) -> None:
        super().__init__(fs, f_min, f_max, erb_step, learnable)
        self.reference = checked_reference(reference, (DOCUMENTED, TORCH_AMT))
        self.sums_powers = reference == DOCUMENTED
        # Nepers of power for each dB: "torch_amt" takes dB for them.
        self.per_db = 1.0 / DB_PER_NEPER if self.sums_powers else 1.0
        self.drop = DROP * self.per_db  # TorchScript reads no globals
        self.steep, self.least_slope, self.least_power = STEEP, LEAST_SLOPE, LEAST_POWER
        self.no_source = NO_SOURCE
        self.register_design_value("erb_centers", self.erb_numbers(), False, torch.float32)
        for name, value in SLOPES.items():
            number = torch.tensor(value, dtype=torch.float64)
            self.register_design_value(
                name, number, learnable and name != "level_ref", torch.float32
            )
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Set the tables from the channels, and the slopes that are not learned."""
        with torch.no_grad():
            centres = unrounded(self.erb_centers, self._designed["erb_centers"])
            above, below = neighbours(centres)
            like = self.erb_centers
            room = torch.full((1, 1, above.shape[0]), NO_SOURCE, dtype=torch.float64)
            self.register_buffer("above", (self.per_db * above).to(like.dtype), persistent=False)
            self.register_buffer("below", (self.per_db * below).to(like.dtype), persistent=False)
            self.register_buffer("room", room.to(like), persistent=False)
            self.register_buffer("fixed_slopes", self.published_slopes(), persistent=False)
        self.centres = [float(f) for f in erbrate2f(centres)]

    def slopes(self) -> Tensor:
        """The five slope numbers in the order of `SLOPES`, (5,)."""
        return self.published_slopes() if self.learnable else self.fixed_slopes

    def published_slopes(self) -> Tensor:
        """The same as they stand in the `state_dict`."""
        return torch.stack(
            [
                self.upper_slope_base,
                self.lower_slope_base,
                self.upper_slope_per_db,
                self.lower_slope_per_db,
                self.level_ref,
            ]
        )

    def get_spreading_slopes(self, level_db: Tensor | float) -> Tuple[Tensor, Tensor]:
        """Slopes at a level.

        Parameters
        ----------
        level_db : Tensor [any shape] or float, dB

        Returns
        -------
        upper : Tensor [same shape], dB/Cam
            Towards higher channels: 34.4 at 40 dB, 12.2 at 100 dB.
        lower : Tensor [same shape], dB/Cam
            Towards lower channels: 15 at 40 dB, 10 at 100 dB.
        """
        slopes = self.slopes()
        excess = as_tensor(level_db).to(slopes.dtype) - slopes[4]
        upper = torch.clamp(slopes[0] + slopes[2] * excess, min=self.least_slope)
        lower = torch.clamp(slopes[1] + slopes[3] * excess, min=self.least_slope)
        return upper, lower

    def forward(self, levels: Tensor) -> Tensor:
        """Spread.

        Parameters
        ----------
        levels : Tensor [shape=(B, S, E) or (S, E)], dB

        Returns
        -------
        Tensor [same shape], dB
        """
        source = as_batch(levels, 3, self.above, "levels")
        batch, frames, channels = source.shape
        rows = self.above.shape[0]
        if channels != self.above.shape[1] - rows:
            raise ValueError(
                f"levels has {channels} channels; {self.above.shape[1] - rows} are needed"
            )
        source = torch.cat([source, self.room.expand(batch, frames, rows)], dim=2)
        upper, lower = self.get_spreading_slopes(source)
        attenuation = upper.unsqueeze(2) * self.above + lower.unsqueeze(2) * self.below
        attenuation = torch.maximum(attenuation, (attenuation - self.drop) * self.steep)
        if self.sums_powers:
            level = propagate_nan(self.per_db * source, source)
            power = shear(torch.exp(level.unsqueeze(2) - attenuation)).sum(2)
            spread = decibels(power, self.least_power, 1.0)
        else:
            # Sources below 0 dB do not count; a NaN is not below 0.
            counted = torch.where(source < 0.0, self.no_source + 0.0 * source, source)
            spread = logarithm_of_sum(counted.unsqueeze(2) - attenuation)
        spread = spread[:, :, rows // 2 : rows // 2 + channels]
        if levels.dim() == 2:
            return spread.squeeze(0)
        return spread

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"{super().extra_repr()}, reference={self.reference!r}"


def logarithm_of_sum(terms: Tensor) -> Tensor:
    """ln(1 + sum over what each channel receives of e^term), for terms of any size.

    Parameters
    ----------
    terms : Tensor [shape=(B, S, R, N + R)]

    Returns
    -------
    Tensor [shape=(B, S, N + R - 1)]
    """
    received = shear(terms)
    largest = torch.clamp(received.amax(2, keepdim=True), min=0.0)  # the 1 is e^0
    total = torch.exp(received - largest).sum(2, keepdim=True) + torch.exp(-largest)
    return (torch.log(total) + largest).squeeze(2)
