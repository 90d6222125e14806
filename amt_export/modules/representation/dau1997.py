"""The model of Dau et al. (1997) up to the internal representation, as one graph."""

import math
from dataclasses import replace
from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.erb import erbspacebw
from amt_export.manifest.ports import Port, State
from amt_export.modules.chain import Chain
from amt_export.modules.filterbanks.gammatone import GammatoneFilterbank
from amt_export.modules.representation.adaptation import AdaptationLoops
from amt_export.modules.representation.dau_hair_cell import DauHairCell
from amt_export.modules.representation.modulation import ModulationFilterbank

# dB SPL of a signal with the rms 1 in the model's own scale, and of 1 Pa, 20 log10(1 / 20e-6).
MODEL_LEVEL = 100.0
PASCAL_LEVEL = 93.9794
# What the three published versions of the modulation filterbank have: a low-pass in front in Hz, envelopes
# times 1/sqrt(2), no filter above a quarter of the centre frequency.
MODULATION = {
    "jepsen2008": (150.0, True, True),
    "verhey1999": (0.0, False, True),
    "dau1997": (0.0, False, False),
}


class Dau1997(Chain):
    """From sound pressure to the internal representation of Dau et al. (1997).

    Gammatone filterbank, half-wave rectification and low-pass, adaptation loops, and a modulation filterbank in
    each channel, all at the full sampling rate.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    flow, fhigh : float
        Range of the centre frequencies in Hz.
    basef : float
        A centre frequency in Hz; the others lie 1 Cam apart from it on.
    dboffset : float
        dB SPL of an input with the rms 1: 93.9794 for pascals, 100 for the scale of the Auditory Modeling
        Toolbox.
    modulation : {"jepsen2008", "verhey1999", "dau1997"}
        The modulation filterbank: with a 150 Hz low-pass in front, attenuated envelopes, and no filter above a
        quarter of a channel's centre frequency, as the toolbox has it since version 1.4; the last alone, as
        before; or none of them.
    dtype : torch.dtype
        Of the computation and the output.
    sweeps : tuple of int, optional
        Of the adaptation loops, see `AdaptationLoops`.
    learnable : bool
        Not available.

    Shape
    -----
    audio (B, T) -> representation (B, F, M, T) in model units, 0 where a channel has no such modulation filter;
    without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range or unknown names, with the value in the message.

    References
    ----------
    .. [1] T. Dau, B. Kollmeier and A. Kohlrausch, "Modeling auditory processing of amplitude modulation. I",
       J. Acoust. Soc. Am. 102, 2892-2905 (1997).
    .. [2] P. Majdak, C. Hollomey and R. Baumgartner, "AMT 1.x: A toolbox for reproducible research in auditory
       modeling", Acta Acustica 6, 19 (2022).

    Examples
    --------
    >>> import torch
    >>> model = Dau1997(16000, flow=500.0, fhigh=2000.0)
    >>> model(torch.zeros(1, 800)).shape
    torch.Size([1, 10, 10, 800])
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "time"), "Pa"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        replace(
            ModulationFilterbank.output_ports[0], axes=("batch", "channel", "modulation", "time")
        ),
    )
    states: ClassVar[tuple[State, ...]] = (
        *GammatoneFilterbank.states,
        *DauHairCell.states,
        *AdaptationLoops.states,
        *ModulationFilterbank.states,
    )
    stages = ("filterbank", "hair_cell", "adaptation", "modulation")

    # The loops amplify rounding errors far from a loud tone.
    parity_defaults: ClassVar[dict[str, float]] = dict.fromkeys(("onnx", "coreml", "float64"), 1e-4)

    def __init__(
        self,
        fs: float = 44100,
        flow: float = 80.0,
        fhigh: float = 8000.0,
        basef: float = 1000.0,
        dboffset: float = PASCAL_LEVEL,
        modulation: str = "jepsen2008",
        dtype: torch.dtype = torch.float32,
        sweeps: tuple[int, ...] | None = None,
        learnable: bool = False,
    ) -> None:
        super().__init__()
        if learnable:
            raise ValueError("learnable is True; Dau1997 has nothing to be trained")
        if modulation not in MODULATION:
            raise ValueError(
                f"modulation is {modulation!r}; one of {', '.join(map(repr, MODULATION))}"
            )
        if not math.isfinite(dboffset):
            raise ValueError(f"dboffset is {dboffset}; a level in dB SPL is needed")
        self.learnable = False
        self.dboffset, self.version = dboffset, modulation
        self.scale = 10.0 ** ((dboffset - MODEL_LEVEL) / 20.0)
        centres = erbspacebw(flow, fhigh, basef=basef, dtype=torch.float64)
        self.filterbank = GammatoneFilterbank(centres, fs, dtype=dtype)
        self.fs, self.dtype = fs, dtype
        self.num_channels = self.filterbank.num_channels
        self.hair_cell = DauHairCell(fs, dtype=dtype)
        self.adaptation = AdaptationLoops(fs, sweeps=sweeps, dtype=dtype)
        self.modulation = ModulationFilterbank(centres, fs, *MODULATION[modulation], dtype)
        for stage in (self.hair_cell, self.adaptation, self.modulation):
            stage.channels = self.num_channels

    def forward(self, audio: Tensor) -> Tensor:
        """Process a whole signal from silence.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)]

        Returns
        -------
        Tensor [shape=(B, F, M, T) or (F, M, T)], model units
        """
        subbands = self.scale * self.filterbank(audio)
        representation: Tensor = self.modulation(self.adaptation(self.hair_cell(subbands)))
        return representation

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; see `AuditoryModule.step`."""
        subbands, filterbank = self.filterbank.step(audio, states[:1])
        envelope, hair_cell = self.hair_cell.step(self.scale * subbands[0], states[1:2])
        adapted, adaptation = self.adaptation.step(envelope[0], states[2:3])
        outputs, modulation = self.modulation.step(adapted[0], states[3:])
        return outputs, filterbank + hair_cell + adaptation + modulation

    def prepare_for_stream(self, block: int) -> None:
        """As the filterbank."""
        self.filterbank.prepare_for_stream(block)

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}, dboffset={self.dboffset:g}, modulation={self.version!r}"
