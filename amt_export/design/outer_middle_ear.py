"""Impulse responses from sound field to cochlea, as the loudness model of ISO 532-3 has them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# Their licence is beside them.
FILE = Path(__file__).with_name("outer_middle_ear.npz")
FIELDS = ("free", "diffuse", "eardrum")


def ear_taps(field: str) -> Tensor:
    """Outer and middle ear at 32 kHz: 4097 taps of linear phase, delay 2048, float64.

    Parameters
    ----------
    field : {"free", "diffuse", "eardrum"}
        Where the sound pressure is that of the input: in a free field with frontal incidence or in a diffuse
        field, without the listener, or at the eardrum.

    Raises
    ------
    ValueError
        For another field.
    """
    if field not in FIELDS:
        listed = ", ".join(repr(choice) for choice in FIELDS)
        raise ValueError(f"field is {field!r}; the choices are {listed}")
    with np.load(FILE) as file:
        return torch.from_numpy(file[field])
