"""Sparse multi-resolution spectrum of both ears after Moore et al. (2016)."""

import math
from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design import moore_spectrum as design
from amt_export.design.moore_spectrum import serving_window
from amt_export.manifest.ports import Port
from amt_export.modules.base import as_batch, unrounded
from amt_export.modules.levels import DB_PER_NEPER
from amt_export.modules.reference import AMT, DOCUMENTED, checked_reference
from amt_export.modules.spectra.ears import merge_ears, split_ears
from amt_export.modules.spectra.packing import pack
from amt_export.modules.spectra.segments import SegmentedModule
from amt_export.modules.spectra.spectrum_bands import SpectrumBands
from amt_export.modules.spectra.spectrum_by_fft import by_fft

# Slots of the output: the bins in [20, 15000) Hz; and those of the MATLAB toolbox, up to 15000 Hz.
COMPONENTS, AMT_COMPONENTS = 958, 960
# Columns of a frame with all bins, DC and fs/2 included.
ALL_BINS = design.LENGTH // 2 + 1
# dB; below the maximum of a frame, or what 1000 (30 dB) is above it, a component is inaudible.
THRESHOLD_MAX_MINUS = 60.0
# dB; what the first rule makes of 1000, so it has no effect of its own. Checkpoints hold it.
THRESHOLD_ABSOLUTE = -30.0
LEAST_MAXIMUM = 1000.0
# Added before the logarithm: -120 dB. Part of the documented formula.
LEAST_INTENSITY = 1e-12
# Keeps the logarithm finite in the toolbox's form, where nothing is added: no digit of what is heard.
AMT_LEAST_INTENSITY = 1e-30
# Levels of all formats agree to 1e-3 dB, so nothing ten times as far from the threshold can cross it.
NEAR_DB = 0.01
WINDOWS = tuple(f"window_{i}" for i in range(len(design.WINDOW_LENGTHS)))


def list_of_components(ear: str) -> tuple[Port, Port]:
    """The two outputs of one ear."""
    axes = ("batch", "frame", "component")
    return (
        Port(f"freqs_{ear}", axes, "Hz", "frequency", components=ear),
        Port(f"levels_{ear}", axes, "dB SPL", "db", components=ear),
    )


