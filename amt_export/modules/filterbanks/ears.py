"""Outer and middle ear as FIR filters."""

from typing import ClassVar, List, Tuple

import numpy as np
import torch
from torch import Tensor

from amt_export.design.ears import (
    LARGEST_ORDER,
    LOWEST_RATE,
    Real,
    middle_ear_response,
    outer_ear_response,
)
from amt_export.manifest.ports import Port, State
from amt_export.modules.base import checked_dtype
from amt_export.modules.filterbanks.audio_filter import AudioFilter
from amt_export.modules.filterbanks.centre_frequencies import checked_rate
from amt_export.numerics.double_float import split_rows
from amt_export.numerics.fir import convolution_matrix, main_lobe, overlapping

# Samples that one row of the product gives. Shorter blocks make smaller products, longer ones look back on
# the same samples less often; this is within 10 % of the best in ONNX Runtime, whole and as a stream of 512.
BLOCK = 64
# Taps above this share of the largest are the main lobe, half a hundred of 513. With more, nothing gets better.
LOBE = 2.0**-5


class EarFilter(AudioFilter):
    """Base class of the ears: an FIR filter in block form.

    y = [past | x] C for a block x of L samples and the M samples before it, with C (M + L, L) the Toeplitz
    matrix of the impulse response (M + 1,). Causal: the delay of the filter is kept.

    The sum over the main lobe rounds once, see `numerics.double_float`. A plain sum of 513 float32 products
    leaves noise far below a tone at 4 kHz. The middle ear, whose gain is 15 dB higher at 1 kHz, and the
    compression after it amplify that noise to 4e-4 of the peak of the channels there. With the split it is
    1e-5.
    """

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "time"), "Pa"),)
    states: ClassVar[tuple[State, ...]] = (State("samples", "the last samples, in Pa"),)

    head: Tensor
    rest: Tensor

    def __init__(self, fs: float, order: int = 512, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        checked_dtype(dtype, self)
        if order % 2 or not 2 <= order <= LARGEST_ORDER:
            raise ValueError(f"order is {order}; it must be even, 2 to {LARGEST_ORDER}")
        if checked_rate(fs) <= LOWEST_RATE:
            raise ValueError(f"fs is {fs:g} Hz; ears are known from {LOWEST_RATE:g} Hz upwards")
        self.fs = fs
        self.order = order
        self.learnable = False
        self.dtype = dtype
        self.block = BLOCK
        self.past, self.lobe_start, self.lobe_end = 0, 0, 0
        self.register_buffer("head", torch.zeros(0, dtype=dtype), persistent=False)
        self.register_buffer("rest", torch.zeros(0, dtype=dtype), persistent=False)
        self.update_coefficients()

    def response(self) -> Real:
        """Impulse response (M + 1,), float64."""
        raise NotImplementedError

    def update_coefficients(self) -> None:
        """Lay out the matrix as the head of its main lobe and the rest."""
        taps = torch.from_numpy(self.response())
        lobe = main_lobe(taps, LOBE)
        self.past = len(taps) - 1
        # Rows that tap k fills: of the sample k before the block to that k before its end.
        self.lobe_start = len(taps) - len(lobe.head) - lobe.first
        self.lobe_end = self.past - lobe.first + self.block
        self.head = convolution_matrix(lobe.head, self.block).to(self.head)
        self.rest = convolution_matrix(lobe.rest, self.block).to(self.rest)

    def like(self) -> Tensor:
        """A tensor of the dtype that is computed in."""
        return self.rest

    def initial_states(self, batch: int) -> List[Tensor]:
        """Silence before the first block."""
        return [torch.zeros(batch, self.past, dtype=self.rest.dtype, device=self.rest.device)]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Filter one block; see `AuditoryModule.step`."""
        heard = torch.cat([states[0], audio], dim=1)
        samples = audio.shape[1]
        rows = overlapping(heard, self.past + self.block, self.block)
        large, small = split_rows(rows[:, :, self.lobe_start : self.lobe_end])
        filtered = large @ self.head + (small @ self.head + rows @ self.rest)
        return [filtered.flatten(1)[:, :samples]], [heard[:, samples:]]

    def prepare_for_stream(self, block: int) -> None:
        """Any block will do."""
        self.block = min(block, BLOCK)

    def warm_up(self) -> int:
        """Samples of memory."""
        return self.past

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return f"fs={self.fs:g}, order={self.order}"


class OuterEarFilter(EarFilter):
    """Outer ear: from the pressure in a diffuse field to the pressure at the eardrum.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, above 250.
    order : int
        Of the FIR filter: even, 2 to 1022. Its delay of order/2 samples is kept.
    dtype : torch.dtype
        Of the computation and the output. The filter is designed in float64 in any case.

    Shape
    -----
    audio (B, T) in Pa -> pressure (B, T) in Pa; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] D. Pralong and S. Carlile, "The role of individualized headphone calibration for the generation of
       high fidelity virtual auditory space", J. Acoust. Soc. Am. 100, 3785-3793 (1996).

    Examples
    --------
    >>> ear = OuterEarFilter(16000, order=64)
    >>> ear(torch.ones(1, 100)).shape
    torch.Size([1, 100])
    """

    output_ports: ClassVar[tuple[Port, ...]] = (Port("pressure", ("batch", "time"), "Pa"),)

    def response(self) -> Real:
        """Impulse response (order + 1,), float64."""
        return outer_ear_response(self.fs, self.order)


class MiddleEarFilter(EarFilter):
    """Middle ear: from the pressure at the eardrum to the velocity of the stapes.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, above 250.
    order : int
        Of the FIR filter, which has minimum phase: even, 2 to 1022.
    dtype : torch.dtype
        Of the computation and the output. The filter is designed in float64 in any case.

    Shape
    -----
    audio (B, T) in Pa -> velocity (B, T) in m/s; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.

    References
    ----------
    .. [1] R. L. Goode, M. Killion, K. Nakamura and S. Nishihara, "New knowledge about the function of the human
       middle ear: development of an improved analog model", Am. J. Otol. 15, 145-154 (1994).
    .. [2] E. A. Lopez-Poveda and R. Meddis, "A human nonlinear cochlear filterbank",
       J. Acoust. Soc. Am. 110, 3107-3118 (2001).

    Examples
    --------
    >>> ear = MiddleEarFilter(16000, order=64)
    >>> ear(torch.ones(1, 100)).shape
    torch.Size([1, 100])
    """

    output_ports: ClassVar[tuple[Port, ...]] = (Port("velocity", ("batch", "time"), "m/s"),)

    def response(self) -> Real:
        """Impulse response (order + 1,), float64."""
        return middle_ear_response(self.fs, self.order)


class BothEars(EarFilter):
    """`OuterEarFilter` and `MiddleEarFilter` as one filter, of the sum of their orders.

    It takes less time than the two in series, and no rounding of the samples between them is amplified by the
    middle ear. `CASPFrontEnd` has it in front.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, above 250.
    order : int
        Of each ear.
    dtype : torch.dtype

    Shape
    -----
    audio (B, T) in Pa -> velocity (B, T) in m/s; without B when audio has none.

    Examples
    --------
    >>> ears = BothEars(16000, order=64)
    >>> sound = torch.ones(1, 100)
    >>> apart = ears(sound) - MiddleEarFilter(16000, order=64)(OuterEarFilter(16000, order=64)(sound))
    >>> bool(apart.abs().max() < 1e-10)
    True
    """

    output_ports: ClassVar[tuple[Port, ...]] = MiddleEarFilter.output_ports

    def response(self) -> Real:
        """Impulse response (2 order + 1,), float64."""
        outer = outer_ear_response(self.fs, self.order)
        both: Real = np.convolve(outer, middle_ear_response(self.fs, self.order)).astype(np.float64)
        return both
