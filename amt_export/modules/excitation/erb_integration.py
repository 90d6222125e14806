"""Excitation in ERB-spaced bands from a power spectral density."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from amt_export.design.erb_bands import erb_width, integration_table
from amt_export.manifest.ports import Port
from amt_export.modules.base import as_batch, unrounded
from amt_export.modules.excitation.erb_channels import ERBChannels
from amt_export.modules.levels import decibels

LEAST_POWER = 1e-12  # Pa^2, stands for silence
REFERENCE_POWER = 2e-5**2  # Pa^2, 0 dB SPL
SILENCE = 10.0 * math.log10(LEAST_POWER / REFERENCE_POWER)  # -26.02 dB SPL
# Bins of MultiResolutionFFT's default spectrum, 2048 / 2 + 1: their table is kept.
DEFAULT_BINS = 1025
# Limits of a trained bandwidth_scale, as torch_amt documents them.
MIN_SCALE, MAX_SCALE = 0.1, 10.0


class ERBIntegration(ERBChannels):
    """Power of a spectrum in overlapping bands, one equivalent rectangular bandwidth wide.

    E_i = 10 log10(max(P_i, 1e-12) / (2e-5)^2),  P_i = w_i sum_k psd_k df  over the bins with
    |f_k - fc_i| <= bw_i/2,  bw = 24.673 (4.368 fc/1000 + 1) bandwidth_scale. The learnable form
    has Gaussian bands of unit sum instead, P_i = w_i sum_k psd_k h_ik / (sum_k h_ik + 1e-10) df,
    h = exp(-0.5 ((f - fc)/(bw/2))^2), which are differentiable.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    f_min, f_max : float
        Range of band centres in Hz; the last one is the first at or above `f_max`, which is at most fs/2. A
        band that reaches beyond fs/2 holds the bins there are.
    erb_step : float
        Spacing of the centres in Cam.
    learnable : bool
        Gaussian bands, with `integration_weights` and `bandwidth_scale` as parameters.

    Attributes
    ----------
    fc_erb : Tensor [shape=(E,)], Hz
        Band centres.
    bandwidth_scale : Tensor [scalar]
        Clamped to [0.1, 10] in the learnable form.
    integration_weights : Tensor [shape=(E,)]

    Shape
    -----
    psd (B, S, K) in Pa^2/Hz, freqs (K,) in Hz -> excitation (B, S, E) in dB SPL; without B when
    psd has none. Without `freqs` the grid is linspace(0, fs/2, K); artifacts bake that in.

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
    >>> white = torch.full((1, 1, 1025), 1e-8)  # Pa^2/Hz
    >>> level = ERBIntegration()(white)
    >>> level.shape, bool(level[0, 0, -1] > level[0, 0, 0])  # the bands get wider
    (torch.Size([1, 1, 150]), True)
    """

    input_ports: ClassVar[tuple[Port, ...]] = (
        Port("psd", ("batch", "frame", "frequency"), "Pa^2/Hz"),
    )
    output_ports: ClassVar[tuple[Port, ...]] = (
        Port("excitation", ("batch", "frame", "channel"), "dB SPL", "db", SILENCE),
    )
    baked_inputs: ClassVar[tuple[str, ...]] = ("freqs",)

    bandwidth_scale: Tensor
    integration_weights: Tensor
    table: Tensor

    def __init__(
        self,
        fs: float = 32000,
        f_min: float = 50.0,
        f_max: float = 15000.0,
        erb_step: float = 0.25,
        learnable: bool = False,
    ) -> None:
        super().__init__(fs, f_min, f_max, erb_step, learnable)
        self.gaussian = learnable  # stays when the trained values are frozen
        self.bins = DEFAULT_BINS
        self.min_scale, self.max_scale = MIN_SCALE, MAX_SCALE  # TorchScript reads no globals
        self.least_power, self.reference_power = LEAST_POWER, REFERENCE_POWER
        ones = torch.ones(self.n_erb_bands, dtype=torch.float64)
        self.register_design_value("bandwidth_scale", ones[0], learnable, torch.float32)
        self.register_design_value("integration_weights", ones, learnable, torch.float32)
        self.update_coefficients()

    def update_coefficients(self) -> None:
        """Set the table for the grid that is assumed without `freqs`."""
        with torch.no_grad():
            table = self.design(self.grid(self.bins)).to(self.fc_erb.dtype)
        self.register_buffer("table", table, persistent=False)
        self.centres = [float(f) for f in unrounded(self.fc_erb, self._designed["fc_erb"])]

    def grid(self, bins: int) -> Tensor:
        """Frequencies linspace(0, fs/2, bins) in Hz, float64."""
        steps = torch.arange(bins, dtype=torch.float64, device=self.fc_erb.device)
        return steps * (0.5 * self.fs / (bins - 1))

    def bandwidths(self) -> Tensor:
        """Bandwidths (E,) in Hz, float64, differentiable."""
        fc = unrounded(self.fc_erb, self._designed["fc_erb"])
        scale = unrounded(self.bandwidth_scale, self._designed["bandwidth_scale"])
        if self.gaussian:
            scale = torch.clamp(scale, self.min_scale, self.max_scale)
        return erb_width(fc) * scale

    def design(self, freqs: Tensor) -> Tensor:
        """Table (K, E) in float64 for float64 frequencies (K,), differentiable."""
        fc = unrounded(self.fc_erb, self._designed["fc_erb"])
        weights = unrounded(self.integration_weights, self._designed["integration_weights"])
        return weights * integration_table(freqs, fc, self.bandwidths(), self.gaussian)

    def table_for(self, freqs: Tensor | None, bins: int) -> Tensor:
        """The table (K, E) in the module's dtype, a new one if the stored one does not fit."""
        if self.is_frozen:
            return self.table
        if freqs is not None:
            return self.design(freqs.to(torch.float64)).to(self.fc_erb.dtype)
        if self.learnable or bins != self.bins:
            return self.design(self.grid(bins)).to(self.fc_erb.dtype)
        return self.table

    def forward(self, psd: Tensor, freqs: Tensor | None = None) -> Tensor:
        """Integrate.

        Parameters
        ----------
        psd : Tensor [shape=(B, S, K) or (S, K)], Pa^2/Hz
        freqs : Tensor [shape=(K,)], Hz, evenly spaced, optional

        Returns
        -------
        Tensor [shape=(B, S, E) or (S, E)], dB SPL
            -26.02 for silence.

        Raises
        ------
        ValueError
            If `freqs` does not fit `psd`, or there are less than two bins.
        """
        density = as_batch(psd, 3, self.table, "psd")
        bins = density.shape[2]
        if bins < 2:
            raise ValueError(f"psd has {bins} frequencies; at least 2 are needed")
        if freqs is not None:
            if freqs.is_complex():
                raise TypeError("freqs is complex; a real tensor is needed")
            if freqs.dim() != 1 or freqs.shape[0] != bins:
                raise ValueError(f"freqs has shape {freqs.shape}; ({bins},) fits psd")
        table = self.table_for(freqs, bins)
        if table.shape[0] != bins:
            raise ValueError(f"psd has {bins} frequencies; this form has {table.shape[0]} baked in")
        excitation = decibels(density @ table, self.least_power, self.reference_power)
        if psd.dim() == 2:
            return excitation.squeeze(0)
        return excitation

    def get_erb_frequencies(self) -> Tensor:
        """Band centres (E,) in Hz."""
        return self.fc_erb

    def get_erb_bandwidths(self) -> Tensor:
        """Bandwidths (E,) in Hz, `bandwidth_scale` included."""
        return self.bandwidths().to(self.fc_erb.dtype)

    def prepare_for_length(self, samples: int | None) -> None:
        """Take the size of the last dimension, the number of bins, as the grid to bake in."""
        if samples is not None:
            self.bins = samples
