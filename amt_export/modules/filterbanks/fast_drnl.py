"""Dual-resonance nonlinear filterbank with frozen impulse responses, by FFT convolution."""

import warnings
from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.manifest.ports import State
from amt_export.modules.base import as_batch, unrounded
from amt_export.modules.filterbanks.drnl_parameters import DRNLParameters
from amt_export.modules.filterbanks.fft_convolution import FilterSpectrum, TorusTransform
from amt_export.modules.reference import DOCUMENTED
from amt_export.numerics.good_thomas import (
    best_torus,
    inverse,
    ordered_inverse,
    precise_transform,
    product,
    single_torus,
    total,
    transform,
)
from amt_export.recurrence.tables import impulse_response

# Audio length for which an eager module chooses its transform; `freeze` knows better.
TYPICAL_SAMPLES = 44100
# A response that keeps more than this share of its energy after ir_length is reported (-60 dB).
MAX_LOST_ENERGY = 1e-6
# Channels that the warning names, so that it stays one line.
MOST_NAMED = 6

RESPONSES = ("ir_lin", "ir_nlin_1", "ir_nlin_2")


class FastDRNLFilterbank(DRNLParameters):
    """`DRNLFilterbank` with its filters frozen as impulse responses of `ir_length` samples.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or tuple of two float
        Centre frequencies in Hz, as in `DRNLFilterbank`.
    fs : float
        Sampling rate in Hz.
    n_channels : int
        Used with a tuple.
    subject, model : str
        As in `DRNLFilterbank`.
    learnable : bool
        Make a, b and c parameters; the filters stay as they are.
    dtype : torch.dtype
        Of the computation and the output. The responses are computed in float64 in any case.
    ir_length : int
        Samples. Channels that lose more than -60 dB of a response's energy are named in a warning.
    reference : {"documented", "amt"}
        As in `DRNLFilterbank`.

    Attributes
    ----------
    ir_lin : Tensor [shape=(F, ir_length)]
        Response of the linear path. `ir_lin_flipped`, its reversed copy, is kept for torch_amt's
        checkpoints; so are those of the other two.
    ir_nlin_1 : Tensor [shape=(F, ir_length)]
        Response of the first gammatone of the nonlinear path.
    ir_nlin_2 : Tensor [shape=(F, ir_length)]
        Response of the second gammatone of the nonlinear path with the low-passes.

    Shape
    -----
    audio (B, T), stapes velocity in m/s -> velocity (B, F, T) in m/s; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range or unknown names, with the value in the message.

    References
    ----------
    .. [1] I. J. Good, "The interaction algorithm and practical Fourier analysis", J. R. Stat. Soc. B
       20, 361-372 (1958).
    .. [2] `DRNLFilterbank`

    Examples
    --------
    >>> fast = FastDRNLFilterbank((1000.0, 8000.0), 44100, n_channels=4, ir_length=2048)
    >>> fast(torch.zeros(1, 441)).shape
    torch.Size([1, 4, 441])
    """

    states: ClassVar[tuple[State, ...]] = (
        State("samples", "the last ir_length - 1 samples of audio"),
        State("tail", "what the responses to the audio so far add to the samples to come"),
    )

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n_channels: int = 50,
        subject: str = "NH",
        model: str = "paulick2024",
        learnable: bool = False,
        dtype: torch.dtype = torch.float32,
        *,
        ir_length: int = 4096,
        reference: str = DOCUMENTED,
    ) -> None:
        trained = ("a", "b", "c") if learnable else ()
        super().__init__(fc, fs, n_channels, subject, model, trained, dtype, reference)
        if ir_length < 1:
            raise ValueError(f"ir_length is {ir_length}; at least one sample is needed")
        self.ir_length = ir_length
        paths = (
            self.linear_path(),
            self.nonlinear_filter(0),
            self.nonlinear_filter(self.lp_nlin),
        )
        # Four times `ir_length`, to measure the energy that is cut off.
        long = [impulse_response(path, 4 * ir_length) for path in paths]
        self._report_losses(long)
        for name, response in zip(RESPONSES, long, strict=True):
            kept = response[:, :ir_length].contiguous()
            self.register_design_value(name, kept, False, dtype)
            self.register_design_value(name + "_flipped", kept.flip(-1), False, dtype)
        self.transform = TorusTransform()
        self.spectrum_lin = FilterSpectrum()
        self.spectrum_nlin_1 = FilterSpectrum()
        self.spectrum_nlin_2 = FilterSpectrum()
        self.prepare_for_length(TYPICAL_SAMPLES)
        self.update_coefficients()

    def _report_losses(self, responses: list[Tensor]) -> None:
        share = torch.stack(
            [(r[:, self.ir_length :] ** 2).sum(-1) / (r**2).sum(-1) for r in responses]
        )
        lossy = (share > MAX_LOST_ENERGY).any(dim=0)
        if bool(lossy.any()):
            centre = self._designed["fc"][lossy]
            worst = 10.0 * torch.log10(share.max())
            named = ", ".join(f"{float(f):.0f}" for f in centre[:MOST_NAMED])
            more = f" and {len(centre) - MOST_NAMED} more" if len(centre) > MOST_NAMED else ""
            warnings.warn(
                f"ir_length={self.ir_length} cuts off up to {float(worst):.0f} dB of the energy of a "
                f"response (more than -60 dB) in the channels at {named} Hz{more}; use a longer ir_length",
                stacklevel=3,
            )

    def prepare_for_length(self, samples: int | None) -> None:
        """Transform length for audio of `samples` samples."""
        if samples is not None:
            self.n1, self.n2 = best_torus(samples, self.ir_length)
            self.new_samples = 0

    def prepare_for_stream(self, block: int) -> None:
        """One transform holds a block and the responses' length.

        Raises
        ------
        ValueError
            For responses of one sample, which need no state.
        """
        if self.ir_length == 1:
            raise ValueError("ir_length is 1; at least 2 samples are needed for a streaming form")
        self.n1, self.n2 = single_torus(block, self.ir_length)
        self.new_samples = block

    def _response(self, name: str) -> Tensor:
        """Filter taps in float64: the stored ones; the reversed copy counts where it was changed."""
        stored = unrounded(getattr(self, name), self._designed[name])
        designed = self._designed[name + "_flipped"]
        reverse = unrounded(getattr(self, name + "_flipped"), designed)
        changed = reverse != designed.to(reverse.device)
        return torch.where(changed.flip(-1), reverse.flip(-1), stored)

    def update_coefficients(self) -> None:
        """Set the spectra of the filters and the compression from the parameters."""
        with torch.no_grad():
            self.transform.design(self.n1, self.n2, self.ir_length, self.fc, self.new_samples)
            into, out_of = self.gains_around_compression()
            for name, gain in zip(RESPONSES, (torch.ones_like(into), into, out_of), strict=True):
                spectrum: FilterSpectrum = getattr(self, "spectrum_" + name[3:])
                taps = self._response(name) * gain[:, None]
                spectrum.design(taps, self.n1, self.n2, self.fc)
        self.keep_compression()

    def forward(self, audio: Tensor) -> Tensor:
        """Filter from silence.

        Parameters
        ----------
        audio : Tensor [shape=(B, T) or (T,)], m/s

        Returns
        -------
        Tensor [shape=(B, F, T) or (F, T)], m/s
        """
        signal = as_batch(audio, 2, self.linear_gain, "audio")
        pieces = self.transform.pieces(signal, self.transform.silence(signal.shape[0]))
        velocity = self.transform.joined(self.convolved(pieces), signal.shape[1])
        if audio.dim() == 1:
            return velocity.squeeze(0)
        return velocity

    def initial_states(self, batch: int) -> List[Tensor]:
        """States of silence."""
        past = self.transform.silence(batch)
        return [past, past.new_zeros(batch, self.num_channels, past.shape[1])]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block; see `AuditoryModule.step`."""
        pieces = self.transform.pieces(audio, states[0])
        velocity, tail = self.transform.continued(self.convolved(pieces), states[1])
        heard = torch.cat([states[0], audio], dim=1)
        return [velocity], [heard[:, audio.shape[1] :], tail]

    def convolved(self, pieces: Tensor) -> Tensor:
        """Both paths of pieces (B, 1, P, N1, N2) with their past: (B, F, P, N), to be overlapped and added."""
        to = self.transform.matrices()
        precise = self.transform.split_matrices()
        new = self.transform.new_samples
        # Overlap-save up to the compression ...
        resonant = inverse(
            product(precise_transform(pieces, precise), self.spectrum_nlin_1.spectrum()), to
        )
        compressed = self.compressed(resonant * new)
        # ... and overlap-add after it, where both paths share one inverse transform.
        spectrum = total(
            product(precise_transform(pieces * new, precise), self.spectrum_lin.spectrum()),
            product(transform(compressed, to), self.spectrum_nlin_2.spectrum()),
        )
        return ordered_inverse(spectrum, self.transform.ordered())

    def warm_up(self) -> int:
        """Samples of memory: two finite responses in series."""
        return 2 * (self.ir_length - 1)
