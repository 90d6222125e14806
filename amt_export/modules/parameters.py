"""Parameters with a designed value: published in a module's dtype, known in float64."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

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


class DesignedModule(nn.Module):
    """A module whose parameters begin as design values in float64.

    They keep torch_amt's names in the `state_dict`, whether they are learnable (parameters) or not (saved
    buffers). What `forward` multiplies with is designed from them by `update_coefficients`, which is called
    whenever they change: after a cast, a move or a load.

    Attributes
    ----------
    is_frozen : bool
        The current values are baked in and the parameters gone; see `AuditoryModule.freeze`.
    """

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

    def update_coefficients(self) -> None:
        """Recompute what `forward` uses from the published parameters. Called when they change."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or cast; complex parameters follow real ones, and design values stay unrounded.

        On the meta device there are shapes only; `to_empty` restores the design values.
        """
        checked_dtype(fn(torch.zeros(1)).dtype, self)  # before anything is cast

        def by_parts(tensor: Tensor) -> Tensor:
            if tensor.is_complex():
                return torch.view_as_complex(fn(torch.view_as_real(tensor)))
            return fn(tensor)

        stored = [] if self.is_frozen else list(self._designed)  # a frozen module has none
        untouched = {name: self._is_untouched(name) for name in stored}
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

    def _is_untouched(self, name: str) -> Tensor:
        """Whether each entry of a stored parameter is the rounded design value; true on the meta device."""
        value: Tensor = getattr(self, name)
        if value.is_meta:
            return torch.ones(()) > 0.0
        return value.detach() == self._designed[name].to(value)

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
