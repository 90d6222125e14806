"""NaN and infinity: whether an array holds one, and where, for an error that says so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import BackendError, InputError
from amt_export.manifest import StateInfo

Array = NDArray[Any]

CALIBRATED = "is the recording calibrated? --level or --full-scale says how loud it was"
"""What a user of the command line can do where finite samples of a file become infinite in a model."""


def is_finite(value: Array) -> bool:
    """Whether all numbers are finite; both extremes are NaN where one number is."""
    if not value.size:
        return True
    return math.isfinite(value.max()) and math.isfinite(value.min())


def place_of(value: Array, axes: Sequence[str]) -> str:
    """Return the first number that is not finite and its place, e.g. ``"nan at batch 0, time 123"``.

    Parameters
    ----------
    value : ndarray
        With one such number at least.
    axes : sequence of str
        Names of its dimensions.
    """
    index = np.unravel_index(int(np.argmin(np.isfinite(value))), value.shape)
    place = ", ".join(f"{axis} {int(i)}" for axis, i in zip(axes, index, strict=True))
    return f"{value[index]} at {place}" if place else f"{value[index]}"


def check_choice(on_nonfinite: str, choices: Sequence[str]) -> None:
    """Raise BackendError unless it is one of the choices."""
    if on_nonfinite not in choices:
        raise BackendError(f"on_nonfinite is {on_nonfinite!r}; one of {', '.join(choices)}")


def check_input(name: str, value: Array, axes: Sequence[str]) -> None:
    """Raise InputError where an input is not finite."""
    if not is_finite(value):
        what = f"{name}: {place_of(value, axes)}"
        raise InputError(
            f"{what}; mend it, or pass on_nonfinite='pass' to let it through"
        ).for_command_line(f"{what}; {CALIBRATED}")


def check_outputs(outputs: Mapping[str, Array], axes: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError where outputs of finite input are not finite: the input was too large."""
    for name, value in outputs.items():
        if not is_finite(value):
            what = (
                f"{name}: {place_of(value, axes[name])}, though the input is finite: it is too large for this "
                "model"
            )
            raise InputError(
                f"{what}; scale it, or pass on_nonfinite='pass' to let it through"
            ).for_command_line(f"{what}; {CALIBRATED}")


def reset_nonfinite(states: dict[str, Array], infos: Sequence[StateInfo]) -> None:
    """Reset the signals of a batch that have a state which is not finite to silence.

    Parameters
    ----------
    states : dict of ndarray
        By the name of their input, the batch first; changed in place, the arrays are not.
    infos : sequence of StateInfo
        Of all of them.
    """
    batch = len(states[infos[0].input])
    nonfinite = [row for row in range(batch) if not all(is_finite(s[row]) for s in states.values())]
    for info in infos:
        restarted = states[info.input].copy()
        restarted[nonfinite] = info.initial
        states[info.input] = restarted
