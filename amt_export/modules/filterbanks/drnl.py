"""Dual-resonance nonlinear filterbank with recursive filters."""

from typing import ClassVar, List, Tuple

import torch
from torch import Tensor

from amt_export.design.drnl import PARAMETERS
from amt_export.manifest.ports import State
from amt_export.modules.filterbanks.drnl_parameters import DRNLParameters
from amt_export.modules.reference import DOCUMENTED
from amt_export.numerics.blocks import to_blocks, trim
from amt_export.numerics.double_float import shared_product
from amt_export.recurrence.block_length import BLOCK, stream_blocks, whole_blocks
from amt_export.recurrence.linear_filter import (
    LinearFilter,
    PartialOutput,
    differentiable_tables,
    filter_parts,
    output,
    sum_outputs,
)
from amt_export.recurrence.memory import settling_time
from amt_export.recurrence.prefix_scan import prefix_scan
from amt_export.recurrence.state_space import scale_input, scale_output
from amt_export.recurrence.tables import Tables

# The compression amplifies the first filter's tail by up to a = 1e4, where outputs are about 0.1: a tail of
# 1e-13 becomes 1e-8 of the output. After the compression 1e-9 is enough.
TAIL_BEFORE = 1e-13
TAIL_AFTER = 1e-9


class DRNLFilterbank(DRNLParameters):
    """Dual-resonance nonlinear filterbank (basilar-membrane velocity).

    A linear path, g x through a gammatone and low-passes, and a nonlinear path, a gammatone, the
    broken-stick compression sign(v) min(a|v|, b|v|^c), the gammatone again and low-passes, are added.
    All filters are recursive and start from silence.

    Parameters
    ----------
    fc : Tensor [shape=(F,)] or tuple of two float
        Centre frequencies in Hz, each in (0, fs/2]. A tuple (flow, fhigh) means `n_channels`
        values evenly spaced in Cams, ends included.
    fs : float
        Sampling rate in Hz.
    n_channels : int
        Used with a tuple.
    subject : {"NH", "HIx"}
        Normal hearing, or without outer hair cells (no nonlinear path).
    model : {"paulick2024", "jepsen2008"}
        Filter orders.
    learnable : bool
        Make CF_lin, BW_lin_norm, LP_lin_cutoff, g, CF_nlin, BW_nlin_norm, LP_nlin_cutoff, a, b and
        c parameters.
    dtype : torch.dtype
        Of the computation and the output; float64 by default as in torch_amt, while most modules are float32
        by default. The filters are designed in float64 in any case.
    reference : {"documented", "amt"}
        The all-pole gammatone of the documentation, or the pole-zero gammatone of the Auditory Modeling
        Toolbox. The latter is 12 dB louder at the centre frequency where the filterbank is linear, and 6 to
        8 dB where it compresses.

    Shape
    -----
    audio (B, T), stapes velocity in m/s -> velocity (B, F, T) in m/s; without B when audio has none.

    Raises
    ------
    ValueError
        For values out of range or unknown names, with the value in the message.

    Notes
    -----
    Fed with pascals, which are 2,400 times larger at 1 kHz and 26,000 times at 8 kHz, nothing is compressed at
    any audible level. `CASPFrontEnd` takes pascals.

    References
    ----------
    .. [1] E. A. Lopez-Poveda and R. Meddis, "A human nonlinear cochlear filterbank",
       J. Acoust. Soc. Am. 110, 3107-3118 (2001).
    .. [2] M. L. Jepsen, S. D. Ewert and T. Dau, "A computational model of human auditory signal
       processing and perception", J. Acoust. Soc. Am. 124, 422-438 (2008), Table I.

    Examples
    --------
    >>> filterbank = DRNLFilterbank((250.0, 8000.0), 44100, n_channels=4)
    >>> filterbank(torch.zeros(1, 441, dtype=torch.float64)).shape
    torch.Size([1, 4, 441])
    """

    states: ClassVar[tuple[State, ...]] = (
        State("linear", "filters of the linear path"),
        State("before", "gammatone before the compression"),
        State("behind", "gammatone and low-passes after the compression"),
    )

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n_channels: int = 50,
        subject: str = "NH",
        model: str = "paulick2024",
        learnable: bool = False,
        dtype: torch.dtype = torch.float64,
        reference: str = DOCUMENTED,
    ) -> None:
        trained = PARAMETERS if learnable else ()
        super().__init__(fc, fs, n_channels, subject, model, trained, dtype, reference)
        self.block, self.blocks = BLOCK, 0
        self.update_coefficients()

    @torch.no_grad()
    def update_coefficients(self) -> None:
        """Design the filters and the compression from the parameters."""
        into, out_of = self.gains_around_compression()
        before = scale_output(self.nonlinear_filter(0), into)
        after = scale_input(self.nonlinear_filter(self.lp_nlin), out_of)
        self.linear = LinearFilter(self.linear_path(), self.block, self.fc, self.blocks)
        self.before_compression = LinearFilter(before, self.block, self.fc, self.blocks)
        self.after_compression = LinearFilter(after, self.block, self.fc, self.blocks)
        self.keep_compression()

    def tables(self, blocks: int) -> Tuple[Tables, Tables, Tables]:
        """Tables for `blocks` blocks: linear path, filters before and after the compression."""
        if self.learnable:
            after = self.nonlinear_filter(self.lp_nlin)
            return (
                differentiable_tables(self.linear_path(), self.block, blocks, self.fc),
                differentiable_tables(self.nonlinear_filter(0), self.block, blocks, self.fc),
                differentiable_tables(after, self.block, blocks, self.fc),
            )
        return (
            self.linear.tables(),
            self.before_compression.tables(),
            self.after_compression.tables(),
        )

    def like(self) -> Tensor:
        """A tensor of the dtype that is computed in."""
        return self.linear.values

    def initial_states(self, batch: int) -> List[Tensor]:
        """States of silence."""
        return [
            self.linear.initial_state(batch),
            self.before_compression.initial_state(batch),
            self.after_compression.initial_state(batch),
        ]

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Filter one block; see `AuditoryModule.step`."""
        blocks = to_blocks(audio.unsqueeze(1), self.block)
        linear, before, after = self.tables(blocks.shape[2])
        # The compression amplifies the rounding error that a loud tone leaves in the states of distant
        # channels.
        inputs = shared_product(blocks, before.input_to_state)
        inner, before_state = prefix_scan(inputs, states[1], before)
        resonant = output(PartialOutput(blocks @ before.impulse, inner, before_state), before)
        compressed = self.compressed(resonant)
        linear_path = filter_parts(blocks, linear, states[0])
        nonlinear_path = filter_parts(to_blocks(compressed, self.block), after, states[2])
        velocity = sum_outputs(linear_path, linear, nonlinear_path, after)
        following = [linear_path.next_state, before_state, nonlinear_path.next_state]
        return [trim(velocity, audio.shape[1])], following

    def prepare_for_stream(self, block: int) -> None:
        """Choose a block length that divides the stream's block."""
        self.block, self.blocks = stream_blocks(block)

    def prepare_for_length(self, samples: int | None) -> None:
        """Choose a block length that divides `samples`, so nothing is padded."""
        if samples is not None:
            self.block, self.blocks = whole_blocks(samples)

    def warm_up(self) -> int:
        """Samples of memory: the two filters of the nonlinear path in series, or the linear path."""
        before = settling_time(self.nonlinear_filter(0), TAIL_BEFORE)
        after = settling_time(self.nonlinear_filter(self.lp_nlin), TAIL_AFTER)
        return max(settling_time(self.linear_path(), TAIL_AFTER), before + after)
