"""Frequency scales of hearing: equivalent rectangular bandwidth (ERB) and ERB number.

All functions work element by element on tensors of any shape (or a number), keep the dtype of floating-point
input and are differentiable. Frequencies and bandwidths are in Hz, ERB numbers in Cams.

The two sets of constants differ in the last digits because the models that use them do: the
filterbanks count on the scale of :func:`fc2erb`, the loudness models on that of :func:`f2erbrate`.

References
----------
.. [1] B. R. Glasberg and B. C. J. Moore, "Derivation of auditory filter shapes from notched-noise
   data", Hearing Research 47, 103-138 (1990). Bandwidth: eq. 3; ERB number: eq. 4.
.. [2] ANSI S3.4-2007, "Procedure for the computation of loudness of steady sounds".
"""

from __future__ import annotations

import math

import numpy as np

from amt_export.errors import require

require("torch", "export", "amt_export.erb")  # says in one line how to install it

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

# ERB(f) = 24.7 (1 + 0.00437 f), and the integral of df/ERB(f) is ln(1 + 0.00437 f) times
# 1/(24.7 * 0.00437) = 9.26449: rounded to 9.265 in the bandwidth, to 9.2645 in the ERB number.
_MIN_BANDWIDTH = 24.7  # Hz, at f = 0
_CAMS_PER_NEPER = 9.2645
_SLOPE = 0.00437  # per Hz

# The same with the digits of [2]: 1/(24.673 * 0.004368) = 9.2790 = 21.366/ln(10).
_CAMS_PER_DECADE = 21.366
_LOUDNESS_SLOPE = 0.004368  # per Hz


def as_tensor(value: Tensor | float) -> Tensor:
    """A tensor as it is, a number as a tensor without dimensions.

    Parameters
    ----------
    value : Tensor or float

    Returns
    -------
    Tensor [same shape]

    Raises
    ------
    TypeError
        For a numpy array.

    Examples
    --------
    >>> as_tensor(60.0)
    tensor(60.)
    """
    if isinstance(value, Tensor):
        return value
    if not torch.jit.is_scripting():  # type: ignore[attr-defined]
        _reject_array(value)
    return torch.as_tensor(value)


def _reject_array(value: object) -> None:
    if isinstance(value, np.ndarray):
        raise TypeError("a numpy array, where a tensor is needed; torch.from_numpy makes one of it")


def audfiltbw(fc: Tensor | float) -> Tensor:
    """Bandwidth of the auditory filter, ``24.7 + fc / 9.265``.

    Parameters
    ----------
    fc : Tensor [any shape] or float, Hz
        Centre frequency.

    Returns
    -------
    Tensor [same shape], Hz

    Raises
    ------
    TypeError
        For a numpy array.

    References
    ----------
    .. [1] Glasberg and Moore (1990), eq. 3, with rounded constants.

    Examples
    --------
    >>> audfiltbw(1000.0)
    tensor(132.6331)
    """
    # Literals, because the modules script this function and TorchScript has no module constants.
    return 24.7 + as_tensor(fc) / 9.265


def f2erb(f: Tensor | float) -> Tensor:
    """Equivalent rectangular bandwidth, ``24.7 (4.37 f/1000 + 1)``.

    Parameters
    ----------
    f : Tensor [any shape] or float, Hz

    Returns
    -------
    Tensor [same shape], Hz

    Raises
    ------
    TypeError
        For a numpy array.

    References
    ----------
    .. [1] Glasberg and Moore (1990), eq. 3.

    Examples
    --------
    >>> f2erb(1000.0)
    tensor(132.6390)
    """
    return _MIN_BANDWIDTH * (_SLOPE * as_tensor(f) + 1.0)


def fc2erb(fc: Tensor | float) -> Tensor:
    """ERB number of a frequency, ``9.2645 ln(1 + 0.00437 fc)``; inverse of :func:`erb2fc`.

    Parameters
    ----------
    fc : Tensor [any shape] or float, Hz

    Returns
    -------
    Tensor [same shape], Cam

    Raises
    ------
    TypeError
        For a numpy array.

    References
    ----------
    .. [1] Glasberg and Moore (1990), eq. 4.

    Examples
    --------
    >>> fc2erb(1000.0)
    tensor(15.5720)
    """
    return _CAMS_PER_NEPER * torch.log1p(_SLOPE * as_tensor(fc))


