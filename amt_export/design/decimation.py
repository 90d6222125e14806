"""The anti-aliasing filter in front of decimation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Of MATLAB's resample: each side is this many times the decimation factor long, and its Kaiser window has this
# shape.
SIDE = 10
KAISER = 5.0


def decimation_taps(factor: int) -> npt.NDArray[np.float64]:
    """Impulse response of the low-pass at fs / (2 factor): a sinc under a Kaiser window, with the sum 1.

    Parameters
    ----------
    factor : int

    Returns
    -------
    ndarray [shape=(20 factor + 1,)], float64
        Symmetric about its middle.

    Examples
    --------
    >>> decimation_taps(4).size
    81
    """
    places = np.arange(-SIDE * factor, SIDE * factor + 1)
    taps = np.sinc(places / factor) * np.kaiser(places.size, KAISER)
    scaled: npt.NDArray[np.float64] = taps / taps.sum()
    return scaled
