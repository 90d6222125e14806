"""What every module shares: precise parameters under the published names, and a frozen form."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, List, Self, Tuple

import torch
from torch import Tensor, nn

from amt_export.manifest.ports import Port, State

# What modules compute in. float16 and bfloat16 keep 11 and 8 of 24 bits, and faint powers are 0 in float16.
DTYPES = (torch.float32, torch.float64)


def checked_dtype(dtype: torch.dtype, module: nn.Module) -> torch.dtype:
    """`dtype`, if modules compute in it.

    Raises
    ------
    TypeError
        Otherwise.
    """
    if dtype not in DTYPES:
        raise TypeError(f"{type(module).__name__} computes in float32 or float64, not in {dtype}")
    return dtype


def reject_autocast(value: Tensor) -> None:
    """Refuse to run scripted code under `torch.autocast`, which it cannot turn off.

    Modules in eager torch turn it off themselves, see `AuditoryModule`.

    Parameters
    ----------
    value : Tensor
        Any input.

    Raises
    ------
    RuntimeError
        If a product of float32 numbers comes out in another dtype.
    """
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        one = value.new_ones([1, 1], dtype=torch.float32)
        if (one @ one).dtype != torch.float32:
            raise RuntimeError(
                "a scripted module cannot turn torch.autocast off; call it outside, or under "
                "torch.autocast(..., enabled=False)"
            )


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
    reject_autocast(value)
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

    It computes in its own dtype, float32 or float64, whatever surrounds it: `torch.autocast` is off inside
    a call.
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

        Raises
        ------
        TypeError
            For another dtype than float32 and float64.
        """
        value = value.detach()
        dtype = checked_dtype(dtype, self)
        if value.is_complex():
            dtype = dtype.to_complex()
        if learnable:
            self.register_parameter(name, nn.Parameter(value.to(dtype)))
        else:
            self.register_buffer(name, value.to(dtype))
        self._designed[name] = value.clone()  # what is registered may be written to

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

    def update_coefficients(self) -> None:
        """Recompute what `forward` uses from the published parameters. Called when they change."""

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

    def expected_rounding(self, tones: Sequence[float]) -> float:  # noqa: ARG002
        """Largest relative difference that float32 leaves on tones in Hz, as an estimate.

        0 where the default tolerance of parity is enough for every model.
        """
        return 0.0

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
        """Move or cast; complex parameters follow real ones, and design values stay exact.

        On the meta device there are shapes only; behind `to_empty` come the design values again.
        """
        checked_dtype(fn(torch.zeros(1)).dtype, self)  # before anything is cast

        def by_parts(tensor: Tensor) -> Tensor:
            if tensor.is_complex():
                return torch.view_as_complex(fn(torch.view_as_real(tensor)))
            return fn(tensor)

        stored = {name: getattr(self, name) for name in self._designed if hasattr(self, name)}
        untouched = {
            name: torch.ones(()) > 0.0
            if value.is_meta
            else value.detach() == self._designed[name].to(value)
            for name, value in stored.items()
        }
        super()._apply(by_parts, recurse)  # type: ignore[no-untyped-call]
        if any(value.is_meta for value in self.buffers()):
            return self
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
