"""Loudness of time-varying sounds after Moore et al. (2016), from audio to sone in one graph."""

import math
from typing import ClassVar, Final, List, Tuple

import torch
from torch import Tensor

from amt_export.design.loudness_excitation import CHANNELS, channel_frequencies
from amt_export.design.moore_spectrum import BLOCK, FS, LENGTH
from amt_export.manifest.ports import MAX_OF_EARS, Port, State
from amt_export.modules.base import as_batch
from amt_export.modules.constant import ConstantModule
from amt_export.modules.levels import propagate_nan
from amt_export.modules.loudness.attack_release import AttackRelease
from amt_export.modules.loudness.binaural import BinauralInhibition
from amt_export.modules.loudness.ear_filter import TAPS, LoudnessEarFilter
from amt_export.modules.loudness.excitation import LoudnessExcitation
from amt_export.modules.loudness.relevance import Relevance
from amt_export.modules.loudness.specific_loudness import SpecificLoudness
from amt_export.modules.loudness.spectrum import LoudnessSpectrum

# dB SPL of a sine with an amplitude of 1 Pa: 20 log10(1 / (sqrt(2) 20 uPa)).
PASCAL_DB = 90.9691
# Per ms: attack and release of the loudness of a channel, and of a whole ear, and the frames of a block that
# make each fastest (Moore et al. 2016 and 2018; ISO 532-3).
SHORT = (0.045, 0.033, 8)
LONG = (0.01, 0.00133, 16)
# Samples after the start of a frame that it depends on: half the response of the ear and a window.
AHEAD = LENGTH + TAPS // 2 // 2 - 1
# Frames at the start of a stream that lie before the first frame: the sound is in half their window or less.
# (2048 + 1024) / 32 - 1, for half the response of the ear and half a window.
LEAD = 95
# Share of a loudness that is left after `warm_up`.
TAIL = 1e-12


