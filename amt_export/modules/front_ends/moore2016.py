"""The front half of the loudness model of Moore et al. (2016) as one graph."""

import math
from dataclasses import replace
from typing import Any, ClassVar, List, Self, Tuple, cast

import torch
from torch import Tensor, nn

from amt_export.design.loudness_excitation import COMPONENTS
from amt_export.design.moore_excitation import groups_of, weights_below
from amt_export.design.moore_spectrum import BIN_WIDTH
from amt_export.manifest.ports import Port
from amt_export.modules.base import AuditoryModule, as_batch, unrounded
from amt_export.modules.excitation.component_group import ComponentGroup, add_groups
from amt_export.modules.excitation.excitation_from_erbs import LEAST_TOTAL
from amt_export.modules.excitation.moore2016 import REFERENCES, Moore2016ExcitationPattern
from amt_export.modules.excitation.row_chunk import row_chunk
from amt_export.modules.front_ends.framing import StageFraming
from amt_export.modules.levels import propagate_nan
from amt_export.modules.loudness.excitation import LoudnessExcitation
from amt_export.modules.reference import AMT, DOCUMENTED, TORCH_AMT, checked_reference
from amt_export.modules.spectra.ears import merge_ears, split_ears
from amt_export.modules.spectra.moore2016 import Moore2016Spectrum

# Frames of two ears at once in a graph; and in eager torch, so few that their arrays stay in the cache.
ROWS, CACHED_ROWS = 128, 16
TABLES = ("distance", "weights", "place")


def update_after_load(module: nn.Module, _: object) -> None:
    """Design again when the submodules, which load after their parent, have their values."""
    cast("AuditoryModule", module).update_coefficients()


