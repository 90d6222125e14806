"""The front half of the loudness model of Moore et al. (2016) as one graph."""

from typing import Any, ClassVar, List, Self, Tuple, cast

import torch
from torch import Tensor, nn

from amt_export.design.moore_excitation import (
    below_and_in_reach,
    group_ends,
    middle_of,
    sharpness,
    weights_above,
)
from amt_export.design.moore_spectrum import BIN_WIDTH
from amt_export.manifest.ports import Port
from amt_export.modules.base import AuditoryModule, as_batch, unrounded
from amt_export.modules.excitation.component_group import ComponentGroup
from amt_export.modules.excitation.moore2016 import Moore2016ExcitationPattern
from amt_export.modules.framed import FramedModule
from amt_export.modules.levels import propagate_nan
from amt_export.modules.spectra.ears import merge_ears, split_ears
from amt_export.modules.spectra.moore2016 import Moore2016Spectrum


def update_after_load(module: nn.Module, _: object) -> None:
    """Design again when the submodules, which load after their parent, have their values."""
    cast("AuditoryModule", module).update_coefficients()


class Moore2016FrontEnd(FramedModule):
    """Excitation patterns of both ears after Moore et al. (2016), every millisecond.

    The chain of `Moore2016Spectrum` and `Moore2016ExcitationPattern`, without packing: the bins
    stand at fixed frequencies, so all that spreads upwards, which does not depend on level, is one
    matrix, and only the spread downwards is computed for each component.

    Parameters
    ----------
    fs : float
        32000 Hz, nothing else.
    learnable : bool
        Of both parts; the learnable form runs the chain as it stands.
    dtype : torch.dtype
    spectrum_kwargs, excitation_kwargs : dict, optional
        More arguments of the two parts.

    Shape
    -----
    audio (B, 2, T), full scale +-1 -> excitation_left, excitation_right (B, S, 150) in dB SPL;
    without B when audio is (2, T).

    Raises
    ------
    ValueError
        For values out of range.

    References
    ----------
    .. [1] B. C. J. Moore, B. R. Glasberg, A. Varathanathan and J. Schlittenlacher, "A loudness
       model for time-varying sounds incorporating binaural inhibition", Trends in Hearing 20
       (2016).
    """

    input_ports: ClassVar[tuple[Port, ...]] = Moore2016Spectrum.input_ports
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("excitation_left", ("batch", "frame", "channel"), "dB SPL", "db", -120.0),
        Port("excitation_right", ("batch", "frame", "channel"), "dB SPL", "db", -120.0),
    )

    weights: Tensor
    components: Tensor

    def __init__(
        self,
        fs: float = 32000,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
        spectrum_kwargs: dict[str, Any] | None = None,
        excitation_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        common: dict[str, Any] = {"learnable": learnable, "dtype": dtype}
        self.spectrum = Moore2016Spectrum(fs=fs, **common | (spectrum_kwargs or {}))
        self.excitation = Moore2016ExcitationPattern(**common | (excitation_kwargs or {}))
        self.fs = fs
        self.learnable = learnable
        self.dtype = dtype
        self.least_audible = 10.0 ** (self.excitation.least_level / 10.0)
        self.groups = nn.ModuleList()
        self.update_coefficients()
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            update_after_load
        )

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the weights of the fixed bins from the parameters of the two parts."""
        spectrum, excitation = self.spectrum, self.excitation
        if self.is_frozen:
            return
        powers = excitation.powers
        fc = unrounded(excitation._fc_channels, excitation._designed["_fc_channels"])
        f = BIN_WIDTH * torch.arange(spectrum.columns, dtype=torch.float64, device=fc.device)
        f[0] = f[1]  # never relevant, so any frequency will do
        weights = weights_above(f, fc, excitation.reach).to(powers.dtype)
        reached = below_and_in_reach(f, fc, excitation.reach)
        groups, away = [], []
        for first, last in group_ends(f.tolist()):
            middle = middle_of(f[first:last])
            away.append(1.0 - middle / f[first:last])
            group = ComponentGroup(first, last, len(fc))
            lines = torch.stack([fc - middle, torch.ones_like(fc)]).to(powers.dtype)
            group.set_reach(reached[first:last], lines)
            groups.append(group)
        self.groups = nn.ModuleList(groups)
        components = torch.stack([f, sharpness(f), torch.cat(away)]).to(powers.dtype)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("components", components, persistent=False)

    def forward(self, audio: Tensor) -> Tuple[Tensor, Tensor]:
        """Excitation of both ears.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, T) or (2, T)], full scale +-1

        Returns
        -------
        excitation_left, excitation_right : Tensor [shape=(B, S, C) or (S, C)], dB SPL
            -120 for silence.
        """
        signal = as_batch(audio, 3, self.weights, "audio")
        if signal.shape[1] != 2:
            raise ValueError(f"audio has {signal.shape[1]} channels; 2 are needed")
        left, right = split_ears(self.pattern(merge_ears(signal)))
        if audio.dim() == 2:
            return left.squeeze(0), right.squeeze(0)
        return left, right

    def stream_frames(self, heard: Tensor, frames: int) -> List[Tensor]:  # noqa: ARG002
        """Outputs of one block; see `FramedModule`."""
        left, right = split_ears(self.pattern(merge_ears(heard)))
        return [left, right]

    def pattern(self, ear: Tensor) -> Tensor:
        """Excitation (B, S, C) of one ear (B, T), or of more as a batch."""
        intensity = self.spectrum.intensities(ear)
        if self.learnable:
            freqs, levels = self.spectrum.packed(intensity)
            chain: Tensor = self.excitation(freqs, levels)
            return chain
        return self.spread(intensity, self.spectrum.relevance(intensity))

    def spread(self, intensity: Tensor, relevant: Tensor) -> Tensor:
        """Excitation (B, S, C) of fixed bins.

        Parameters
        ----------
        intensity : Tensor [shape=(B, S, K)]
            As `Moore2016Spectrum.intensities` gives it.
        relevant : Tensor [shape=(B, S, K)], bool
        """
        power = intensity + self.spectrum.least_intensity
        kept = power * (power > self.least_audible).to(power.dtype) * relevant.to(power.dtype)
        f, p, away = self.components[0], self.components[1], self.components[2]
        level = self.spectrum.db_per_neper * torch.log(power)
        lower = self.excitation.lower_sharpness(p, level)
        slope, offset = lower / f, lower * away
        lines = torch.stack([slope, -offset], dim=3)
        factors = torch.stack([kept + kept * offset, kept * slope], dim=2)
        total = kept.unsqueeze(2) @ self.weights
        for group in self.groups:
            total = total + group(lines, factors)
        total = total.squeeze(2) + self.excitation.least_power
        excitation = self.spectrum.db_per_neper * torch.log(total)
        return propagate_nan(excitation, intensity[:, :, :1])

    def freeze(self, samples: int | None = None, stream: int | None = None) -> Self:
        """A copy with the current values baked in."""
        static = super().freeze(samples, stream)
        static.spectrum = self.spectrum.freeze(samples, stream)
        static.excitation = self.excitation.freeze()
        return static

    def near_threshold(self, *inputs: Tensor) -> Tensor:
        """As `Moore2016Spectrum`."""
        return self.spectrum.near_threshold(*inputs)

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return self.excitation.centre_frequencies()

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.spectrum.hop()

    def frame_length(self) -> int:
        """As `Moore2016Spectrum`."""
        return self.spectrum.frame_length()

    def look_ahead(self) -> int:
        """As `Moore2016Spectrum`."""
        return self.spectrum.look_ahead()

    def lead_frames(self) -> int:
        """As `Moore2016Spectrum`."""
        return self.spectrum.lead_frames()

    def latency(self) -> int:
        """As `Moore2016Spectrum`."""
        return self.spectrum.latency()
