"""Levels per frame of a filterbank's output."""

import copy
from itertools import islice
from typing import ClassVar, List, Tuple

from torch import Tensor

from amt_export.manifest.ports import FRAME_LEVELS, Port
from amt_export.modules.base import AuditoryModule
from amt_export.modules.chain import Chain
from amt_export.modules.levels import decibels

# By unit of the filterbank's output: what 0 dB is, the floor in dB, and what the levels' unit is called.
# -60 dB SPL is far below the threshold of hearing, -200 dB re 1 m/s 110 dB below what a tone there gives.
REFERENCES = {"Pa": (2e-5, -60.0, "dB SPL"), "m/s": (1.0, -200.0, "dB re 1 m/s")}
# Multiples of the hop that are tried as blocks before a message is written: recursive filters take one of 32.
TRIED = 33


class FrameLevels(Chain):
    """A filterbank whose output is the level of each channel and frame, in dB.

    L[k] = 10 log10(max(mean of y[t]^2 over kN <= t < (k + 1) N, floor) / ref^2)

    with N = `hop` samples. What is left at the end, fewer than N samples, has no frame. A level of a longer
    frame is that of the mean of the powers of these.

    Parameters
    ----------
    filterbank : AuditoryModule
        With one output (batch, channel, time) in Pa or m/s.
    hop : int
        Samples of a frame, N.

    Shape
    -----
    As the filterbank takes it -> levels (B, F, T // N), dB SPL with the floor -60 for Pa, dB re 1 m/s
    with the floor -200 for m/s; without B when the input has none.

    Raises
    ------
    ValueError
        For a module that is no such filterbank, and a hop below 1.

    References
    ----------
    .. [1] IEC 61672-1:2013, "Electroacoustics - Sound level meters": time-averaged sound level, here without
       frequency weighting.

    Examples
    --------
    >>> import torch
    >>> from amt_export.modules.filterbanks.gammatone import GammatoneFilterbank
    >>> cochleagram = FrameLevels(GammatoneFilterbank((100.0, 8000.0), 16000), hop=160)
    >>> cochleagram(torch.zeros(1, 1610)).shape
    torch.Size([1, 30, 10])
    """

    # Which TorchScript does not read: those of a class elsewhere, of an instance here.
    __jit_ignored_attributes__: ClassVar[list[str]] = ["input_ports", "output_ports", "states"]

    stages = ("filterbank",)

    def __init__(self, filterbank: AuditoryModule, hop: int) -> None:
        super().__init__()
        name = type(filterbank).__name__
        ports: tuple[Port, ...] = getattr(filterbank, "output_ports", ())
        if [port.axes for port in ports] != [("batch", "channel", "time")]:
            raise ValueError(f"{name} gives no subbands over time, so they have no levels")
        if hop < 1:
            raise ValueError(f"hop is {hop}; at least one sample is needed")
        self.reference, self.floor, unit = REFERENCES[ports[0].unit]
        self.least = self.reference**2 * 10.0 ** (self.floor / 10.0)
        self.filterbank = filterbank
        self.frame = hop
        self.fs = filterbank.fs
        self.learnable = filterbank.learnable
        self.input_ports = filterbank.input_ports  # type: ignore[misc]
        self.output_ports = (  # type: ignore[misc]
            Port(FRAME_LEVELS, ("batch", "channel", "frame"), unit, kind="db", floor=self.floor),
        )
        self.states = filterbank.states  # type: ignore[misc]

    def forward(self, audio: Tensor) -> Tensor:
        """Levels of a whole signal.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)]

        Returns
        -------
        Tensor [shape=(B, F, T // N) or (F, T // N)], dB
        """
        return self.levels(self.filterbank(audio))

    def levels(self, subbands: Tensor) -> Tensor:
        """Levels (..., T // N) of (..., T).

        Raises
        ------
        ValueError
            If there is no frame.
        """
        samples = subbands.shape[-1]
        frames = samples // self.frame
        if frames == 0:
            raise ValueError(f"audio has {samples} samples; a frame has {self.frame}")
        if samples > frames * self.frame:
            subbands = subbands[..., : frames * self.frame]
        cells: Tensor = subbands.unflatten(-1, [frames, self.frame])  # type: ignore[no-untyped-call]
        energy = (cells * cells).sum(dim=-1)
        return decibels(energy, self.frame * self.least, self.frame * self.reference**2)

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Whole frames; see `AuditoryModule.step`."""
        outputs, following = self.filterbank.step(audio, states)
        return [self.levels(outputs[0])], following

    def prepare_for_stream(self, block: int) -> None:
        """Blocks are whole frames that the filterbank takes.

        Raises
        ------
        ValueError
            For others; the message names blocks that are.
        """
        trial = copy.deepcopy(self.filterbank)

        def fits(length: int) -> bool:
            try:
                trial.prepare_for_stream(length)
            except ValueError:
                return False
            return length % self.frame == 0

        if not fits(block):
            first = block // self.frame * self.frame
            below = filter(fits, range(first, 0, -self.frame))
            above = filter(fits, range(first + self.frame, first + TRIED * self.frame, self.frame))
            near = [str(length) for side in (below, above) for length in islice(side, 1)]
            raise ValueError(
                f"must be a multiple of the hop of [levels], {self.frame}, that {type(trial).__name__} takes: "
                f"{' or '.join(near) or 'there is none near it'}"
            )

    def look_ahead(self) -> int:
        """To the last sample of a frame."""
        return self.frame - 1

    def latency(self) -> int:
        """A stream returns a frame with its last sample."""
        return self.frame - 1

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.frame

    def frame_length(self) -> int:
        """Frames do not overlap."""
        return self.frame

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"hop={self.frame}"