class Moore2016FrontEnd(StageFraming):
    """Excitation patterns of both ears after Moore et al. (2016), every millisecond.

    The chain of `Moore2016Spectrum` and `Moore2016ExcitationPattern`, without packing: the bins
    stand at fixed frequencies, so all that spreads downwards, which does not depend on level, is one
    matrix, and only the spread upwards is computed for each component. With `reference` "torch_amt", and when
    learnable, it is the chain as it stands.

    Parameters
    ----------
    fs : float
        32000 Hz, nothing else.
    learnable : bool
        Of both parts.
    dtype : torch.dtype
    spectrum_kwargs, excitation_kwargs : dict, optional
        More arguments of the two parts.
    reference : {"documented", "torch_amt", "amt"}
        Of both parts; the spectrum of "torch_amt" is the documented one. With "amt" the channels are fixed.

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

    Examples
    --------
    >>> left, right = Moore2016FrontEnd()(torch.zeros(1, 2, 2144))
    >>> left.shape
    torch.Size([1, 3, 150])
    """

    input_ports: ClassVar[tuple[Port, ...]] = Moore2016Spectrum.input_ports
    output_ports = (
        Port("excitation_left", ("batch", "frame", "channel"), "dB SPL", "db", -120.0),
        Port("excitation_right", ("batch", "frame", "channel"), "dB SPL", "db", -120.0),
    )

    like: Tensor
    distance: Tensor
    weights: Tensor
    place: Tensor

    def __init__(
        self,
        fs: float = 32000,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
        spectrum_kwargs: dict[str, Any] | None = None,
        excitation_kwargs: dict[str, Any] | None = None,
        reference: str = DOCUMENTED,
    ) -> None:
        super().__init__()
        self.reference = checked_reference(reference, REFERENCES)
        self.is_amt = reference == AMT
        common: dict[str, Any] = {"learnable": learnable, "dtype": dtype}
        ours = common | {"reference": AMT if self.is_amt else DOCUMENTED}
        self.spectrum = Moore2016Spectrum(fs=fs, **ours | (spectrum_kwargs or {}))
        theirs = common | {"reference": reference} | (excitation_kwargs or {})
        self.excitation = Moore2016ExcitationPattern(**theirs)
        if self.spectrum.is_amt != self.is_amt or self.excitation.reference != reference:
            raise ValueError("reference belongs to the whole front end, not to its parts")
        if self.is_amt and excitation_kwargs:
            raise ValueError(
                'excitation_kwargs are given; with reference "amt" the channels are fixed'
            )
        if self.is_amt:
            ports = tuple(replace(port, floor=-200.0) for port in self.output_ports)
            self.set_output_ports(ports)
        self.is_chain = learnable or reference == TORCH_AMT
        self.in_erbs = LoudnessExcitation(dtype) if self.is_amt else nn.Identity()
        self.bins, self.least_total = COMPONENTS, LEAST_TOTAL
        self.rows, self.cached_rows = ROWS, CACHED_ROWS
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
        like = excitation.powers[:1, :1].clone()
        for name in ("like", *TABLES):
            self.register_buffer(name, like.clone(), persistent=False)  # traces share no tensor
        if self.is_chain or self.is_amt:
            return
        fc = unrounded(excitation._fc_channels, excitation._designed["_fc_channels"])
        f = BIN_WIDTH * torch.arange(spectrum.columns, dtype=torch.float64, device=fc.device)
        f[0] = f[1]  # never relevant, so any frequency will do
        least = float(excitation.numbers()[2])
        distance, place, groups = torch.zeros_like(f), [], []
        for first, last in groups_of(f):
            group = ComponentGroup(first, last, f, fc, excitation.reach, least, like.dtype)
            distance[first:last] = f[last - 1] - f[first:last]
            place.append(torch.eye(len(fc), dtype=like.dtype)[group.low : group.high])
            groups.append(group.to(fc.device))
        self.groups = nn.ModuleList(groups)
        weights = weights_below(f, fc, excitation.reach)
        for name, table in zip(TABLES, (distance, weights, torch.cat(place)), strict=True):
            self.register_buffer(name, table.to(like), persistent=False)

    def forward(self, audio: Tensor) -> Tuple[Tensor, Tensor]:
        """Excitation of both ears.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, T) or (2, T)], full scale +-1

        Returns
        -------
        excitation_left, excitation_right : Tensor [shape=(B, S, C) or (S, C)], dB SPL
            -120 for silence; with "amt" -200.
        """
        signal = as_batch(audio, 3, self.like, "audio")
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

    def pattern(self, ears: Tensor) -> Tensor:
        """Excitation (2 B, S, C) of all left ears and then all right ears (2 B, T)."""
        intensity = self.spectrum.intensities(ears)
        if self.is_chain:
            freqs, levels = self.spectrum.packed(intensity)
            chain: Tensor = self.excitation(freqs, levels)
            return chain
        relevant = self.spectrum.relevance(intensity)
        if self.is_amt:
            heard = torch.where(relevant, intensity, torch.zeros_like(intensity))
            total = self.in_erbs(heard[:, :, 1 : self.bins + 1].unsqueeze(1)).squeeze(1)
            level = self.spectrum.db_per_neper * torch.log(torch.clamp(total, min=self.least_total))
            return propagate_nan(level, intensity[:, :, :1])
        return self.spread(intensity, relevant)

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
        # Below that nothing is kept.
        level = self.spectrum.db_per_neper * torch.log(torch.clamp(power, min=self.least_audible))
        slope = self.excitation.upward_slope(level)
        rows = row_chunk(kept, self.cached_rows, self.rows)
        # Along the frames, so that a graph does not depend on the size of the batch.
        powers, slopes = torch.split(kept, rows, 1), torch.split(slope, rows, 1)
        sums: List[Tensor] = []
        for i in range(len(powers)):
            # Rows of components, which are put together faster than triples would be.
            u = slopes[i]
            lines = torch.stack([u, u * self.distance, torch.ones_like(u)], dim=2)
            scaled = powers[i].unsqueeze(2) * -math.e
            parts: List[Tensor] = []
            for group in self.groups:
                part = group(lines, scaled)
                parts.append(part)
            sums.append(add_groups(parts, self.place))
        total = kept @ self.weights + torch.cat(sums, dim=1) + self.excitation.least_power
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

    def framing_stage(self) -> Moore2016Spectrum:
        """The spectrum."""
        return self.spectrum
