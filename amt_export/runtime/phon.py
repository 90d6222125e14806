"""Loudness level in phon of a loudness in sone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

TABLE = Path(__file__).with_name("sone_of_phon.npy")
"""Loudness of a diotic 1 kHz tone in a free field at 0, 0.1, ..., 120 dB SPL, which has as many phon [1]_.

References
----------
.. [1] Published with the loudness software of the University of Cambridge; taken from
   github.com/MalcolmSlaney/LoudnessModel (BSD-2-Clause; the licence is in
   ``amt_export/design/outer_middle_ear.LICENSE.txt``), two misprints corrected.
"""

STEP = 0.1
"""Phon from entry to entry."""

LAST = 120
"""Phon of the last entry: what is louder has no loudness level here."""


@cache
def _table() -> tuple[Array, Array, Array]:
    """Natural logarithms of the loudness, its loudness levels, and the slopes there (monotone cubics)."""
    x: Array = np.log(np.load(TABLE))
    y: Array = STEP * np.arange(len(x), dtype=np.float64)
    return x, y, _slopes(x, y)


def _slopes(x: Array, y: Array) -> Array:
    """Slopes of piecewise cubics that rise where the data do (Fritsch and Butland 1984)."""
    width = np.diff(x)
    secant = np.diff(y) / width
    before, after = width[:-1], width[1:]
    first, second = 2.0 * after + before, after + 2.0 * before
    inner = (first + second) / (first / secant[:-1] + second / secant[1:])
    return np.concatenate([secant[:1], inner, secant[-1:]])


def phon(sone: ArrayLike) -> Any:
    """Loudness level of a loudness.

    Parameters
    ----------
    sone : float or array of float
        Of both ears together, as the model of ISO 532-3 gives it.

    Returns
    -------
    float or ndarray [same shape], phon
        By monotone cubic interpolation over the logarithm of the published table; 0 below its first entry
        (5.4e-4 sone), 120 above its last (305 sone), NaN for NaN.

    Examples
    --------
    >>> round(phon(1.0), 2)
    40.02
    """
    loudness = np.asarray(sone, dtype=np.float64)
    x, y, slopes = _table()
    with np.errstate(divide="ignore"):
        place = np.clip(np.log(np.maximum(loudness, 0.0)), x[0], x[-1])
    k = np.clip(np.searchsorted(x, place, side="right") - 1, 0, len(x) - 2)
    width = x[k + 1] - x[k]
    t = (place - x[k]) / width
    rising = t * t * (3.0 - 2.0 * t)
    level = y[k] + (y[k + 1] - y[k]) * rising
    level = level + width * t * (1.0 - t) * ((1.0 - t) * slopes[k] - t * slopes[k + 1])
    return level if level.ndim else float(level)


def is_beyond(sone: float) -> bool:
    """Whether a loudness lies beyond the table, whose last entry is 305 sone."""
    return bool(sone > np.exp(_table()[0][-1]))


def phon_words(sone: float) -> str:
    """Return the loudness level of a loudness as text.

    Examples
    --------
    >>> phon_words(1.0), phon_words(689.0)
    ('40 phon', 'over 120 phon')
    """
    return f"over {LAST} phon" if is_beyond(sone) else f"{phon(sone):.0f} phon"