def erb2fc(erb: Tensor | float) -> Tensor:
    """Frequency of an ERB number, ``(exp(erb / 9.2645) - 1) / 0.00437``; inverse of `fc2erb`.

    Parameters
    ----------
    erb : Tensor [any shape] or float, Cam

    Returns
    -------
    Tensor [same shape], Hz

    Raises
    ------
    TypeError
        For a numpy array.

    References
    ----------
    .. [1] Glasberg and Moore (1990), eq. 4, solved for the frequency.

    Examples
    --------
    >>> erb2fc(fc2erb(1000.0)).round()
    tensor(1000.)
    """
    return torch.expm1(as_tensor(erb) / _CAMS_PER_NEPER) / _SLOPE


def f2erbrate(f: Tensor | float) -> Tensor:
    """ERB number in the loudness models, ``21.366 log10(4.368 f/1000 + 1)``.

    Parameters
    ----------
    f : Tensor [any shape] or float, Hz

    Returns
    -------
    Tensor [same shape], Cam

    Raises
    ------
    TypeError
        For a numpy array.

    References
    ----------
    .. [1] ANSI S3.4-2007.

    Examples
    --------
    >>> f2erbrate(1000.0)
    tensor(15.5932)
    """
    return _CAMS_PER_DECADE / math.log(10.0) * torch.log1p(_LOUDNESS_SLOPE * as_tensor(f))


def erbrate2f(erbrate: Tensor | float) -> Tensor:
    """Frequency of an ERB number in the loudness models; inverse of :func:`f2erbrate`.

    Parameters
    ----------
    erbrate : Tensor [any shape] or float, Cam

    Returns
    -------
    Tensor [same shape], Hz

    Raises
    ------
    TypeError
        For a numpy array.

    References
    ----------
    .. [1] ANSI S3.4-2007, solved for the frequency.

    Examples
    --------
    >>> erbrate2f(f2erbrate(1000.0)).round()
    tensor(1000.)
    """
    nepers = as_tensor(erbrate) * (math.log(10.0) / _CAMS_PER_DECADE)
    return torch.expm1(nepers) / _LOUDNESS_SLOPE


def erbspacebw(
    flow: float,
    fhigh: float,
    bwmul: float = 1.0,
    basef: float | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Frequencies evenly spaced on the scale of :func:`fc2erb`.

    Parameters
    ----------
    flow, fhigh : float, Hz
        Ends of the range, 0 < flow < fhigh.
    bwmul : float, Cam
        Spacing, > 0. Without `basef` it is stretched so that both ends are included.
    basef : float, Hz, optional
        A frequency the grid must contain; the spacing is then `bwmul`, and the grid need not reach the ends.
    device : torch.device, optional
        Where the result is put.
    dtype : torch.dtype
        Of the result. The grid is computed in float64 and cast once.

    Returns
    -------
    Tensor [shape=(F,)], Hz, ascending

    Raises
    ------
    ValueError
        If an argument is out of range, or the grid through `basef` misses the range.

    References
    ----------
    .. [1] Glasberg and Moore (1990), eq. 4.

    Examples
    --------
    >>> erbspacebw(100.0, 8000.0)[[0, 1, -1]]
    tensor([ 100.0000,  138.6141, 8000.0000])
    """
    if not flow > 0.0:
        raise ValueError(f"flow must be > 0 Hz, got {flow}")
    if not flow < fhigh < math.inf:
        raise ValueError(f"fhigh must be > flow = {flow} Hz and finite, got {fhigh}")
    if not 0.0 < bwmul < math.inf:
        raise ValueError(f"bwmul must be > 0 and finite, got {bwmul}")
    if basef is not None and not 0.0 < basef < math.inf:
        raise ValueError(f"basef must be > 0 Hz and finite, got {basef}")

    low, high = fc2erb(torch.tensor([flow, fhigh], dtype=torch.float64)).tolist()
    if basef is None:
        count = math.floor((high - low) / bwmul) + 1
        grid = erb2fc(torch.linspace(low, high, count, dtype=torch.float64))
        grid[-1] = fhigh  # exactly, not to the last rounding of exp and log
        grid[0] = flow
    else:
        base = fc2erb(torch.tensor(basef, dtype=torch.float64)).item()
        first, last = math.ceil((low - base) / bwmul), math.floor((high - base) / bwmul)
        if first > last:
            raise ValueError(f"no step of {bwmul} Cam from basef={basef} lies in {flow}-{fhigh} Hz")
        grid = erb2fc(base + bwmul * torch.arange(first, last + 1, dtype=torch.float64))
        grid = grid.clamp(flow, fhigh)  # a basef at an end stays there after exp and log
    return grid.to(device=device, dtype=dtype)