class Moore2016Loudness(ConstantModule):
    """Short-term and long-term loudness of both ears, every millisecond.

    The model of ISO 532-3:2023: the ear's filter, the spectrum of short frames, excitation patterns, specific
    loudness, which is smoothed, inhibition between ears, and again smoothing. A diotic sound is given twice.

    Parameters
    ----------
    fs : float
        32000 Hz, nothing else.
    field : {"free", "diffuse", "eardrum"}
        Where the sound pressure is that of the input, see `LoudnessEarFilter`.
    db_max : float
        Level in dB SPL of a sine with amplitude 1; 90.9691 for input in Pa.
    specific : bool
        Give the smoothed specific loudness as well.
    learnable : bool
        Not available.
    dtype : torch.dtype

    Shape
    -----
    audio (B, 2, T) in Pa -> short_term, long_term (B, S, 2) in sone, loudness (B,) in sone, and with `specific`
    (B, S, 2, 150) in sone/Cam; without B when audio is (2, T). S = floor(T / 32) + 1; frame s stands at sample
    32 s. `loudness` is the largest long-term loudness of both ears together.

    Raises
    ------
    ValueError
        For another sampling rate or field, or values out of range.

    References
    ----------
    .. [1] B. C. J. Moore, B. R. Glasberg, A. Varathanathan and J. Schlittenlacher, "A loudness model for
       time-varying sounds incorporating binaural inhibition", Trends in Hearing 20 (2016),
       doi:10.1177/2331216516682698.
    .. [2] B. C. J. Moore, M. Jervis, L. Harries and J. Schlittenlacher, "Testing and refining a loudness model
       for time-varying sounds incorporating binaural inhibition", JASA 143, 1504-1513 (2018),
       doi:10.1121/1.5027246.
    .. [3] ISO 532-3:2023, "Acoustics - Methods for calculating loudness - Part 3:
       Moore-Glasberg-Schlittenlacher method".

    Examples
    --------
    >>> import torch
    >>> tone = 0.04 * torch.sin(2 * torch.pi * torch.arange(8000) / 32)  # 1 kHz, 63 dB SPL
    >>> short_term, long_term, loudness = Moore2016Loudness()(tone.expand(2, -1))
    >>> short_term.shape
    torch.Size([251, 2])
    >>> round(float(short_term[200].sum()), 1)
    5.0
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "ear", "time"), "Pa"),)
    output_ports = (
        Port("short_term", ("batch", "frame", "ear"), "sone"),
        Port("long_term", ("batch", "frame", "ear"), "sone"),
        Port(
            "loudness",
            ("batch",),
            "sone",
            reduced_from="long_term",
            reduction=MAX_OF_EARS,
        ),
    )
    # Compression amplifies what is faint: a component 60 dB below a loud one is rounded with it, and channels
    # with no other component are wrong by 1e-4 of their own peak. Loudness sums over channels, so the loudest
    # counts.
    specific_port: ClassVar[Port] = Port(
        "specific", ("batch", "frame", "ear", "channel"), "sone/Cam", quiet=1.0
    )
    # A component that lies on the relevance threshold to 1e-6 counts in one engine and not in another, and
    # smoothing keeps that for a while. Two of 40 signals were wrong by 1.2e-5 and 2.9e-5 of the peak of
    # specific loudness for this reason; the median is 4e-7.
    parity_defaults: ClassVar[dict[str, float]] = dict.fromkeys(("onnx", "coreml", "float64"), 1e-4)
    states: ClassVar[tuple[State, ...]] = (
        State("samples", "the audio before this block, in the unit of the input"),
        State("filtered", "the sound at the cochlea before this block"),
        State("short", "smoothed specific loudness of both ears, sone/Cam"),
        State("long", "long-term loudness of both ears, sone"),
        State("age", "frames so far, at most 95"),
    )

    specific: Final[bool]

    def __init__(
        self,
        fs: float = FS,
        field: str = "free",
        db_max: float = PASCAL_DB,
        specific: bool = False,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(dtype)
        if fs != FS:
            raise ValueError(f"fs is {fs}; the model is defined for {FS} Hz only")
        if not math.isfinite(db_max):
            raise ValueError(f"db_max is {db_max}; a level in dB SPL is needed")
        if learnable:
            raise ValueError("learnable is True; this is not available")
        self.fs, self.field, self.db_max, self.specific = fs, field, db_max, specific
        self.ear_filter = LoudnessEarFilter(field, dtype)
        self.spectrum = LoudnessSpectrum(db_max, dtype)
        self.relevance = Relevance()
        self.excitation = LoudnessExcitation(dtype)
        self.specific_loudness = SpecificLoudness(dtype)
        self.short = AttackRelease(*SHORT, dtype)
        self.binaural = BinauralInhibition(dtype)
        self.long = AttackRelease(*LONG, dtype)
        # TorchScript reads no globals.
        self.lead, self.overlap, self.past = float(LEAD), LENGTH - BLOCK, TAPS - 1
        self.channels = CHANNELS
        if specific:
            self.set_output_ports((*self.output_ports, self.specific_port))

    def instantaneous(self, sound: Tensor) -> Tensor:
        """Specific loudness (B, 2, S, 150) of the sound (B, 2, ...) at the cochlea; NaN in frames with one."""
        intensity = self.spectrum(sound)
        specific = self.specific_loudness(self.excitation(self.relevance(intensity)))
        both = intensity.sum(3, keepdim=True).sum(1, keepdim=True)
        return propagate_nan(specific, both)

    # Without annotations, TorchScript finds out how many results there are.
    def forward(self, audio):  # type: ignore[no-untyped-def]
        """Loudness of a whole signal.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, T) or (2, T)], Pa

        Returns
        -------
        short_term, long_term : Tensor [shape=(B, S, 2) or (S, 2)], sone
        loudness : Tensor [shape=(B,) or ()], sone
        specific : Tensor [shape=(B, S, 2, 150) or (S, 2, 150)], sone/Cam
            With `specific` only.

        Raises
        ------
        ValueError
            For audio that is not stereo, or empty.
        """
        signal = as_batch(audio, 3, self.like, "audio")
        if signal.shape[1] != 2:
            raise ValueError(f"audio has {signal.shape[1]} channels; 2 are needed")
        if signal.shape[2] < 1:
            raise ValueError("audio has 0 samples; 1 or more are needed")
        smooth = self.short(self.instantaneous(self.ear_filter(signal)))
        short_term = self.binaural(smooth)
        long_term = self.long(short_term.transpose(1, 2).unsqueeze(3)).squeeze(3).transpose(1, 2)
        # Over the last axis, where most engines support a maximum.
        loudness = long_term.sum(2).unsqueeze(1).amax(2, keepdim=True).flatten()
        by_channel = smooth.transpose(1, 2)
        if audio.dim() == 2:
            short_term, long_term, loudness, by_channel = (
                short_term.squeeze(0),
                long_term.squeeze(0),
                loudness.squeeze(0),
                by_channel.squeeze(0),
            )
        if self.specific:
            return short_term, long_term, loudness, by_channel
        return short_term, long_term, loudness

    def initial_states(self, batch: int) -> List[Tensor]:
        """Silence, before the first frame."""
        shapes = ([2, self.past], [2, self.overlap], [2, self.channels], [2], [1])
        return [self.like.new_zeros([batch, *shape]) for shape in shapes]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """One frame per 32 samples; see `AuditoryModule.step`.

        Frames that end before the whole form's first one hear the beginning already. They count as silence, so
        that the loudness is that of the whole form from there on.
        """
        samples, filtered, short, long, age = states
        sound, samples = self.ear_filter.step(audio, samples)
        sound = torch.cat([filtered, sound], dim=2)
        specific = self.instantaneous(sound)
        frames = specific.shape[2]
        number = torch.arange(frames, dtype=age.dtype, device=age.device) + age
        begun = torch.clamp(number - (self.lead - 1.0), 0.0, 1.0)
        smooth, short = self.short.step(specific * begun.reshape(-1, 1, frames, 1), short)
        short_term = self.binaural(smooth)
        rising = short_term.transpose(1, 2).unsqueeze(3)
        long_term, long = self.long.step(rising, long.unsqueeze(2))
        outputs = [short_term, long_term.squeeze(3).transpose(1, 2)]
        if self.specific:
            outputs.append(smooth.transpose(1, 2))
        age = torch.clamp(age + float(frames), 0.0, self.lead)
        after = [samples, sound[:, :, audio.shape[2] :], short, long.squeeze(2), age]
        return outputs, after

    def prepare_for_stream(self, block: int) -> None:
        """Blocks are whole frames.

        Raises
        ------
        ValueError
            Otherwise.
        """
        self.ear_filter.prepare_for_stream(block)

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return [float(fc) for fc in channel_frequencies()]

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return BLOCK

    def frame_length(self) -> int:
        """There is a frame at sample 0, however short the signal."""
        return 0

    def look_ahead(self) -> int:
        """Half the response of the ear and a window."""
        return AHEAD

    def lead_frames(self) -> int:
        """Frames that end before the whole form's first one."""
        return LEAD

    def latency(self) -> int:
        """Samples after a frame's position that a stream needs before it returns the frame."""
        return AHEAD + 1

    def warm_up(self) -> int:
        """Memory of long-term loudness: 22 s."""
        frames = sum(math.log(TAIL) / math.log1p(-release) for _, release, _ in (SHORT, LONG))
        return BLOCK * math.ceil(frames) + AHEAD + 1

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"fs={self.fs:g}, field={self.field}, db_max={self.db_max:g}, specific={self.specific}"
        )