class Moore2016Spectrum(SegmentedModule):
    """Levels of the audible spectral components of both ears, every millisecond.

    Six symmetric Hann windows of 2048 to 64 samples share the middle of each frame; window i gives
    the bins of its band, intensity (2 |rfft| / 2048)^2 10^(3.32/10) 10^(db_max/10) 2^i. Components
    within 60 dB of the frame's maximum are packed to the left, in ascending frequency; the rest
    of the 958 slots is 0 in frequency and level. No FFT: each window is a matrix product of its
    samples with the bins it serves.

    With `reference` "amt" it is the spectrum of the MATLAB toolbox: the bins from 1 to 960 with other limits
    of the bands, the maximum over both ears, one frame more, and nothing added to the intensity.

    Parameters
    ----------
    fs : float
        32000 Hz, nothing else.
    segment_duration : int
        Hop in ms.
    db_max : float
        Level in dB SPL that belongs to a full-scale sine (samples of +-1).
    learnable : bool
        Make `freq_limits` and `threshold_max_minus` parameters. They select: no gradient.
    dtype : torch.dtype
    reference : {"documented", "amt"}

    Attributes
    ----------
    freq_limits : Tensor [shape=(6, 2)], Hz
        Window i serves [low, high); where they overlap the later one counts.
    threshold_max_minus, threshold_absolute : Tensor [scalar], dB
        The second is kept for checkpoints.
    window_0 ... window_5 : Tensor [shape=(2048,)]

    Shape
    -----
    audio (B, 2, T), full scale +-1 -> freqs_left, levels_left, freqs_right, levels_right, each
    (B, S, 958) in Hz and dB SPL; without B when audio is (2, T). S = (T - 2048) // hop. Limits
    that serve more than 958 bins give as many slots. With "amt" 960 slots, and S is one more.

    Raises
    ------
    ValueError
        For another sampling rate, or values out of range.

    References
    ----------
    .. [1] B. C. J. Moore, B. R. Glasberg, A. Varathanathan and J. Schlittenlacher, "A loudness
       model for time-varying sounds incorporating binaural inhibition", Trends in Hearing 20
       (2016).

    Examples
    --------
    >>> tone = torch.sin(2 * torch.pi * 1000 / 32000 * torch.arange(2080)).expand(1, 2, 2080)
    >>> freqs, levels, _, _ = Moore2016Spectrum()(tone)
    >>> float(freqs[0, 0, levels[0, 0].argmax()])
    1000.0
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("audio", ("batch", "ear", "time"), "full scale"),
    )
    output_ports: ClassVar[tuple[Port, ...]] = (
        *list_of_components("left"),
        *list_of_components("right"),
    )

    freq_limits: Tensor
    threshold_max_minus: Tensor
    threshold_absolute: Tensor
    source_columns: Tensor
    below_maximum: Tensor
    bin_numbers: Tensor
    frequencies: Tensor
    added_intensity: Tensor
    all_windows: Tensor

    def __init__(
        self,
        fs: float = design.FS,
        segment_duration: int = 1,
        db_max: float = 93.98,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
        reference: str = DOCUMENTED,
    ) -> None:
        super().__init__()
        if fs != design.FS:
            raise ValueError(f"fs is {fs}; the model is defined for {design.FS} Hz only")
        if segment_duration < 1 or segment_duration != int(segment_duration):
            raise ValueError(f"segment_duration is {segment_duration}; whole ms are needed")
        if not math.isfinite(db_max):
            raise ValueError(f"db_max is {db_max}; a level in dB SPL is needed")
        self.fs = fs
        self.segment_duration = int(segment_duration)
        self.hop_length = design.BLOCK * self.segment_duration
        self.db_max = db_max
        self.learnable = learnable
        self.dtype = dtype
        self.reference = checked_reference(reference, (DOCUMENTED, AMT))
        self.is_amt = reference == AMT
        self.components = AMT_COMPONENTS if self.is_amt else COMPONENTS
        # TorchScript reads no globals.
        self.least_maximum = LEAST_MAXIMUM
        self.least_intensity = AMT_LEAST_INTENSITY if self.is_amt else LEAST_INTENSITY
        self.bin_width, self.db_per_neper = design.BIN_WIDTH, DB_PER_NEPER
        bands = design.AMT_LIMITS if self.is_amt else design.FREQ_LIMITS
        limits = torch.tensor(bands, dtype=torch.float64)
        below = torch.tensor(THRESHOLD_MAX_MINUS, dtype=torch.float64)
        absolute = torch.tensor(THRESHOLD_ABSOLUTE, dtype=torch.float64)
        self.register_design_value("freq_limits", limits, learnable, dtype)
        self.register_design_value("threshold_max_minus", below, learnable, dtype)
        self.register_design_value("threshold_absolute", absolute, False, dtype)
        for name, length in zip(WINDOWS, design.WINDOW_LENGTHS, strict=True):
            self.register_design_value(name, design.centred_window(length), False, dtype)
        self.bands = SpectrumBands(len(design.WINDOW_LENGTHS), self.segment_duration)
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the columns of every window for the bins it serves."""
        like = self.freq_limits
        limits = unrounded(self.freq_limits, self._designed["freq_limits"])
        windows = torch.stack(
            [unrounded(getattr(self, name), self._designed[name]) for name in WINDOWS]
        )
        analysis = design.analysis(windows, limits, self.db_max)
        self.bands.set_columns(analysis.columns, like)
        bins = analysis.bins
        self.served_bins = sorted(int(number) for number in bins if number > 0)
        self.slots = max(self.components, len(self.served_bins))
        self.columns = 1 + max(self.slots, *self.served_bins)
        # Where each column of `intensities` comes from: 0 is an empty column.
        source_columns = torch.zeros(self.columns, dtype=torch.long, device=like.device)
        source_columns[bins] = torch.arange(1, len(bins) + 1, device=like.device)
        source_columns[0] = 0
        # With the limits of the model the windows' bins are contiguous, after the first two columns.
        self.first_bin = self.columns - len(bins)
        ascending = torch.arange(self.first_bin, self.columns, device=like.device)
        self.contiguous_bins = bool(torch.equal(bins, ascending))
        below = unrounded(self.threshold_max_minus, self._designed["threshold_max_minus"])
        added = torch.full((ALL_BINS,), self.least_intensity, dtype=like.dtype, device=like.device)
        added[0] = 1.0  # column 0 is no component: 0 dB
        self.set_buffer("source_columns", source_columns)
        self.set_buffer("added_intensity", added)
        self.set_buffer("below_maximum", torch.exp(-below / DB_PER_NEPER).to(like.dtype))
        frequencies = torch.arange(ALL_BINS, dtype=torch.float64) * design.BIN_WIDTH
        self.set_buffer("frequencies", frequencies.to(like))
        self.set_buffer(
            "bin_numbers", torch.arange(ALL_BINS, dtype=torch.int32, device=like.device)
        )
        self.set_buffer("all_windows", analysis.windows.to(like.dtype))

    def set_buffer(self, name: str, value: Tensor) -> None:
        """Keep what forward multiplies with; it is not saved."""
        self.register_buffer(name, value, persistent=False)

    def intensities(self, ear: Tensor) -> Tensor:
        """Intensity of every bin, relevant or not.

        Parameters
        ----------
        ear : Tensor [shape=(B, T)]

        Returns
        -------
        Tensor [shape=(B, S, K)]
            Column k is the bin at k * 15.625 Hz, 0 where no window serves it. Column 0, which none serves,
            is NaN in a frame that is not finite.
        """
        frames = self.frames(ear.shape[1])
        if self.learnable:
            return self.selected_intensities(ear, frames)
        pieces = self.bands(ear, frames)
        total = pieces[0].sum(2, keepdim=True)
        for i in range(1, len(pieces)):
            total = total + pieces[i].sum(2, keepdim=True)
        empty = total - total  # zeros, or NaN in a frame that is not finite
        if self.contiguous_bins:
            return torch.cat([empty] * self.first_bin + pieces, dim=2)
        joined = torch.cat([empty] + pieces, dim=2)  # noqa: RUF005  (TorchScript)
        return joined.index_select(2, self.source_columns)

    def selected_intensities(self, ear: Tensor, frames: int) -> Tensor:
        """The same by FFT, for limits that may have changed; not for export."""
        served = self.serving_windows()
        bins = by_fft(ear, self.all_windows, served, self.hop_length, frames)
        total = bins.sum(2, keepdim=True)
        return torch.cat([total - total, bins], dim=2)

    def serving_windows(self) -> Tensor:
        """Window (1024,) of each bin above DC by the current limits, -1 for none."""
        limits = unrounded(self.freq_limits, self._designed["freq_limits"])
        # Half of 2048 bins.
        bins = torch.arange(1, 1025, dtype=torch.float64, device=limits.device)
        return serving_window(limits, bins * self.bin_width)

    def threshold(self, intensity: Tensor) -> Tensor:
        """Intensity (B, S, 1) that a component must exceed to be relevant in its frame.

        Parameters
        ----------
        intensity : Tensor [shape=(B, S, K)]
            Of an ear; with "amt" of all left ears and then all right ears.
        """
        below = self.below_maximum
        if self.learnable:
            stored = unrounded(self.threshold_max_minus, self._designed["threshold_max_minus"])
            below = torch.exp(-stored / self.db_per_neper).to(intensity.dtype)
        loudest = intensity.amax(2, keepdim=True)
        if self.is_amt:
            left, right = split_ears(loudest)
            both = torch.maximum(left, right)
            loudest = torch.cat([both, both])
        return torch.clamp(loudest, min=self.least_maximum) * below

    def relevance(self, intensity: Tensor) -> Tensor:
        """Whether each bin is loud enough in its frame, bool of the same shape; False in frames with NaN."""
        return intensity > self.threshold(intensity) + intensity[:, :, :1]

    def packed(self, intensity: Tensor) -> Tuple[Tensor, Tensor]:
        """Frequencies and levels (B, S, 958) of the relevant components among (B, S, K)."""
        columns = intensity.shape[2]
        # No window serves the first columns, so they are never relevant.
        first = self.first_bin if self.contiguous_bins and not self.learnable else 1
        relevant = self.relevance(intensity)[:, :, first:]
        numbers = self.bin_numbers[first:columns]
        if self.learnable:
            slots = max(self.components, int((self.serving_windows() >= 0).sum()))
            bins = pack(relevant, numbers, columns - 1)[:, :, :slots]
        else:
            bins = pack(relevant, numbers, self.slots)
        level = self.db_per_neper * torch.log(intensity + self.added_intensity[:columns])
        indices = bins.to(torch.long)
        # Looked up, because the converter to float16 cannot handle a cast from integers. In as many rows as
        # levels, because the whole model takes a third longer in ONNX Runtime with a table of one row. The
        # zeros look computed: see `pack`.
        freqs = torch.full_like(level, 0.0) + self.frequencies[:columns]
        return torch.gather(freqs, 2, indices), torch.gather(level, 2, indices)

    def forward(self, audio: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """Spectrum of both ears.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, T) or (2, T)], full scale +-1

        Returns
        -------
        freqs_left, levels_left, freqs_right, levels_right : Tensor [shape=(B, S, 958) or (S, 958)]
            Hz and dB SPL; zeros after the last component. All levels of a frame that is not
            finite are NaN.

        Raises
        ------
        ValueError
            For audio that is not stereo, or shorter than one frame.
        """
        signal = as_batch(audio, 3, self.added_intensity, "audio")
        if signal.shape[1] != 2:
            raise ValueError(f"audio has {signal.shape[1]} channels; 2 are needed")
        found = self.stream_frames(signal, 0)
        if audio.dim() == 2:
            found = [values.squeeze(0) for values in found]
        return found[0], found[1], found[2], found[3]

    def stream_frames(self, heard: Tensor, frames: int) -> List[Tensor]:  # noqa: ARG002
        """The four outputs (B, S, 958) of all frames in (B, 2, T); see `FramedModule`."""
        freqs, levels = self.packed(self.intensities(merge_ears(heard)))
        freqs_left, freqs_right = split_ears(freqs)
        levels_left, levels_right = split_ears(levels)
        return [freqs_left, levels_left, freqs_right, levels_right]

    @torch.no_grad()
    def near_threshold(self, *inputs: Tensor) -> Tensor:
        """Frames (B, S) with a component within `NEAR_DB` of the relevance threshold, in either ear."""
        (audio,) = inputs
        intensity = self.intensities(merge_ears(audio.to(self.added_intensity.dtype)))
        excess = intensity / self.threshold(intensity)
        margin = 10.0 ** (NEAR_DB / 10.0)
        left, right = split_ears(((excess > 1.0 / margin) & (excess < margin)).any(2))
        return left | right

    def centre_frequencies(self) -> list[float]:
        """Frequencies of all components in Hz; the output has the relevant ones, packed."""
        return [number * design.BIN_WIDTH for number in self.served_bins]

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"fs={self.fs:g}, segment_duration={self.segment_duration} ms, "
            f"hop={self.hop_length}, db_max={self.db_max:g}, learnable={self.learnable}, "
            f"reference={self.reference}"
        )
