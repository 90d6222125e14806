"""Base class of all modules: named inputs and outputs, a frozen form, a stream, and a description of frames."""

import copy
from typing import Any, ClassVar, List, Self, Tuple

import torch
from torch import Tensor

from amt_export.manifest.ports import Port, State
from amt_export.modules.inputs import as_batch, reject_autocast
from amt_export.modules.parameters import DesignedModule, checked_dtype, unrounded

# What a new module needs, from one place.
__all__ = ["AuditoryModule", "as_batch", "checked_dtype", "reject_autocast", "unrounded"]


class AuditoryModule(DesignedModule):
    """Base class of all modules.

    A module keeps torch_amt's names in its `state_dict` (see `register_design_value`). The coefficients of
    `forward` are designed from them in float64 by `update_coefficients`, cast once and kept in buffers that are
    not saved; a learnable module designs inside `forward` instead, so gradients reach the parameters.

    It computes in its own dtype, float32 or float64, whatever surrounds it: `torch.autocast` is off inside
    a call.

    Attributes
    ----------
    input_ports, output_ports : tuple of Port
        Names, axes and units of what `forward` takes and returns, in order.
    baked_inputs : tuple of str
        Inputs of `forward` that an artifact bakes in.
    states : tuple of State
        State arrays that `step` takes and returns, in order; none where a module does not stream.
    learnable : bool
        Whether `forward` designs from its parameters, so that gradients reach them.
    fs : float
        Sampling rate in Hz.
    """

    input_ports: ClassVar[tuple[Port, ...]]
    output_ports: ClassVar[tuple[Port, ...]]
    baked_inputs: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[tuple[State, ...]] = ()

    learnable: bool
    fs: float

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run `forward` on tensors, with `torch.autocast` off.

        Raises
        ------
        TypeError
            For anything but tensors.
        """
        given = [value for value in (*inputs, *named.values()) if value is not None]
        for value in given:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"{type(self).__name__} takes tensors, not {type(value).__name__}; "
                    "torch.from_numpy makes one of a numpy array"
                )
        for device in {value.device.type for value in given}:
            if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
                with torch.autocast(device, enabled=False):
                    return super().__call__(*inputs, **named)
        return super().__call__(*inputs, **named)

    def set_output_ports(self, ports: tuple[Port, ...]) -> None:
        """Give other outputs than those of the class."""
        self.output_ports = ports  # type: ignore[misc]

    def freeze(self, samples: int | None = None, stream: int | None = None) -> Self:
        """A copy with the current values baked in: what is traced and exported.

        Parameters
        ----------
        samples : int, optional
            Last dimension of the input it will be run on: the length of the audio lets recursive filters
            choose a block that divides it, the number of bins is the grid that `ERBIntegration` bakes in.
        stream : int, optional
            Prepare `step` for blocks of so many samples instead.

        Raises
        ------
        ValueError
            If it does not stream in such blocks.
        """
        static = copy.deepcopy(self)
        static.learnable = False
        if stream is None:
            static.prepare_for_length(samples)
        else:
            static.prepare_for_stream(stream)
        static.update_coefficients()
        static.is_frozen = True
        for name in list(static._parameters):
            del static._parameters[name]
        for name in [n for n in static._buffers if n not in static._non_persistent_buffers_set]:
            del static._buffers[name]
        return static.eval()

    def prepare_for_length(self, samples: int | None) -> None:
        """Prepare for inputs of this length; most modules have nothing to choose."""

    def prepare_for_shape(self, shape: tuple[int, ...]) -> None:
        """Prepare `initial_states` for inputs of this shape; most modules have nothing to choose."""

    def prepare_for_stream(self, block: int) -> None:  # noqa: ARG002
        """Prepare for a stream in blocks of this length.

        Raises
        ------
        ValueError
            If there is no such stream; the message says which there is.
        """
        raise ValueError(f"{type(self).__name__} has no streaming form")

    def initial_states(self, batch: int) -> List[Tensor]:
        """States of silence for `step`: zeros, in the order of `states`."""
        raise NotImplementedError

    def step(self, audio: Tensor, states: List[Tensor]) -> Tuple[List[Tensor], List[Tensor]]:
        """Process one block.

        Parameters
        ----------
        audio : Tensor [shape=(B, N) or (B, 2, N)]
        states : list of Tensor
            As the previous step returned them, or `initial_states`.

        Returns
        -------
        outputs, states : list of Tensor
            Outputs of this block; states after it.
        """
        raise NotImplementedError

    def lead_frames(self) -> int:
        """Frames at the start of a stream that lie before the whole form's first frame."""
        return 0

    def latency(self) -> int:
        """Samples after a frame's position that a stream needs before it returns the frame."""
        return 0

    def near_threshold(self, *inputs: Tensor) -> Tensor | None:  # noqa: ARG002
        """Frames (B, S), bool, in which rounding may decide which components are relevant.

        Parity leaves them out. None for modules without a relevance threshold, where nothing is left out.

        Parameters
        ----------
        *inputs : Tensor
            As forward takes them, with a batch dimension and in the module's dtype.
        """
        return None

    def centre_frequencies(self) -> list[float] | None:
        """Centre frequency of each channel or component in Hz, for the manifest."""
        return None

    def modulation_filters(self) -> tuple[list[float], list[int]]:
        """Centre frequencies in Hz along an axis "modulation", and how many of them each channel has."""
        return [], []

    def warm_up(self) -> int:
        """Samples before which the input no longer matters for an output sample (to 1e-12)."""
        return 0

    def look_ahead(self) -> int:
        """Samples after an output sample (or the position of an output frame) that it depends on."""
        return 0

    def padding(self) -> str:
        """Values beyond the ends of the audio: "zero", or "reflect" for its mirror image."""
        return "zero"

    def hop(self) -> int:
        """Samples from one output frame to the next; 1 for sample-rate outputs."""
        return 1

    def frame_length(self) -> int:
        """Shortest audio in samples that has a frame: T samples have 1 + (T - this) // hop frames."""
        return 1
