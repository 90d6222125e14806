"""Levels per frame of subbands that a model gave as samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.audio.calibration import P0
from amt_export.errors import InputError

FLOORS = {P0: -60.0, 1.0: -200.0}
"""Level of silence in dB, by reference: 20 uPa for pressures, 1 m/s for velocities."""


def frame_levels(
    subbands: NDArray[np.floating], hop: int, ref: float = P0, floor: float | None = None
) -> NDArray[Any]:
    """Return the level of each frame, the numbers that a model with ``[levels]`` gives.

    10 log10(max(mean of y^2 over samples kN to kN + N - 1, floor) / ref^2), N the hop. Means are taken in
    float64.

    Parameters
    ----------
    subbands : ndarray of float [shape=(..., T)]
        E.g. ``model.process(audio)["subbands"]`` in Pa, or ``["velocity"]`` in m/s.
    hop : int
        Samples of a frame. What is left at the end, fewer samples than that, has no frame.
    ref : float, optional
        What 0 dB is: 2e-5 (Pa), or 1.0 (m/s).
    floor : float, optional
        Least level in dB; by default -60 for 2e-5, -200 for 1.0, and none for others.

    Returns
    -------
    ndarray [shape=(..., T // hop)], dB, float of the input's dtype

    Raises
    ------
    InputError
        For an array that is none of float, and a hop or a reference that is not above zero.

    Examples
    --------
    >>> tone = np.sqrt(2) * np.sin(2 * np.pi * np.arange(480) / 48)  # 1 Pa RMS
    >>> frame_levels(tone, 96).round(2)
    array([93.98, 93.98, 93.98, 93.98, 93.98])
    """
    if not isinstance(subbands, np.ndarray) or subbands.dtype.kind != "f" or not subbands.ndim:
        got = getattr(subbands, "dtype", type(subbands).__name__)
        raise InputError(f"subbands: needs a numpy array of float, time last, got {got}")
    if not isinstance(hop, int | np.integer) or hop < 1:
        raise InputError(f"hop is {hop}; give the samples of a frame, one or more")
    if not 0.0 < ref < np.inf:
        raise InputError(f"ref is {ref}; give what 0 dB is, 2e-5 for Pa or 1.0 for m/s")
    if floor is None:
        floor = FLOORS.get(ref, -np.inf)
    frames = subbands.shape[-1] // hop
    cells = subbands[..., : frames * hop].reshape(*subbands.shape[:-1], frames, hop)
    power = np.mean(np.square(cells, dtype=np.float64), axis=-1) / ref**2
    with np.errstate(divide="ignore"):
        levels = 10.0 * np.log10(np.maximum(power, 10.0 ** (floor / 10.0)))
        found: NDArray[Any] = np.asarray(levels, subbands.dtype)
    return found
