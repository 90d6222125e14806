"""The peripheral front end of CASP as one graph: outer ear, middle ear, basilar membrane."""

from typing import ClassVar, List, Self, Tuple

import torch
from torch import Tensor

from amt_export.manifest.ports import Port, State
from amt_export.modules.chain import Chain
from amt_export.modules.filterbanks.drnl import DRNLFilterbank
from amt_export.modules.filterbanks.ears import BothEars, MiddleEarFilter, OuterEarFilter
from amt_export.modules.reference import AMT


class CASPFrontEnd(Chain):
    """From a recording to the velocity of the basilar membrane: outer ear, middle ear and DRNL.

    The chain of `OuterEarFilter`, `MiddleEarFilter` and `DRNLFilterbank`: sound pressure in, velocity of the
    basilar membrane out. After the ears, the input of the DRNL has the size that its compression is made for.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or tuple of two float
        Centre frequencies in Hz, each in (0, fs/2]. A tuple (flow, fhigh) means `n_channels`
        values evenly spaced in Cams, ends included.
    fs : float
        Sampling rate in Hz, above 250.
    n_channels : int
        Used with a tuple.
    subject : {"NH", "HIx"}
        Normal hearing, or without outer hair cells.
    model : {"paulick2024", "jepsen2008"}
        Filter orders of the DRNL.
    dtype : torch.dtype
        Of the computation and the output. The filters are designed in float64 in any case.
    reference : {"amt", "documented"}
        Of the DRNL: the Auditory Modeling Toolbox, or the documented formulas.

    Shape
    -----
    audio (B, T) in Pa -> velocity (B, F, T) in m/s; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range or unknown names, with the value in the message.

    Notes
    -----
    The delays of the ears are kept: 256 samples of the outer ear, and what the middle ear's minimum phase has.
    Both ears are computed as one filter, `BothEars`; `outer_ear` and `middle_ear` are there for who wants them
    one by one.

    References
    ----------
    .. [1] L. Paulick, H. Relaño-Iborra and T. Dau, "The computational auditory signal processing and perception
       model (CASP): a revised version", bioRxiv (2024).
    .. [2] M. L. Jepsen, S. D. Ewert and T. Dau, "A computational model of human auditory signal
       processing and perception", J. Acoust. Soc. Am. 124, 422-438 (2008).

    Examples
    --------
    >>> ear = CASPFrontEnd((250.0, 8000.0), 44100, n_channels=4)
    >>> ear(torch.zeros(1, 441)).shape
    torch.Size([1, 4, 441])
    """

    input_ports: ClassVar[tuple[Port, ...]] = OuterEarFilter.input_ports
    output_ports: ClassVar[tuple[Port, ...]] = DRNLFilterbank.output_ports
    states: ClassVar[tuple[State, ...]] = (
        State("ears", "the last samples of the audio, in Pa"),
        *DRNLFilterbank.states,
    )
    stages: ClassVar[tuple[str, ...]] = ("ears", "drnl")
    parity_defaults: ClassVar[dict[str, float]] = DRNLFilterbank.parity_defaults

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n_channels: int = 50,
        subject: str = "NH",
        model: str = "paulick2024",
        dtype: torch.dtype = torch.float32,
        reference: str = AMT,
    ) -> None:
        super().__init__()
        self.drnl = DRNLFilterbank(
            fc, fs, n_channels, subject, model, dtype=dtype, reference=reference
        )
        self.outer_ear = OuterEarFilter(fs, dtype=dtype)
        self.middle_ear = MiddleEarFilter(fs, dtype=dtype)
        self.ears = BothEars(fs, dtype=dtype)
        self.fs = fs
        self.learnable = False
        self.dtype = dtype
        self.reference = reference
        self.num_channels = self.drnl.num_channels

    @property
    def fc(self) -> Tensor:
        """Centre frequencies (F,) in Hz."""
        return self.drnl.fc

    def forward(self, audio: Tensor) -> Tensor:
        """Filter from silence.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], Pa

        Returns
        -------
        Tensor [shape=(B, F, T) or (F, T)], m/s
        """
        velocity: Tensor = self.drnl(self.ears(audio))
        return velocity

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Filter one block; see `AuditoryModule.step`."""
        stapes, ears = self.ears.step(audio, states[:1])
        velocity, drnl = self.drnl.step(stapes[0], states[1:])
        return velocity, ears + drnl

    def freeze(self, samples: int | None = None, stream: int | None = None) -> Self:
        """A copy with the current values baked in."""
        static = super().freeze(samples, stream)
        del static.outer_ear, static.middle_ear
        return static

    def prepare_for_stream(self, block: int) -> None:
        """As the DRNL; the ears take any block."""
        self.drnl.prepare_for_stream(block)

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}, reference={self.reference!r}"
