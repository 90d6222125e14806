"""CASP, the computational auditory signal processing and perception model, as one graph."""

from typing import ClassVar, Final, List, Tuple

import torch
from torch import Tensor

from amt_export.design.adaptation import (
    CASP_STREAM_SWEEPS,
    CASP_SWEEPS,
    DAU_TAU,
    PAULICK_TAU,
    SQUARED_SWEEPS,
    SWEEPS,
)
from amt_export.design.casp import minimum_potentials
from amt_export.manifest.ports import Port, State
from amt_export.modules.centred import END, samples_beyond
from amt_export.modules.front_ends.casp import CASPFrontEnd
from amt_export.modules.front_ends.framing import StageFrames
from amt_export.modules.reference import AMT
from amt_export.modules.representation.adaptation import AdaptationLoops
from amt_export.modules.representation.casp_hair_cell import CASPHairCell
from amt_export.modules.representation.dau_hair_cell import DauHairCell
from amt_export.modules.representation.decimation import Decimation
from amt_export.modules.representation.modulation import ModulationFilterbank

JEPSEN = "jepsen2008"
# Jepsen et al. (2008) take the square of the envelope times this, so that 1 is 100 dB at the stapes.
ENVELOPE_GAIN = 10.0**2.5
# Of decimation, as in the Auditory Modeling Toolbox.
FACTOR = 4


