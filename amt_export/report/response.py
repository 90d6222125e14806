"""The frequency response of a filterbank's artifact, beside the analytic one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from amt_export.design.response import (
    Complex,
    Real,
    butterworth_lowpass,
    classic_resonator,
    direct_form,
    fir,
    one_pole_power,
    real_part,
    resonator,
)
from amt_export.manifest import Manifest
from amt_export.verify.parity.compare import Runner

# So soft that the compression of the DRNL is in its linear range (knee velocities are 1e-7 m/s and above), and
# far above what float32 flushes.
IMPULSE = 1e-6
# Below this a channel is out of its band; what float32 leaves there is not the filter's.
BAND_DB = 40.0


@dataclass(frozen=True)
class Response:
    """Frequency responses of all channels.

    Parameters
    ----------
    frequencies : ndarray [shape=(K,)], Hz
    found, analytic : ndarray [shape=(F, K)], complex
    deviation : ndarray [shape=(F,)]
        Largest difference in dB within `BAND_DB` of a channel's peak.
    """

    frequencies: Real
    found: Complex
    analytic: Complex
    deviation: Real


def measure_response(module: Any, manifest: Manifest, run: Runner) -> Response | None:
    """Run an artifact on an impulse.

    Parameters
    ----------
    module : AuditoryModule
        In float64, not frozen: gives the filters' parameters.
    manifest : Manifest
    run : callable
        The artifact.

    Returns
    -------
    Response or None
        None for modules that are no filterbank, for levels, and for a single sample.
    """
    formula = FORMULAS.get(manifest.module)
    waves = manifest.outputs[0].axes == ("batch", "channel", "time")
    if formula is None or not waves or manifest.sampling_rate is None:
        return None
    (port,) = manifest.inputs
    impulse = np.zeros(port.sized(), port.dtype)
    impulse[..., 0] = IMPULSE
    answer = run({port.name: impulse})[manifest.outputs[0].name][0]
    found = np.fft.rfft(answer.astype(np.float64) / IMPULSE, axis=-1)
    samples = port.sized()[-1]
    if samples < 2:
        return None  # no frequency but 0
    frequencies = np.arange(samples // 2 + 1, dtype=np.float64)
    frequencies *= manifest.sampling_rate / samples
    omega: Real = 2.0 * np.pi * frequencies / manifest.sampling_rate
    analytic = formula(module, omega)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = 20.0 * np.log10(np.abs(analytic))
        difference = np.abs(20.0 * np.log10(np.abs(found)) - level)
    band = level > level.max(axis=-1, keepdims=True) - BAND_DB
    deviation: Real = np.max(difference, axis=-1, where=band, initial=0.0)
    return Response(frequencies, found, analytic, deviation)


def _gammatone(module: Any, omega: Real) -> Complex:
    """2 Re{H x}."""
    sides = []
    for side in (omega, -omega):
        if module.implementation == "sos":
            sides.append(one_pole_power(_of(module.poles), _of(module.gains), module.n, side))
        else:
            sides.append(direct_form(_of(module.b), _of(module.a), side))
    return 2.0 * real_part(*sides)


def _drnl(module: Any, omega: Real) -> Complex:
    """Both paths for sounds so soft that the broken stick is a straight one, of slope a."""
    fs = float(module.fs)

    def path(name: str, gammatones: int, lowpasses: int) -> Complex:
        centre = _of(getattr(module, f"CF_{name}")).real
        # Widths are kept relative to the equivalent rectangular bandwidth at the centre.
        width = _of(getattr(module, f"BW_{name}_norm")).real * (24.7 + centre / 9.265)
        cutoff = _of(getattr(module, f"LP_{name}_cutoff")).real
        orders = module.gt_lin if name == "lin" else module.gt_nlin
        gammatone = classic_resonator if module.classic else resonator
        tuned = gammatone(centre, width, orders, fs, omega) ** gammatones
        filtered: Complex = tuned * butterworth_lowpass(cutoff, fs, omega) ** lowpasses
        return filtered

    linear = _of(module.g)[:, None] * path("lin", 1, module.lp_lin)
    nonlinear = _of(module.a)[:, None] * path("nlin", 2, module.lp_nlin)
    both: Complex = linear + nonlinear
    return both


def _casp(module: Any, omega: Real) -> Complex:
    """Both ears and the DRNL, for sounds as soft."""
    ears = fir(module.outer_ear.response(), omega) * fir(module.middle_ear.response(), omega)
    return _drnl(module.drnl, omega) * ears


def _of(tensor: Any) -> Complex:
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array.astype(np.complex128)


FORMULAS: dict[str, Callable[[Any, Real], Complex]] = {
    "GammatoneFilterbank": _gammatone,
    "CASPFrontEnd": _casp,
    "DRNLFilterbank": _drnl,
    "FastDRNLFilterbank": _drnl,
}
