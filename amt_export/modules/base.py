"""What every module shares: precise parameters under the published names, and a frozen form."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, List, Self, Tuple

import torch
from torch import Tensor, nn

from amt_export.manifest.ports import Port, State


def as_batch(value: Tensor, rank: int, like: Tensor, name: str) -> Tensor:
    """Check an input and bring it into the form that forward computes in.

    Parameters
    ----------
    value : Tensor [rank `rank`, or `rank - 1` without the batch], any real dtype
    rank : int
        Number of dimensions, the batch included.
    like : Tensor
        Gives the dtype to compute in. Integers are not rescaled.
    name : str
        For the error.

    Raises
    ------
    TypeError
        For complex input.
    ValueError
        For another rank.
    """
    if value.is_complex():
        raise TypeError(name + " is complex; a real tensor is needed")
    if value.dim() == rank - 1:
        value = value.unsqueeze(0)
    if value.dim() != rank:
        raise ValueError(
            "{} has {} dimensions; {} or {} (with a batch) are needed".format(
                name, value.dim(), rank - 1, rank
            )
        )
    return value.to(like.dtype)


def unrounded(value: Tensor, designed: Tensor) -> Tensor:
    """A stored parameter in float64, without the rounding of the dtype it is stored in.

    Entries that still are the rounded design value stand for the design value itself; entries
    that were trained or loaded stand for themselves. Differentiable with respect to `value`.
    """
    designed = designed.to(value.device)
    wide = value.to(designed.dtype)
    untouched = value == designed.to(value.dtype)
    lost = torch.where(untouched, designed - wide, torch.zeros_like(wide))
    return wide + lost.detach()


class AuditoryModule(nn.Module):
    """Base of all modules.

    A module keeps torch_amt's names in its `state_dict` (see `register_design_value`). What `forward`
    multiplies with is designed from them in float64 by `update_coefficients`, cast once and kept in buffers
    that are not saved; a learnable module designs inside `forward` instead, so gradients reach the
    parameters.
    """

    input_ports: ClassVar[tuple[Port, ...]]
    output_ports: ClassVar[tuple[Port, ...]]
    # Inputs of forward that an artifact bakes in, by name.
    baked_inputs: ClassVar[tuple[str, ...]] = ()
    # What `step` hands on from block to block, in order; nothing where a module does not stream.
    states: ClassVar[tuple[State, ...]] = ()

    learnable: bool
    fs: float

    def __init__(self) -> None:
        super().__init__()
        self.is_frozen = False
        self._designed: dict[str, Tensor] = {}

    def register_design_value(
        self, name: str, value: Tensor, learnable: bool, dtype: torch.dtype
    ) -> None:
        """Register a float64 (or complex128) design value under a published name, cast to `dtype`.

        It becomes a parameter if `learnable`, else a saved buffer. Complex values get the complex
        dtype of the same precision.
        """
        value = value.detach()
        if value.is_complex():
            dtype = dtype.to_complex()
        if learnable:
            self.register_parameter(name, nn.Parameter(value.to(dtype)))
        else:
            self.register_buffer(name, value.to(dtype))
        self._designed[name] = value.clone()  # what is registered may be written to

    def update_coefficients(self) -> None:
        """Recompute what `forward` uses from the published parameters. Called when they change."""

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
        """Go on by one block.

        Parameters
        ----------
        audio : Tensor [shape=(B, N) or (B, 2, N)]
        states : list of Tensor
            As the step before left them, or `initial_states`.

        Returns
        -------
        outputs, states : list of Tensor
            Of this block, and behind it.
        """
        raise NotImplementedError

    def lead_frames(self) -> int:
        """Frames that a stream says before the whole form's first one: of the silence before it."""
        return 0

    def latency(self) -> int:
        """Samples behind the place of a frame that a stream has to hear before it knows it."""
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

    def expected_rounding(self) -> float:
        """Largest relative difference that float32 leaves on the tones of the signal suite, as an estimate.

        0 where the default tolerance of parity is enough for every model.
        """
        return 0.0

    def centre_frequencies(self) -> list[float] | None:
        """Centre frequency of each channel or component in Hz, for the manifest."""
        return None

    def warm_up(self) -> int:
        """Samples before which the input no longer matters for an output sample (to 1e-12)."""
        return 0

    def look_ahead(self) -> int:
        """Samples after an output sample (or the place of an output frame) that it depends on."""
        return 0

    def padding(self) -> str:
        """What lies beyond the ends of the audio: "zero", or "reflect" for its mirror image."""
        return "zero"

    def hop(self) -> int:
        """Samples from one output frame to the next; 1 for sample-rate outputs."""
        return 1

    def frame_length(self) -> int:
        """Samples without which there is no frame: T samples have 1 + (T - this) // hop of them."""
        return 1

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or cast; complex parameters follow real ones, and design values stay exact."""

        def by_parts(tensor: Tensor) -> Tensor:
            if tensor.is_complex():
                return torch.view_as_complex(fn(torch.view_as_real(tensor)))
            return fn(tensor)

        stored = {name: getattr(self, name) for name in self._designed if hasattr(self, name)}
        untouched = {
            name: value.detach() == self._designed[name].to(value) for name, value in stored.items()
        }
        super()._apply(by_parts, recurse)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for name, same in untouched.items():
                value = getattr(self, name)
                design = self._designed[name].to(value)
                value.data = torch.where(same.to(value.device), design, value.data)
        if not self.is_frozen:
            self.update_coefficients()
        return self

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if "fc" in self._designed:
            # Centre frequencies describe filters that have parameters of their own: a checkpoint's are
            # what these are called now.
            with torch.no_grad():
                fc = unrounded(self.get_buffer("fc"), self._designed["fc"])
            self._designed["fc"] = fc.to(self._designed["fc"].device)
        self.update_coefficients()