class Paulick2024(StageFrames, CASPFrontEnd):
    """From sound pressure to the internal representation that CASP decides on.

    Outer ear, middle ear, basilar membrane (`CASPFrontEnd`), inner hair cell, adaptation loops, decimation by 4
    and a modulation filterbank in each channel. Thresholds of normal and impaired hearing are predicted by
    comparing representations: what a listener can tell apart differs here by more than internal noise.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, 8000 or more.
    fc : Tensor [shape=(F,)] or tuple of two float
        Centre frequencies in Hz, each in (0, fs/2]. A tuple (flow, fhigh) means `n_channels` values evenly
        spaced in Cams, ends included.
    n_channels : int
        Used with a tuple.
    subject : {"NH", "HIx"}
        Normal hearing, or without outer hair cells.
    model : {"paulick2024", "jepsen2008"}
        The revised model, or the one of 2008: its filter orders, half-wave rectification with a low-pass in
        place of the hair cell, squared, and Dau's time constants.
    reference : {"amt", "documented"}
        Of the DRNL, see `CASPFrontEnd`.
    decimation : {"amt", "plain"}
        See `Decimation`.
    dtype : torch.dtype
        Of the computation and the output.
    sweeps : tuple of int, optional
        Of the adaptation loops, see `AdaptationLoops`. By default what the loudest onsets need, fewer in
        float32 than in float64.
    learnable : bool
        Not available.

    Shape
    -----
    audio (B, T) in Pa -> representation (B, F, M, T // 4) in model units, 0 where a channel has no such
    modulation filter; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range or unknown names, with the value in the message.

    Notes
    -----
    A stream returns each frame 40 samples, 10 frames, after its position: that is half the length of the filter
    before the decimation. That filter takes the adapted signal to be 0 after the end, where the adaptation
    loops would answer silence with something else. One of the stream's states says where the end is.

    References
    ----------
    .. [1] L. Paulick, H. Relaño-Iborra and T. Dau, "The computational auditory signal processing and perception
       model (CASP): a revised version", bioRxiv (2024).
    .. [2] M. L. Jepsen, S. D. Ewert and T. Dau, "A computational model of human auditory signal
       processing and perception", J. Acoust. Soc. Am. 124, 422-438 (2008).
    .. [3] P. Majdak, C. Hollomey and R. Baumgartner, "AMT 1.x: A toolbox for reproducible research in auditory
       modeling", Acta Acustica 6, 19 (2022).

    Examples
    --------
    >>> import torch
    >>> casp = Paulick2024(n_channels=3)
    >>> casp(torch.zeros(1, 2205)).shape
    torch.Size([1, 3, 12, 551])
    >>> casp.modulation.counts
    tensor([ 6, 10, 12])
    """

    output_ports: ClassVar[tuple[Port, ...]] = ModulationFilterbank.output_ports
    states: ClassVar[tuple[State, ...]] = (
        *CASPFrontEnd.states,
        *CASPHairCell.states,
        *AdaptationLoops.states,
        *Decimation.states,
        *ModulationFilterbank.states,
        END,
    )
    stages = ("ears", "drnl", "hair_cell", "adaptation", "decimation", "modulation")
    decimated: ClassVar[dict[str, int]] = {"modulation": FACTOR}

    # The loops lift what is faint most of all: rounding of the filterbank far from a loud tone is 1e-4 of the
    # peak.
    parity_defaults: ClassVar[dict[str, float]] = dict.fromkeys(("onnx", "coreml", "float64"), 3e-4)

    squared: Final[bool]

    def __init__(
        self,
        fs: float = 44100,
        fc: Tensor | tuple[float, float] = (250.0, 8000.0),
        n_channels: int = 50,
        subject: str = "NH",
        model: str = "paulick2024",
        reference: str = AMT,
        decimation: str = AMT,
        dtype: torch.dtype = torch.float32,
        sweeps: tuple[int, ...] | None = None,
        learnable: bool = False,
    ) -> None:
        if learnable:
            raise ValueError("learnable is True; Paulick2024 has nothing to be trained")
        super().__init__(fc, fs, n_channels, subject, model, dtype, reference)
        self.squared = model == JEPSEN
        self.envelope_gain = ENVELOPE_GAIN  # TorchScript reads no globals
        self.given_sweeps = sweeps is not None
        centres = torch.tensor(self.drnl.centre_frequencies(), dtype=torch.float64)
        if self.squared:
            self.hair_cell: DauHairCell | CASPHairCell = DauHairCell(fs, order=2, dtype=dtype)
            self.adaptation = AdaptationLoops(fs, tau=DAU_TAU, sweeps=sweeps, dtype=dtype)
        else:
            self.hair_cell = CASPHairCell(fs, dtype)
            minimum = minimum_potentials(centres)
            self.adaptation = AdaptationLoops(fs, minimum, PAULICK_TAU, sweeps=sweeps, dtype=dtype)
        self.decimation = Decimation(FACTOR, decimation, dtype)
        self.modulation = ModulationFilterbank(centres, fs / FACTOR, dtype=dtype)
        for stage in (self.hair_cell, self.adaptation, self.decimation, self.modulation):
            stage.channels = self.num_channels
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Choose the sweeps for the dtype; the parts design themselves."""
        if self.given_sweeps or self.is_frozen:
            return
        if self.squared:
            chosen, streamed = SQUARED_SWEEPS, SQUARED_SWEEPS
        elif self.drnl.fc.dtype == torch.float64:
            chosen, streamed = SWEEPS, SWEEPS
        else:
            chosen, streamed = CASP_SWEEPS, CASP_STREAM_SWEEPS
        self.adaptation.choose_sweeps(chosen, streamed)

    def forward(self, audio: Tensor) -> Tensor:
        """Process a whole signal from silence.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], Pa

        Returns
        -------
        Tensor [shape=(B, F, M, T // 4) or (F, M, T // 4)], model units
        """
        potential = self.hair_cell(self.drnl(self.ears(audio)))
        representation: Tensor = self.modulation(
            self.decimation(self.adaptation(self.enveloped(potential)))
        )
        return representation

    def enveloped(self, potential: Tensor) -> Tensor:
        """Input of the adaptation loops: the potential, or the squared envelope of 2008."""
        if self.squared:
            envelope = self.envelope_gain * potential
            return envelope * envelope
        return potential

    def initial_states(self, batch: int) -> List[Tensor]:
        """States of silence."""
        return [*super().initial_states(batch), self.decimation.like.new_zeros([batch, 1])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; its frames are 10 late. See `AuditoryModule.step`."""
        stapes, ears = self.ears.step(audio, states[:1])
        velocity, drnl = self.drnl.step(stapes[0], states[1:4])
        potential, hair_cell = self.hair_cell.step(velocity[0], states[4:5])
        adapted, adaptation = self.adaptation.step(self.enveloped(potential[0]), states[5:6])
        beyond, block = states[8], audio.shape[-1]
        # 1 for the samples of the signal, 0 for those after its end
        place = torch.arange(block, dtype=beyond.dtype, device=beyond.device)
        inside = torch.clamp(block - beyond - place, 0.0, 1.0).unsqueeze(1)
        decimated, decimation = self.decimation.step(adapted[0] * inside, states[6:7])
        outputs, modulation = self.modulation.step(decimated[0], states[7:8])
        after = [samples_beyond(beyond, block)]
        return outputs, ears + drnl + hair_cell + adaptation + decimation + modulation + after

    def prepare_for_stream(self, block: int) -> None:
        """Blocks are whole frames, which the DRNL takes.

        Raises
        ------
        ValueError
            For others.
        """
        super().prepare_for_stream(block)
        for stage in (self.decimation, self.hair_cell):
            stage.prepare_for_stream(block)
        self.modulation.prepare_for_stream(block // FACTOR)

    def framing_stage(self) -> Decimation:
        """A frame for every four samples."""
        return self.decimation
