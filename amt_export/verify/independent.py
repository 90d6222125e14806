"""The filterbanks computed sample by sample from their formulas; a build compares its float64 module with them.

Parity compares artifacts with torch modules, which share one design and one algorithm. This file uses
neither: complex one-pole filters one after the other, as loops over samples in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from amt_export.errors import SpecError
from amt_export.modules.base import AuditoryModule, unrounded
from amt_export.modules.filterbanks.drnl import DRNLFilterbank
from amt_export.modules.filterbanks.drnl_parameters import DRNLParameters
from amt_export.modules.filterbanks.fast_drnl import RESPONSES, FastDRNLFilterbank
from amt_export.modules.filterbanks.gammatone import MAX_POLY_RADIUS, GammatoneFilterbank

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

# Samples that are compared at most: 0.2 s for 50 channels of a DRNL.
SAMPLES = 2000
# Share of a channel's peak. float64 filters of hearing are within 1e-11 of each other, so that more is a fault.
TOLERANCE = 1e-6
# Peak of the click and rms of the noise, by unit: in m/s such that the compression takes hold of both.
AMPLITUDES = {"Pa": (1.0, 1.0), "m/s": (1e-3, 1e-5)}


def one_pole(x: Complex, pole: Complex) -> Complex:
    """y[t] = x[t] + p y[t-1].

    Parameters
    ----------
    x : ndarray [shape=(T, ..., F)]
    pole : ndarray [shape=(F,)]

    Examples
    --------
    >>> one_pole(np.array([[1.0], [0.0], [0.0]]), np.array([0.5j]))[:, 0]
    array([ 1.  +0.j ,  0.  +0.5j, -0.25+0.j ])
    """
    y = np.broadcast_to(x, np.broadcast_shapes(x.shape, pole.shape)).astype(np.complex128)
    for t in range(1, len(y)):
        y[t] += pole * y[t - 1]
    return y


def one_zero(x: Array, zero: Array | float) -> Array:
    """y[t] = x[t] - z x[t-1], (T, ..., F)."""
    y: Array = x - zero * np.concatenate([np.zeros_like(x[:1]), x[:-1]])
    return y


def direct_form(x: Array, b: Complex, a: Complex) -> Complex:
    """y[t] = b x[t] - a_1 y[t-1] - ... - a_n y[t-n].

    Parameters
    ----------
    x : ndarray [shape=(T, ..., 1)]
    b, a : ndarray [shape=(F,) and (F, n + 1)]
        The first column of a is 1.
    """
    y = x * b
    for t in range(len(y)):
        for k in range(1, min(t, a.shape[1] - 1) + 1):
            y[t] -= a[:, k] * y[t - k]
    return y


def poles(cf: Array, bandwidth: Array, fs: float) -> Complex:
    """exp(-2 pi (bandwidth + j cf) / fs)."""
    p: Complex = np.exp(-2.0 * math.pi / fs * (bandwidth + 1j * cf))
    return p


def cascade(x: Array, pole: Complex, gain: Array | Complex, order: int) -> Array:
    """Real part of [g / (1 - p z^-1)]^n."""
    y = x.astype(np.complex128)
    for _ in range(order):
        y = gain * one_pole(y, pole)
    return y.real


def bandwidth_gain(bandwidth: Array, fs: float) -> Array:
    """1 - |p|."""
    return -np.expm1(-2.0 * math.pi / fs * bandwidth)


def gammatone(x: Array, cf: Array, bandwidth: Array, order: int, fs: float) -> Array:
    """Real part of [(1 - |p|) / (1 - p z^-1)]^n."""
    return cascade(x, poles(cf, bandwidth, fs), bandwidth_gain(bandwidth, fs), order)


def pole_zero_gammatone(x: Array, cf: Array, bandwidth: Array, order: int, fs: float) -> Array:
    """[k (1 - q z^-1) / ((1 - p z^-1) (1 - p* z^-1))]^n with q = Re p, and unit gain at cf."""
    p = poles(cf, bandwidth, fs)
    turn = np.exp(-2j * math.pi / fs * cf)
    k = np.abs((1.0 - p * turn) * (1.0 - p.conj() * turn) / (1.0 - p.real * turn))
    for _ in range(order):
        x = one_pole(one_pole(k * one_zero(x, p.real), p), p.conj()).real
    return x


def butterworth(x: Array, cutoff: Array, fs: float) -> Array:
    """Second-order low-pass, by the bilinear transform of 1 / (s^2 + sqrt(2) s + 1)."""
    k = np.tan(0.5 * math.pi * np.minimum(cutoff / (0.5 * fs), 0.9999))
    analogue = k * np.exp(0.75j * math.pi)
    p = (1.0 + analogue) / (1.0 - analogue)
    gain = k**2 / (1.0 + math.sqrt(2.0) * k + k**2)
    return one_pole(one_pole(gain * one_zero(one_zero(x, -1.0), -1.0), p), p.conj()).real


def audfiltbw(fc: Array) -> Array:
    """Bandwidth of the auditory filter in Hz."""
    return 24.7 + fc / 9.265


def _value(module: AuditoryModule, name: str) -> Any:
    return unrounded(getattr(module, name), module._designed[name]).detach().numpy()


def _as_designed(module: AuditoryModule, *names: str) -> bool:
    return all(torch.equal(getattr(module, n).detach(), module._designed[n]) for n in names)


def gammatone_filterbank(module: GammatoneFilterbank, x: Array) -> Array:
    """2 Re{H x}, from the centre frequencies or from values of a checkpoint."""
    poly = module.implementation == "poly"
    if _as_designed(module, *(("a", "b") if poly else ("poles", "gains"))):
        fc = _value(module, "fc")
        bandwidth = _value(module, "betamul") * audfiltbw(fc)
        pole, gain = poles(fc, bandwidth, module.fs), bandwidth_gain(bandwidth, module.fs)
        if poly:
            pole = pole * np.minimum(1.0, MAX_POLY_RADIUS / np.abs(pole))
        return 2.0 * cascade(x, pole, gain, module.n)
    if poly:
        return 2.0 * direct_form(x, _value(module, "b")[:, 0], _value(module, "a")).real
    gain = np.power(_value(module, "gains"), 1.0 / module.n)
    return 2.0 * cascade(x, _value(module, "poles"), gain, module.n)


def broken_stick(module: DRNLParameters, v: Array) -> Array:
    """sign(v) min(a |v|, b |v|^c)."""
    a, b, c = (_value(module, name) for name in ("a", "b", "c"))
    y: Array = np.sign(v) * np.minimum(a * np.abs(v), b * np.abs(v) ** c)
    return y


def drnl_paths(module: DRNLParameters) -> tuple[Callable[[Array], Array], ...]:
    """The linear path, and the filters before and after the compression."""
    resonance = pole_zero_gammatone if getattr(module, "reference", "") == "amt" else gammatone

    def path(kind: str, order: int, lowpasses: int) -> Callable[[Array], Array]:
        cf, norm, cutoff = (
            _value(module, f"{name}{kind}{rest}")
            for name, rest in (("CF_", ""), ("BW_", "_norm"), ("LP_", "_cutoff"))
        )

        def run(x: Array) -> Array:
            y = resonance(x, cf, norm * audfiltbw(cf), order, float(module.fs))
            for _ in range(lowpasses):
                y = butterworth(y, cutoff, float(module.fs))
            return y

        return run

    return (
        lambda x: _value(module, "g") * path("lin", module.gt_lin, module.lp_lin)(x),
        path("nlin", module.gt_nlin, 0),
        path("nlin", module.gt_nlin, module.lp_nlin),
    )


def drnl_filterbank(module: DRNLFilterbank, x: Array) -> Array:
    """Sum of the linear and the nonlinear path."""
    linear, before, after = drnl_paths(module)
    return linear(x) + after(broken_stick(module, before(x)))


def fast_drnl_filterbank(module: FastDRNLFilterbank, x: Array) -> Array:
    """The same with responses cut off after `ir_length` samples, or with those of a checkpoint."""
    impulse = np.zeros((len(x), 1, 1))
    impulse[0] = 1.0
    taps = [
        path(impulse)[: module.ir_length]
        if _as_designed(module, name, name + "_flipped")
        else module._response(name).numpy().T[: len(x), None]
        for name, path in zip(RESPONSES, drnl_paths(module), strict=True)
    ]

    def convolved(y: Array, response: Array) -> Array:
        size = 2 * len(x)  # no sample of the response meets the end of the signal
        spectrum = np.fft.rfft(y, size, axis=0) * np.fft.rfft(response, size, axis=0)
        z: Array = np.fft.irfft(spectrum, size, axis=0)[: len(x)]
        return z

    compressed = broken_stick(module, convolved(x, taps[1]))
    return convolved(x, taps[0]) + convolved(compressed, taps[2])


RECURSIONS: dict[type[AuditoryModule], Callable[..., Array]] = {
    GammatoneFilterbank: gammatone_filterbank,
    DRNLFilterbank: drnl_filterbank,
    FastDRNLFilterbank: fast_drnl_filterbank,
}


def distances(module: AuditoryModule, frozen: nn.Module, samples: int) -> Array:
    """Difference between a filterbank and its formula.

    Parameters
    ----------
    module : AuditoryModule
        One of `RECURSIONS`, in float64.
    frozen : nn.Module
        The same module, frozen, which is compared.
    samples : int
        Of the audio; no more than the first 2000 are compared.

    Returns
    -------
    ndarray [shape=(F,)]
        Largest difference as a share of the channel's peak, for a click and for noise. Infinite for what is not
        finite.
    """
    heard = min(samples, SAMPLES)
    click, noise = AMPLITUDES[module.input_ports[0].unit]
    x = np.zeros((heard, 2, 1))
    x[0, 0] = click
    x[:, 1, 0] = noise * np.random.default_rng(0).standard_normal(heard)
    with torch.no_grad():
        answer: Tensor = frozen(torch.from_numpy(x[:, :, 0].T.copy()))
    found = answer.numpy().transpose(2, 0, 1)
    with np.errstate(all="ignore"):
        expected = RECURSIONS[type(module)](module, x)
        gap, peak = np.abs(found - expected).max(0), np.abs(expected).max(0)
        share = np.where(gap == 0.0, 0.0, gap / peak)
    worst: Array = np.where(np.isfinite(share), share, np.inf).max(0)
    return worst


def check_filters(module: AuditoryModule, frozen: AuditoryModule, samples: int, where: str) -> None:
    """Compare every filterbank in a model with its formula.

    Parameters
    ----------
    module, frozen : AuditoryModule
        In float64, as built and frozen for `samples`.
    samples : int
        Of the audio.
    where : str
        Where the parameters come from, for the error.

    Raises
    ------
    SpecError
        If a channel is off by more than 1e-6 of its peak.
    """
    parts = dict(frozen.named_modules())
    for name, part in module.named_modules():
        if type(part) not in RECURSIONS or not isinstance(part, AuditoryModule):
            continue
        found = distances(part, parts[name], samples)
        worst = int(found.argmax())
        if found[worst] > TOLERANCE:
            frequency = (part.centre_frequencies() or [0.0])[worst]
            raise SpecError(
                f"{where}: float64 does not hold these filters: the channel at {frequency:g} Hz is "
                f"{found[worst]:.1g} of its peak off a plain recursion ({TOLERANCE:g} is allowed); take wider "
                "filters, a lower order or a lower sampling rate"
            )
