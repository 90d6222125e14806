"""Modules with channels that are evenly spaced in Cam."""

import torch
from torch import Tensor

from amt_export.design.erb_bands import erb_numbers
from amt_export.erb import erbrate2f
from amt_export.modules.base import AuditoryModule
from amt_export.modules.filterbanks.centre_frequencies import checked_rate


class ERBChannels(AuditoryModule):
    """Base class of `ERBIntegration` and `ExcitationPattern`: the range of channels, its checks and its names.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    f_min, f_max : float
        Range in Hz; the last channel is the first one at or above `f_max`.
    erb_step : float
        Spacing in Cam.
    learnable : bool

    Attributes
    ----------
    fc_erb : Tensor [shape=(E,)], Hz
    n_erb_bands : int
        E.

    Raises
    ------
    ValueError
        For values out of range, with the value in the message.
    """

    fc_erb: Tensor
    centres: list[float]

    def __init__(
        self, fs: float, f_min: float, f_max: float, erb_step: float, learnable: bool
    ) -> None:
        super().__init__()
        self.fs = checked_rate(fs)
        self.f_min, self.f_max, self.erb_step = f_min, f_max, erb_step
        self.learnable = learnable
        cams = self.erb_numbers()
        self.n_erb_bands = len(cams)
        self.register_design_value("fc_erb", erbrate2f(cams), False, torch.float32)

    def erb_numbers(self) -> Tensor:
        """ERB numbers of the channels (E,) in Cam, float64."""
        return erb_numbers(self.f_min, self.f_max, self.erb_step, self.fs)

    def centre_frequencies(self) -> list[float]:
        """Centre frequencies (E,) in Hz."""
        return self.centres

    def extra_repr(self) -> str:
        """Key parameters, as torch prints them."""
        return (
            f"fs={self.fs:g}, f_range=[{self.f_min:g}, {self.f_max:g}] Hz, "
            f"erb_step={self.erb_step:g}, n_erb_bands={self.n_erb_bands}, "
            f"learnable={self.learnable}"
        )
