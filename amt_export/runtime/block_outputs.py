"""Outputs of the blocks of a stream, joined along time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amt_export.manifest import Port
from amt_export.runtime.axes import cut, time_axis

Array = NDArray[Any]


def join_blocks(
    ports: Sequence[Port],
    pieces: Sequence[Mapping[str, Array]],
    constant: Mapping[str, Array],
    batch: int,
    surplus: int = 0,
    *,
    single: bool = False,
) -> dict[str, Array]:
    """Return the outputs of some blocks, or of none.

    Parameters
    ----------
    ports : sequence of Port
        Of the outputs.
    pieces : sequence of mappings
        Outputs along time, by name, of each block.
    constant : mapping of ndarray
        Outputs that have no time, by name.
    batch : int
    surplus : int, optional
        Frames that are left out at the end.
    single : bool, optional
        Return the one signal of the batch without the batch axis.

    Returns
    -------
    dict of ndarray
        By name.
    """
    answer = {}
    for port in ports:
        axis = time_axis(port)
        if axis is None:
            answer[port.name] = constant[port.name]
            continue
        if not pieces:
            shape = port.sized(batch)
            joined = np.zeros((*shape[:axis], 0, *shape[axis + 1 :]), port.dtype)
        elif len(pieces) == 1:
            joined = pieces[0][port.name]
        else:
            joined = np.concatenate([piece[port.name] for piece in pieces], axis)
        if surplus > 0:
            joined = cut(joined, port, 0, joined.shape[axis] - surplus)
        answer[port.name] = joined[0] if single else joined
    return answer
