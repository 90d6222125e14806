"""All-pole gammatone filterbank."""

from typing import ClassVar, Final, List, Tuple

import torch
from torch import Tensor

from amt_export.design.gammatone import default_betamul, gammatone_bandwidth, gammatone_pole
from amt_export.design.polynomial import cascade_basis, expanded, from_coefficients
from amt_export.manifest.ports import Port, State
from amt_export.modules.base import unrounded
from amt_export.modules.filterbanks.audio_filter import AudioFilter
from amt_export.modules.filterbanks.centre_frequencies import checked_rate, one_per_erb
from amt_export.numerics.blocks import to_blocks, trim
from amt_export.recurrence.block_length import BLOCK, stream_blocks, whole_blocks
from amt_export.recurrence.linear_filter import LinearFilter, differentiable_tables, filter_blocks
from amt_export.recurrence.memory import settling_time
from amt_export.recurrence.state_space import StateSpace, one_pole_cascade
from amt_export.recurrence.tables import Tables

IMPLEMENTATIONS = ("sos", "poly")
# |p| of the poly form, where a product of four poles close to the unit circle would lose its digits.
MAX_POLY_RADIUS = 0.9
# A share of the past that no longer shows in float32 (eps 1.2e-7).
TAIL = 1e-9


class GammatoneFilterbank(AudioFilter):
    """All-pole gammatone filterbank on the ERB scale.

    Per channel  H(z) = [(1 - e^-phi) / (1 - p z^-1)]^n,  p = e^(-phi - j theta),
    theta = 2 pi fc/fs, phi = 2 pi beta/fs, beta = betamul * audfiltbw(fc); the output is
    2 Re{H x}. The filter is recursive and starts from silence.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or tuple of two float
        Centre frequencies in Hz, each in (0, fs/2]. A tuple (flow, fhigh) means one filter per
        ERB (`erbspacebw`).
    fs : float
        Sampling rate in Hz.
    n : int
        Filter order.
    betamul : float, optional
        Bandwidth as a multiple of the ERB of the ear; by default the factor that makes the
        filter's own ERB equal to it, 1.0186 for n = 4.
    learnable : bool
        Make `poles` and `gains` (sos) or `b` and `a` (poly) parameters.
    dtype : torch.dtype
        Of the computation and the output. The filters are designed in float64 in any case.
    implementation : {"sos", "poly"}
        "poly" is a legacy form whose poles are limited to |p| <= 0.9 while the gain is not: it
        distorts channels below about 500 Hz.

    Attributes
    ----------
    poles, gains : Tensor [shape=(F,)], complex
        p and (1 - e^-phi)^n, without the factor 2 ("sos").
    b, a : Tensor [shape=(F, 1) and (F, n + 1)], complex
        (1 - e^-phi)^n and the coefficients of (1 - p z^-1)^n ("poly").

    Shape
    -----
    audio (B, T) in Pa -> subbands (B, F, T) in Pa; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] R. F. Lyon, "All-pole models of auditory filtering", in Diversity in Auditory Mechanics
       (1997).
    .. [2] V. Hohmann, "Frequency analysis and synthesis using a Gammatone filterbank",
       Acta Acustica 88, 433-442 (2002). The complex one-pole cascade.

    Examples
    --------
    >>> filterbank = GammatoneFilterbank((100.0, 8000.0), 16000)
    >>> tone = torch.sin(2 * torch.pi * 1000 / 16000 * torch.arange(1600))
    >>> loudest = filterbank(tone).abs().amax(-1).argmax()
    >>> f"{float(filterbank.fc[loudest]):.0f} Hz"
    '1017 Hz'
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "time"), "Pa"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("subbands", ("batch", "channel", "time"), "Pa"),
    )
    states: ClassVar[tuple[State, ...]] = (
        State("gammatone", "the one-pole stages of each channel"),
    )

    # Final: TorchScript then compiles only this branch of `system`.
    is_cascade: Final[bool]
    fc: Tensor
    poles: Tensor
    gains: Tensor
    b: Tensor
    a: Tensor

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n: int = 4,
        betamul: float | None = None,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
        implementation: str = "sos",
    ) -> None:
        super().__init__()
        if implementation not in IMPLEMENTATIONS:
            raise ValueError(f"implementation is {implementation!r}; one of {IMPLEMENTATIONS}")
        if n < 1:
            raise ValueError(f"n is {n}; the order must be at least 1")
        if betamul is not None and not betamul > 0:
            raise ValueError(f"betamul is {betamul}; it must be positive")
        self.fs = checked_rate(fs)
        self.n = n
        self.learnable = learnable
        self.dtype = dtype
        self.implementation = implementation
        self.is_cascade = implementation == "sos"
        self.block, self.blocks = BLOCK, 0
        centre = one_per_erb(fc, fs)
        self.num_channels = centre.shape[0]
        factor = torch.tensor(
            default_betamul(n) if betamul is None else betamul, dtype=torch.float64
        )
        self.register_design_value("fc", centre, False, dtype)
        self.register_design_value("betamul", factor, False, dtype)
        bandwidth = gammatone_bandwidth(centre, float(factor))
        pole = gammatone_pole(centre, bandwidth, fs)
        radius = torch.linalg.vector_norm(pole, dim=-1)
        gain = torch.complex((1.0 - radius) ** n, torch.zeros_like(radius))
        if self.is_cascade:
            self.register_design_value("poles", torch.view_as_complex(pole), learnable, dtype)
            self.register_design_value("gains", gain, learnable, dtype)
        else:
            pole = pole * (torch.clamp(radius, max=MAX_POLY_RADIUS) / radius)[:, None]
            self.register_design_value("b", gain[:, None], learnable, dtype)
            self.register_design_value(
                "a", expanded(torch.view_as_complex(pole), n), learnable, dtype
            )
            # Coordinates in which the direct form keeps float32's digits, trained coefficients too.
            self.basis = cascade_basis(torch.view_as_complex(pole), n)
            self.basis_inverse = torch.linalg.inv(self.basis)
        self.update_coefficients()

    def system(self) -> StateSpace:
        """The filters in float64, from the current parameters."""
        if self.is_cascade:
            pole = torch.view_as_real(unrounded(self.poles, self._designed["poles"]))
            gain = torch.view_as_real(unrounded(self.gains, self._designed["gains"]))
            return one_pole_cascade(pole, self.n, 2.0 * gain)
        b = unrounded(self.b, self._designed["b"])
        a = unrounded(self.a, self._designed["a"])
        basis = self.basis.to(a.device)
        return from_coefficients(2.0 * b, a, basis, self.basis_inverse.to(a.device))

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Design the filters from the parameters."""
        self.filter = LinearFilter(self.system(), self.block, self.fc, self.blocks)

    def tables(self, blocks: int) -> Tables:
        """Tables of the filters for `blocks` blocks."""
        if self.learnable:
            return differentiable_tables(self.system(), self.block, blocks, self.fc)
        return self.filter.tables()

    def like(self) -> Tensor:
        """A tensor of the dtype that is computed in."""
        return self.filter.values

    def initial_states(self, batch: int) -> List[Tensor]:
        """State of silence."""
        return [self.filter.initial_state(batch)]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Filter one block; see `AuditoryModule.step`."""
        blocks = to_blocks(audio.unsqueeze(1), self.block)
        filtered, state = filter_blocks(blocks, self.tables(blocks.shape[2]), states[0])
        return [trim(filtered, audio.shape[1])], [state]

    def prepare_for_stream(self, block: int) -> None:
        """Choose a block length that divides the stream's block."""
        self.block, self.blocks = stream_blocks(block)

    def prepare_for_length(self, samples: int | None) -> None:
        """Choose a block length that divides `samples`, so nothing is padded."""
        if samples is not None:
            self.block, self.blocks = whole_blocks(samples)

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return [float(f) for f in self._designed["fc"]]

    def warm_up(self) -> int:
        """Samples of memory."""
        return settling_time(self.system(), TAIL)

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        low, high = self.centre_frequencies()[0], self.centre_frequencies()[-1]
        return (
            f"num_channels={self.num_channels}, fc={low:.1f}...{high:.1f} Hz, fs={self.fs:g}, "
            f"n={self.n}, betamul={float(self._designed['betamul']):.4f}, "
            f"learnable={self.learnable}, implementation={self.implementation!r}"
        )
