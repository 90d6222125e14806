"""Sparse multi-resolution spectrum of both ears after Moore et al. (2016)."""

import math
from typing import ClassVar, List, Tuple, cast  # noqa: UP035  (TorchScript reads these)

import torch
from torch import Tensor, nn

from amt_export.design import moore_spectrum as design
from amt_export.modules.base import AuditoryModule, as_batch, exact
from amt_export.modules.levels import DB_PER_NEPER, spoiled
from amt_export.modules.packing import packed
from amt_export.modules.ports import Port

# Slots of the output: the bins in [20, 15000) Hz.
COMPONENTS = 958
# Longest piece of a frame that is laid out in memory. Longer windows have few bins; the products of
# their pieces are added instead.
UNIT = 512
# dB; below the maximum of a frame, or what 1000 (30 dB) is above it, a component is inaudible.
THRESHOLD_MAX_MINUS = 60.0
THRESHOLD_ABSOLUTE = -30.0
LEAST_MAXIMUM = 1000.0
LEAST_INTENSITY = 1e-12


class SpectrumBand(nn.Module):
    """Cosine and sine columns of one window for its bins: two (rows, pieces * bins) buffers."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, hop_blocks: int) -> None:
        super().__init__()
        self.hop_blocks = hop_blocks
        self.rows = 0
        self.pieces = 1
        self.bins = 0
        self.first = 0

    def set_columns(self, cosine: Tensor, sine: Tensor, bins: int, like: Tensor) -> None:
        """Cast once and keep; no bins are kept as one that is zero."""
        self.register_buffer("cosine", cosine.to(like), persistent=False)
        self.register_buffer("sine", sine.to(like), persistent=False)
        self.bins = bins
        self.rows = cosine.shape[0]
        self.pieces = cosine.shape[1] // bins
        self.first = (design.LENGTH - self.rows * self.pieces) // 2 // design.BLOCK

    def project(self, laid: Tensor, columns: Tensor, frames: int) -> Tensor:
        """(B, 2, positions, rows) -> (B, 2, S, bins), one part of the spectrum."""
        last = (frames - 1) * self.hop_blocks + 1
        step = self.hop_blocks
        if self.pieces == 1:
            return laid[:, :, self.first : self.first + last : step] @ columns
        partial = laid @ columns
        part = partial[:, :, self.first : self.first + last : step, : self.bins]
        for piece in range(1, self.pieces):
            begin = self.first + piece * (self.rows // 32)
            left = piece * self.bins
            part = part + partial[:, :, begin : begin + last : step, left : left + self.bins]
        return part

    def intensity(self, laid: Tensor, frames: int) -> Tensor:
        """Intensity of the bins of this window, (B, 2, S, bins)."""
        re = self.project(laid, self.cosine, frames)
        im = self.project(laid, self.sine, frames)
        return re * re + im * im


class Moore2016Spectrum(AuditoryModule):
    """Levels of the audible spectral components of both ears, every millisecond.

    Six symmetric Hann windows of 2048 to 64 samples share the middle of each frame; window i gives
    the bins of its band, intensity (2 |rfft| / 2048)^2 10^(3.32/10) 10^(db_max/10) 2^i. Components
    within 60 dB of the frame's maximum are packed to the left, in ascending frequency; the rest
    of the 958 slots is 0 in frequency and level. No FFT: each window is a matrix product of its
    samples with the bins it serves.

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
    (B, S, 958) in Hz and dB SPL; without B when audio is (2, T). S = (T - 2048) // hop.

    Raises
    ------
    ValueError
        For another sampling rate, or values out of range.

    References
    ----------
    .. [1] B. C. J. Moore, B. R. Glasberg, A. Varathanathan and J. Schlittenlacher, "A loudness
       model for time-varying sounds incorporating binaural inhibition", Trends in Hearing 20
       (2016).
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("audio", ("batch", "ear", "time"), "full scale"),
    )
    output_ports: ClassVar[tuple[Port, ...]] = tuple(
        Port(f"{name}_{ear}", ("batch", "frame", "component"), unit, kind, floor)
        for ear in ("left", "right")
        for name, unit, kind, floor in (
            ("freqs", "Hz", "frequency", None),
            ("levels", "dB SPL", "db", None),
        )
    )

    freq_limits: Tensor
    threshold_max_minus: Tensor
    threshold_absolute: Tensor
    frequencies: Tensor
    order: Tensor
    below_maximum: Tensor
    empty: Tensor
    all_windows: Tensor

    def __init__(
        self,
        fs: float = design.FS,
        segment_duration: int = 1,
        db_max: float = 93.98,
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
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
        self.components = COMPONENTS
        self.least_maximum, self.least_intensity = LEAST_MAXIMUM, LEAST_INTENSITY
        self.in_order = True
        self.db_per_neper = DB_PER_NEPER
        limits = torch.tensor(design.FREQ_LIMITS, dtype=torch.float64)
        below = torch.tensor(THRESHOLD_MAX_MINUS, dtype=torch.float64)
        absolute = torch.tensor(THRESHOLD_ABSOLUTE, dtype=torch.float64)
        self.declare("freq_limits", limits, learnable, dtype)
        self.declare("threshold_max_minus", below, learnable, dtype)
        self.declare("threshold_absolute", absolute, False, dtype)
        for i, length in enumerate(design.WINDOW_LENGTHS):
            self.declare(f"window_{i}", design.centred_window(length), False, dtype)
        count = len(design.WINDOW_LENGTHS)
        self.bands = nn.ModuleList(SpectrumBand(self.segment_duration) for _ in range(count))
        self.redesign()

    @torch.no_grad()
    def redesign(self) -> None:
        """Set the columns of every window for the bins it serves."""
        like = self.freq_limits
        limits = exact(self.freq_limits, self._designed["freq_limits"])
        frequencies = design.bin_frequencies(limits)
        served = serving_window(limits, frequencies)
        order, scaled = [], []
        for i, _ in enumerate(design.WINDOW_LENGTHS):
            band = cast("SpectrumBand", self.bands[i])
            window = exact(getattr(self, f"window_{i}"), self._designed[f"window_{i}"])
            scale = design.amplitude_scale(i, self.db_max)
            scaled.append(scale * window)
            bins = torch.nonzero(served == i)[:, 0] + 1
            order.append(bins - 1)
            if len(bins) == 0:  # keep one silent bin: empty tensors do not export
                bins, scale = bins.new_ones(1), 0.0
                order[-1] = bins.new_full((1,), len(frequencies))
            columns = design.band_columns(window, bins, scale, UNIT)
            band.set_columns(*columns, len(bins), like)
        placed = torch.cat(order)
        frequencies = torch.cat([frequencies, frequencies.new_zeros(1)])[placed]
        by_frequency = torch.argsort(placed)
        self.in_order = bool((by_frequency == torch.arange(len(placed)).to(like.device)).all())
        below = exact(self.threshold_max_minus, self._designed["threshold_max_minus"])
        self.set_buffer("order", by_frequency)
        self.set_buffer("frequencies", frequencies[by_frequency].to(like.dtype))
        self.set_buffer("below_maximum", torch.exp(-below / DB_PER_NEPER).to(like.dtype))
        self.set_buffer("empty", torch.zeros(1, dtype=like.dtype, device=like.device))
        self.set_buffer("all_windows", torch.stack(scaled).to(like.dtype))

    def set_buffer(self, name: str, value: Tensor) -> None:
        """Keep what forward multiplies with; it is not saved."""
        self.register_buffer(name, value, persistent=False)

    def frames(self, samples: int) -> int:
        """Number of frames of audio of this length.

        Raises
        ------
        ValueError
            If there is none.
        """
        count = (samples - 2048) // self.hop_length
        if count < 1:
            raise ValueError(
                f"audio has {samples} samples; one frame needs {2048 + self.hop_length}"
            )
        return count

    def intensities(self, audio: Tensor) -> Tensor:
        """Intensity of every component, relevant or not.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, T)]

        Returns
        -------
        Tensor [shape=(B, 2, S, N)]
            At the N `frequencies`.
        """
        frames = self.frames(audio.shape[2])
        blocks = audio.shape[2] // 32
        laid = audio[:, :, : blocks * 32].reshape(audio.shape[0], 2, blocks, 32)
        pieces: List[Tensor] = []  # noqa: UP006
        # Each position is laid out with 32, 64, ... 512 samples behind it, doubling each time;
        # the shortest window comes last in the list and is served first.
        laid_out: List[Tensor] = [laid]  # noqa: UP006
        for i in range(4):
            shift = 1 << i
            longer = laid_out[-1]
            longer = torch.cat([longer[:, :, :-shift], longer[:, :, shift:]], dim=3)
            laid_out.append(longer)
        for band in self.bands:
            for i in range(5):
                if 32 << i == band.rows:
                    pieces.append(band.intensity(laid_out[i], frames))  # type: ignore[operator]
        intensity = torch.cat(pieces, dim=3)
        if self.in_order:
            return intensity
        return intensity.index_select(3, self.order)

    def selected_intensities(self, audio: Tensor) -> Tensor:
        """The same in all 1024 bins by FFT, for limits that may have changed; not for export."""
        frames = self.frames(audio.shape[2])
        limits = exact(self.freq_limits, self._designed["freq_limits"])
        served = serving_window(limits, self.bin_frequencies())
        cut = audio.unfold(2, 2048, self.hop_length)[:, :, :frames]
        total = torch.zeros(1, dtype=audio.dtype, device=audio.device)
        for i in range(self.all_windows.shape[0]):
            spectrum = torch.view_as_real(torch.fft.rfft(cut * self.all_windows[i]))[:, :, :, 1:]
            intensity = (spectrum * spectrum).sum(-1)
            total = total + intensity * (served == i).to(intensity.dtype)
        # Only the bin at fs/2 is not doubled.
        doubled = torch.ones_like(served, dtype=audio.dtype)
        doubled[-1] = 0.25
        return total * doubled

    def bin_frequencies(self) -> Tensor:
        """Frequencies of bins 1 to 1024 in Hz, float64."""
        bins = torch.arange(1, 1025, dtype=torch.float64, device=self.empty.device)
        return bins * (32000.0 / 2048.0)

    def relevance(self, intensity: Tensor) -> Tensor:
        """1 for what is loud enough, else 0, in the dtype of `intensity` (B, 2, S, N).

        A frame that is not finite has no relevant component.
        """
        below = self.below_maximum
        if hasattr(self, "threshold_max_minus"):
            if self.learnable:
                stored = exact(self.threshold_max_minus, self._designed["threshold_max_minus"])
                below = torch.exp(-stored / self.db_per_neper).to(intensity.dtype)
        largest = torch.clamp(intensity.amax(3, keepdim=True), min=self.least_maximum)
        return (intensity > largest * below).to(intensity.dtype)

    def forward(self, audio: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:  # noqa: UP006
        """Spectrum of both ears.

        Parameters
        ----------
        audio : Tensor [shape=(B, 2, T) or (2, T)], full scale +-1

        Returns
        -------
        freqs_left, levels_left, freqs_right, levels_right : Tensor [shape=(B, S, 958) or (S, 958)]
            Hz and dB SPL; zeros behind the last component. All levels of a frame that is not
            finite are NaN.

        Raises
        ------
        ValueError
            For audio that is not stereo, or shorter than one frame.
        """
        signal = as_batch(audio, 3, self.empty, "audio")
        if signal.shape[1] != 2:
            raise ValueError(f"audio has {signal.shape[1]} channels; 2 are needed")
        freqs, levels = self.sparse(signal)
        if audio.dim() == 2:
            freqs, levels = freqs.squeeze(0), levels.squeeze(0)
            return freqs[0], levels[0], freqs[1], levels[1]
        return freqs[:, 0], levels[:, 0], freqs[:, 1], levels[:, 1]

    def sparse(self, signal: Tensor) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        """Packed frequencies and levels (B, 2, S, 958) of checked audio (B, 2, T)."""
        frequencies = self.frequencies
        if hasattr(self, "freq_limits") and self.learnable:
            intensity = self.selected_intensities(signal)
            frequencies = self.bin_frequencies().to(intensity.dtype)
        else:
            intensity = self.intensities(signal)
        relevant = self.relevance(intensity)
        place = torch.cumsum(relevant.to(torch.bool), 3)
        batch, ears, frames, count = intensity.shape
        empty = self.empty.expand(batch, ears, frames, max(count, self.components) + 1)
        level = self.db_per_neper * torch.log(intensity + self.least_intensity)
        levels = packed(level, relevant, place, empty)[:, :, :, : self.components]
        freqs = packed(frequencies.expand_as(level), relevant, place, empty)
        levels = spoiled(levels, intensity.sum(3, keepdim=True))
        return freqs[:, :, :, : self.components], levels

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.hop_length

    def frame_length(self) -> int:
        """Samples of audio in a frame."""
        return design.LENGTH

    def centre_frequencies(self) -> list[float]:
        """Frequencies of all components in Hz; the output has the relevant ones, packed."""
        return [float(f) for f in self.frequencies]

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"fs={self.fs:g}, segment_duration={self.segment_duration} ms, "
            f"hop={self.hop_length}, db_max={self.db_max:g}, learnable={self.learnable}"
        )


def serving_window(limits: Tensor, frequencies: Tensor) -> Tensor:
    """Window (1024,) that serves each frequency (1024,), -1 for none; the later one counts."""
    served = torch.full_like(frequencies, -1.0)
    for i in range(limits.shape[0]):
        inside = (frequencies >= limits[i, 0]) & (frequencies < limits[i, 1])
        served = torch.where(inside, torch.full_like(served, float(i)), served)
    return served
