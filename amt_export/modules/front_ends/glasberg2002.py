"""The front half of the loudness model of Glasberg and Moore (2002) as one graph."""

from typing import Any, ClassVar, List, Self

from torch import Tensor

from amt_export.manifest.ports import Port
from amt_export.modules.centred import CentredModule
from amt_export.modules.excitation.erb_integration import ERBIntegration
from amt_export.modules.excitation.excitation_pattern import ExcitationPattern
from amt_export.modules.front_ends.framing import StageFraming
from amt_export.modules.reference import DOCUMENTED, TORCH_AMT, checked_reference
from amt_export.modules.spectra.multires_fft import MultiResolutionFFT


class Glasberg2002FrontEnd(StageFraming, CentredModule):
    """Excitation pattern of Glasberg & Moore (2002): spectrum, ERB bands, spread.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    learnable : bool
        Of all parts.
    multi_fft_kwargs, erb_kwargs, excitation_kwargs : dict, optional
        More arguments of `MultiResolutionFFT`, `ERBIntegration` and `ExcitationPattern`.
    reference : {"documented", "torch_amt"}
        Of `MultiResolutionFFT` and `ExcitationPattern`.

    Shape
    -----
    audio (B, T) in Pa -> spread excitation (B, S, 150) in dB SPL; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range, or parts that do not fit together.

    References
    ----------
    .. [1] B. R. Glasberg and B. C. J. Moore, "A model of loudness applicable to time-varying
       sounds", J. Audio Eng. Soc. 50, 331-342 (2002).

    Examples
    --------
    >>> import torch
    >>> Glasberg2002FrontEnd()(torch.zeros(1, 3072)).shape
    torch.Size([1, 4, 150])
    """

    input_ports: ClassVar[tuple[Port, ...]] = MultiResolutionFFT.input_ports
    output_ports: ClassVar[tuple[Port, ...]] = ExcitationPattern.output_ports

    def __init__(
        self,
        fs: float = 32000,
        learnable: bool = False,
        multi_fft_kwargs: dict[str, Any] | None = None,
        erb_kwargs: dict[str, Any] | None = None,
        excitation_kwargs: dict[str, Any] | None = None,
        reference: str = DOCUMENTED,
    ) -> None:
        super().__init__()
        self.reference = checked_reference(reference, (DOCUMENTED, TORCH_AMT))
        common = {"fs": fs, "learnable": learnable}
        self.multi_fft = MultiResolutionFFT(
            **common | (multi_fft_kwargs or {}), reference=reference
        )
        self.erb_integration = ERBIntegration(**common | (erb_kwargs or {}))
        self.excitation_pattern = ExcitationPattern(
            **common | (excitation_kwargs or {}), reference=reference
        )
        self.fs = fs
        self.learnable = learnable
        longest = self.multi_fft.longest
        if longest % 2:
            raise ValueError(f"window_lengths begins with {longest}; it must be even")
        bands, channels = self.erb_integration.n_erb_bands, self.excitation_pattern.n_erb_bands
        if bands != channels:
            raise ValueError(
                f"erb_kwargs give {bands} bands, excitation_kwargs {channels} channels"
            )
        self.erb_integration.prepare_for_length(longest // 2 + 1)
        self.erb_integration.update_coefficients()

    def forward(self, audio: Tensor) -> Tensor:
        """Excitation.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], Pa

        Returns
        -------
        Tensor [shape=(B, S, E) or (S, E)], dB SPL
        """
        psd, _ = self.multi_fft(audio)
        excitation: Tensor = self.excitation_pattern(self.erb_integration(psd))
        return excitation

    def framing_stage(self) -> MultiResolutionFFT:
        """The spectrum."""
        return self.multi_fft

    def centred_frames(
        self, heard: Tensor, frames: int, before: Tensor, beyond: Tensor
    ) -> List[Tensor]:
        """Outputs of one block; see `CentredModule`."""
        psd = self.multi_fft.centred_frames(heard, frames, before, beyond)[0]
        return [self.excitation_pattern(self.erb_integration(psd))]

    def freeze(self, samples: int | None = None, stream: int | None = None) -> Self:
        """A copy with the current values baked in."""
        static = super().freeze(samples, stream)
        static.multi_fft = self.multi_fft.freeze(samples, stream)
        static.erb_integration = self.erb_integration.freeze()
        static.excitation_pattern = self.excitation_pattern.freeze()
        return static

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return self.excitation_pattern.centre_frequencies()

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}, learnable={self.learnable}, reference={self.reference!r}"
