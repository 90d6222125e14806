"""Base class of both forms of the DRNL: checks, published parameters, filters."""

from typing import ClassVar

import torch
from torch import Tensor

from amt_export.design.drnl import MODELS, SUBJECTS, drnl_parameters, resonance
from amt_export.manifest.ports import Port
from amt_export.modules.base import unrounded
from amt_export.modules.filterbanks.audio_filter import AudioFilter
from amt_export.modules.filterbanks.centre_frequencies import checked_rate, evenly_spaced
from amt_export.modules.filterbanks.compression import (
    broken_stick,
    knee_velocity,
    quarter_power_stick,
)
from amt_export.modules.reference import AMT, DOCUMENTED, checked_reference
from amt_export.recurrence.state_space import StateSpace, scale_output


class DRNLParameters(AudioFilter):
    """Base class of both forms of the DRNL: checks, published parameters, filters."""

    input_ports: ClassVar[tuple[Port, ...]] = (Port("audio", ("batch", "time"), "m/s"),)
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("velocity", ("batch", "channel", "time"), "m/s"),
    )

    # The compression amplifies what is faint, rounding errors included.
    parity_defaults: ClassVar[dict[str, float]] = {"onnx": 3e-5, "coreml": 3e-5, "float64": 3e-5}

    fc: Tensor
    CF_lin: Tensor
    BW_lin_norm: Tensor
    LP_lin_cutoff: Tensor
    g: Tensor
    CF_nlin: Tensor
    BW_nlin_norm: Tensor
    LP_nlin_cutoff: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    linear_gain: Tensor
    compressive_gain: Tensor
    exponent: Tensor

    def __init__(
        self,
        fc: Tensor | tuple[float, float],
        fs: float,
        n_channels: int,
        subject: str,
        model: str,
        learnable: tuple[str, ...],
        dtype: torch.dtype,
        reference: str,
    ) -> None:
        super().__init__()
        self.reference = checked_reference(reference, (DOCUMENTED, AMT))
        self.classic = reference == AMT
        if model not in MODELS:
            raise ValueError(f"model is {model!r}; one of {', '.join(map(repr, MODELS))}")
        if subject not in SUBJECTS:
            raise ValueError(f"subject is {subject!r}; one of {', '.join(map(repr, SUBJECTS))}")
        self.fs = checked_rate(fs)
        self.subject = subject
        self.model = model
        self.dtype = dtype
        self.learnable = bool(learnable)
        self.knee_units = False
        self.gt_lin, self.lp_lin, self.gt_nlin, self.lp_nlin = MODELS[model]
        centre = evenly_spaced(fc, n_channels, fs)
        self.num_channels = centre.shape[0]
        self.register_design_value("fc", centre, False, dtype)
        for name, value in drnl_parameters(centre, subject).items():
            self.register_design_value(name, value, name in learnable, dtype)

    def linear_path(self) -> StateSpace:
        """g, gammatone and low-passes of the linear path, float64."""
        system = resonance(
            unrounded(self.CF_lin, self._designed["CF_lin"]),
            unrounded(self.BW_lin_norm, self._designed["BW_lin_norm"]),
            self.gt_lin,
            unrounded(self.LP_lin_cutoff, self._designed["LP_lin_cutoff"]),
            self.lp_lin,
            float(self.fs),
            self.classic,
        )
        return scale_output(system, unrounded(self.g, self._designed["g"]))

    def nonlinear_filter(self, lowpasses: int) -> StateSpace:
        """The gammatone of the nonlinear path, which the signal passes before and after the compression."""
        return resonance(
            unrounded(self.CF_nlin, self._designed["CF_nlin"]),
            unrounded(self.BW_nlin_norm, self._designed["BW_nlin_norm"]),
            self.gt_nlin,
            unrounded(self.LP_nlin_cutoff, self._designed["LP_nlin_cutoff"]),
            lowpasses,
            float(self.fs),
            self.classic,
        )

    def keep_compression(self) -> None:
        """Bake a, b and c - 1 into buffers."""
        with torch.no_grad():
            for name, value in zip(
                ("linear_gain", "compressive_gain", "exponent"), self.compression(), strict=True
            ):
                self.register_buffer(name, value, persistent=False)

    def compression(self) -> tuple[Tensor, Tensor, Tensor]:
        """a, b and c - 1 as (F,) in the module's dtype."""
        dtype = self.a.dtype
        a = unrounded(self.a, self._designed["a"]).to(dtype)
        b = unrounded(self.b, self._designed["b"]).to(dtype)
        exponent = (unrounded(self.c, self._designed["c"]) - 1.0).to(dtype)
        return a, b, exponent

    def gains_around_compression(self) -> tuple[Tensor, Tensor]:
        """Gains before and after the compression, (F,) in float64, that put its input in units of the knee.

        In these units the published compression is two square roots. Where it is not (trained, or another
        exponent) both are 1. float64 keeps the published exponent, which is no quarter by 5e-9.
        """
        found = [unrounded(getattr(self, name), self._designed[name]) for name in ("a", "b", "c")]
        plain = self.fc.dtype == torch.float32 and not self.learnable
        knee = knee_velocity(found[0], found[1], found[2]) if plain else None
        self.knee_units = knee is not None
        if knee is None:
            one = torch.ones_like(self._designed["a"])
            return one, one
        return 1.0 / knee, knee * found[0]

    def compressed(self, resonant: Tensor) -> Tensor:
        """The compression of (B, F, ...)."""
        if self.knee_units:
            return quarter_power_stick(resonant)
        a, b, exponent = self.linear_gain, self.compressive_gain, self.exponent
        if self.learnable:
            a, b, exponent = self.compression()
        shape = [-1] + [1] * (resonant.dim() - 2)
        return broken_stick(resonant, a.reshape(shape), b.reshape(shape), exponent.reshape(shape))

    def centre_frequencies(self) -> list[float]:
        """In Hz."""
        return [float(f) for f in self._designed["fc"]]

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        low, high = self.centre_frequencies()[0], self.centre_frequencies()[-1]
        return (
            f"num_channels={self.num_channels}, fc={low:.1f}...{high:.1f} Hz, fs={self.fs:g}, "
            f"subject={self.subject!r}, model={self.model!r}, learnable={self.learnable}, "
            f"reference={self.reference!r}"
        )
