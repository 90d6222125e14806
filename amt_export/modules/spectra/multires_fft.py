"""Power spectral density with six windows, long for low and short for high frequencies."""

from typing import ClassVar, List, Tuple, cast

import torch
from torch import Tensor, nn

from amt_export.design.multires import (
    THRESHOLDS,
    alignment,
    checked_windows,
    framed_columns,
    read_positions,
    read_table,
)
from amt_export.manifest.ports import Port
from amt_export.modules.base import as_batch, unrounded
from amt_export.modules.centred import CentredModule
from amt_export.modules.filterbanks.centre_frequencies import checked_rate
from amt_export.modules.reference import DOCUMENTED, TORCH_AMT, checked_reference
from amt_export.modules.spectra.window_band import WindowBand
from amt_export.numerics.blocks import pad_end
from amt_export.numerics.dft import hann


class MultiResolutionFFT(CentredModule):
    """Short-time power spectral density whose time resolution rises with frequency.

    |STFT|^2 / (sum(window^2) fs) with periodic Hann windows, frames centred at k hop (reflected
    ends), no one-sided doubling: a tone of 94 dB SPL reads 90.3 dB after `ERBIntegration`, half of
    its power and the Hann window's share outside the band missing. Band i belongs to window i.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    window_lengths : list of int, optional
        At most six, in samples; sorted descending. Default 2048, 1024, 512, 256, 128, 64.
    hop_fraction : float
        Hop of each window as a fraction of its length, in (0, 1].
    learnable : bool
        Make `freq_thresholds` a parameter. It selects bins: there is no gradient.
    reference : {"documented", "torch_amt"}
        "documented": a reference frame is the mean of the short frames within its hop, read at the
        reference frequencies by linear interpolation. "torch_amt": what torch_amt 0.2.0 computes;
        frame k of every window stands in frame k, so their times differ, the bins of a band are
        stretched over it, and Nyquist is 0.

    Attributes
    ----------
    freq_thresholds : Tensor [shape=(5,)], Hz
    window_2048, ... : Tensor [shape=(length,)]
    hop_lengths, window_power : dict of int
        Hop in samples and sum(window^2), by window length.

    Shape
    -----
    audio (B, T) in Pa -> psd (B, S, K) in Pa^2/Hz, freqs (K,) in Hz; psd without B when audio has
    none. K = W/2 + 1 and S = 1 + T // hop for the longest window W; T > W/2.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] B. R. Glasberg and B. C. J. Moore, "A model of loudness applicable to time-varying
       sounds", J. Audio Eng. Soc. 50, 331-342 (2002).

    Examples
    --------
    >>> psd, freqs = MultiResolutionFFT()(torch.zeros(1, 3072))
    >>> psd.shape, freqs[:3]
    (torch.Size([1, 4, 1025]), tensor([ 0.0000, 15.6250, 31.2500]))
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "time"), "Pa"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("psd", ("batch", "frame", "frequency"), "Pa^2/Hz"),
        Port("freqs", ("frequency",), "Hz", "frequency"),
    )

    freq_thresholds: Tensor
    freqs: Tensor
    reading: Tensor
    room: Tensor

    def __init__(
        self,
        fs: float = 32000,
        window_lengths: list[int] | None = None,
        hop_fraction: float = 0.5,
        learnable: bool = False,
        reference: str = DOCUMENTED,
    ) -> None:
        super().__init__()
        if not 0 < hop_fraction <= 1:
            raise ValueError(f"hop_fraction is {hop_fraction}; it must be in (0, 1]")
        self.fs = checked_rate(fs)
        self.hop_fraction = hop_fraction
        self.learnable = learnable
        self.reference = checked_reference(reference, (DOCUMENTED, TORCH_AMT))
        self.is_aligned = reference == DOCUMENTED
        self.window_lengths = checked_windows(window_lengths, hop_fraction)
        self.longest = self.window_lengths[0]
        self.reference_hop = int(self.longest * hop_fraction)
        self.samples = -1
        self.hop_lengths: dict[int, int] = {}
        self.window_power: dict[int, float] = {}
        thresholds = torch.tensor(THRESHOLDS, dtype=torch.float64)
        self.register_design_value("freq_thresholds", thresholds, learnable, torch.float32)
        bands = []
        for length in self.window_lengths:
            window = hann(length, periodic=True)
            self.register_design_value(f"window_{length}", window, False, torch.float32)
            hop = int(length * hop_fraction)
            self.hop_lengths[length] = hop
            self.window_power[length] = float((window * window).sum())
            margin = self.longest // 2 - length // 2
            bands.append(WindowBand(length, hop, margin, self.reference_hop))
        self.bands = nn.ModuleList(bands)
        # Samples by which the last frame, in whole hops, can reach beyond the reflected end.
        reach = [band.parts * band.hop + band.margin for band in bands]
        self.beyond = max(0, *reach) - self.longest // 2 * 2
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Set the columns of every window and the table that reads their squares."""
        like = self.freq_thresholds
        position, selected = self.positions()
        tables = []
        for i, length in enumerate(self.window_lengths):
            band = cast("WindowBand", self.bands[i])
            name = f"window_{length}"
            window = unrounded(getattr(self, name), self._designed[name])
            first, table = read_table(position[i], selected[i], length // 2)
            scale = (self.window_power[length] * self.fs) ** -0.5
            columns = framed_columns(window, first, table.shape[0], band.hop, scale)
            band.register_buffer("window", (scale * window).to(like.dtype), persistent=False)
            band.set_columns(columns, like)
            index, weight = alignment(max(self.samples, 0), band.hop, self.reference_hop, like)
            band.register_buffer("index", index, persistent=False)
            band.register_buffer("weight", weight, persistent=False)
            band.samples = self.samples
            tables += [table, table]  # for Re^2 and Im^2
        # Most of it is zeros, which Core ML files store (1 MB). Gathering two bins for each frequency instead
        # takes ONNX Runtime three times as long as this product (580 and 180 us for 32 frames).
        reading = torch.cat(tables).to(like.dtype)
        self.register_buffer("reading", reading, persistent=False)
        bins = torch.arange(self.longest // 2 + 1, dtype=torch.float64, device=like.device)
        freqs = bins * (self.fs / self.longest)
        self.register_buffer("freqs", freqs.to(like.dtype), persistent=False)
        room = torch.zeros(1, max(self.beyond, 0), dtype=like.dtype, device=like.device)
        self.register_buffer("room", room, persistent=False)

    def positions(self) -> Tuple[Tensor, Tensor]:
        """Result of `read_positions` for the current thresholds."""
        thresholds = unrounded(self.freq_thresholds, self._designed["freq_thresholds"])
        return read_positions(thresholds, self.window_lengths, float(self.fs), self.is_aligned)

    def reflected(self, audio: Tensor) -> Tensor:
        """W/2 samples mirrored at either end, (B, T + W): as torch.stft centres its frames."""
        half = self.longest // 2
        samples = audio.shape[1]
        parts = [
            audio[:, 1 : half + 1].flip(1),
            audio,
            audio[:, samples - 1 - half : samples - 1].flip(1),
        ]
        if self.beyond > 0:
            parts.append(self.room.expand(audio.shape[0], self.beyond))
        return torch.cat(parts, dim=1)

    def select(self, padded: Tensor, samples: int) -> Tensor:
        """The density by way of all bins of all windows, for thresholds that may have changed."""
        position, selected = self.positions()
        psd: List[Tensor] = []
        for i, band in enumerate(self.bands):
            power = band.full_power(padded, samples)  # type: ignore[operator]
            if self.is_aligned:
                power = band.aligned(power, samples)  # type: ignore[operator]
            lower = torch.floor(position[i])
            share = (position[i] - lower).to(power.dtype)
            index = lower.to(torch.long)
            upper = torch.clamp(index + 1, max=power.shape[2] - 1)
            read = power.index_select(2, index) * (1.0 - share)
            read = (read + power.index_select(2, upper) * share) * selected[i].to(power.dtype)
            psd.append(read[:, : samples // self.reference_hop + 1])
        return torch.stack(psd).sum(0)

    def forward(self, audio: Tensor) -> Tuple[Tensor, Tensor]:
        """Spectrum.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], Pa

        Returns
        -------
        psd : Tensor [shape=(B, S, K) or (S, K)], Pa^2/Hz
        freqs : Tensor [shape=(K,)], Hz

        Raises
        ------
        ValueError
            For audio of W/2 samples or less.
        """
        signal = as_batch(audio, 2, self.freqs, "audio")
        samples = signal.shape[1]
        if samples <= self.longest // 2:
            raise ValueError(
                f"audio has {samples} samples; more than {self.longest // 2} are needed"
            )
        padded = self.reflected(signal)
        if self.learnable:
            psd = self.select(padded, samples)
        else:
            squares: List[Tensor] = []
            for band in self.bands:
                frames = samples // band.hop + 1  # type: ignore[operator]
                power = band.squares(padded, band.margin, frames)  # type: ignore[operator]
                if self.is_aligned:
                    power = band.aligned(power, samples)  # type: ignore[operator]
                squares.append(power[:, : samples // self.reference_hop + 1])
            psd = torch.cat(squares, dim=2) @ self.reading
        if audio.dim() == 1:
            psd = psd.squeeze(0)
        return psd, self.freqs

    def get_window_selection_map(self) -> tuple[Tensor, Tensor]:
        """Window that serves each frequency.

        Returns
        -------
        freqs : Tensor [shape=(K,)], Hz
        index : Tensor [shape=(K,)], long
            Into `window_lengths`.
        """
        thresholds = unrounded(self.freq_thresholds, self._designed["freq_thresholds"])
        lengths = self.window_lengths
        _, selected = read_positions(thresholds, lengths, float(self.fs), aligned=True)
        return self.freqs, selected.argmax(0)

    def prepare_for_length(self, samples: int | None) -> None:
        """Keep the alignment of frames for audio of this length."""
        if samples is not None:
            self.samples = samples

    def prepare_for_stream(self, block: int) -> None:
        """Blocks are whole hops, and the hop of every window divides that of the longest.

        Raises
        ------
        ValueError
            Otherwise, and for frames that do not stand at one time.
        """
        if not self.is_aligned:
            raise ValueError(
                f"reference={self.reference!r} has no streaming form: its windows stand at other times"
            )
        for length, hop in self.hop_lengths.items():
            if self.reference_hop % hop:
                raise ValueError(
                    f"no streaming form: the hop of window {length}, {hop}, does not divide the "
                    f"longest window's, {self.reference_hop}"
                )
        super().prepare_for_stream(block)

    def history_samples(self) -> int:
        """Samples before a block that its frames depend on."""
        return self.look_ahead() + self.lead_frames() * self.reference_hop

    def centred_frames(
        self, heard: Tensor, frames: int, before: Tensor, beyond: Tensor
    ) -> List[Tensor]:
        """Outputs of one block; see `CentredModule`."""
        over = max(band.overhang() for band in self.bands)  # type: ignore[operator]
        padded = pad_end(heard, max(0, over - self.lead_frames() * self.reference_hop), 1)
        # The signal, counted from the centre of the first reference frame.
        early = self.lead_frames() * self.reference_hop
        first = early - before
        last = early + frames * self.reference_hop - beyond
        squares: List[Tensor] = []
        for band in self.bands:
            power = band.centred(padded, self.look_ahead(), frames, first, last)  # type: ignore[operator]
            squares.append(power)
        return [torch.cat(squares, dim=2) @ self.reading, self.freqs]

    def lead_frames(self) -> int:
        """0 for the usual hops: the block that begins with a frame's centre completes it."""
        return -(-self.look_ahead() // self.reference_hop) - 1

    def latency(self) -> int:
        """Half the longest window."""
        return self.look_ahead()

    def centre_frequencies(self) -> list[float]:
        """Frequencies of the bins in Hz."""
        return [float(f) for f in self.freqs]

    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.reference_hop

    def frame_length(self) -> int:
        """0: the first frame stands at the first sample."""
        return 0

    def look_ahead(self) -> int:
        """Samples after the centre of a frame that reach into it: half a window."""
        reach = [self.reference_hop // 2 + length // 2 for length in self.window_lengths[1:]]
        return max([self.longest // 2, *reach])

    def warm_up(self) -> int:
        """As many before the centre."""
        return self.look_ahead()

    def padding(self) -> str:
        """Frames are centred by mirroring the audio at its ends."""
        return "reflect"

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"fs={self.fs:g}, window_lengths={self.window_lengths}, "
            f"hop_fraction={self.hop_fraction:g}, learnable={self.learnable}, "
            f"reference={self.reference!r}"
        )
