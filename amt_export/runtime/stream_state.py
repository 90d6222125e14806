"""The state of a stream as arrays: what belongs to it, and a pickled stream that goes on from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import ArtifactError, InputError
from amt_export.manifest import Manifest, StreamInfo

if TYPE_CHECKING:
    from amt_export.runtime.stream import Stream

Array = NDArray[Any]

WAITING, SAMPLES = "waiting", "samples"
"""Keys of `Stream.state` beside the names of the artifact's states."""


def checked_state(
    value: Mapping[str, Array], info: StreamInfo, audio: tuple[int, ...]
) -> dict[str, Array]:
    """Return a state if it is one of such a stream.

    Parameters
    ----------
    value : mapping of ndarray
        States by name, `WAITING` samples (..., n) and the number of `SAMPLES` pushed.
    info : StreamInfo
        Of the stream.
    audio : tuple of int
        Shape of a block of its audio.

    Raises
    ------
    InputError
        For other names, shapes or dtypes, and samples that are no whole blocks.
    """
    given = {name: np.asarray(array) for name, array in value.items()}
    names = (*(state.input for state in info.states), WAITING, SAMPLES)
    if given.keys() != set(names):
        raise InputError(
            f"state: holds {', '.join(given) or 'nothing'}; this stream has {', '.join(names)}"
        )
    waiting = given[WAITING]
    filled = min(waiting.shape[-1] if waiting.ndim else 0, info.block - 1)
    shapes = {state.input: state.sized(audio[0]) for state in info.states}
    shapes |= {WAITING: (*audio[:-1], filled), SAMPLES: ()}
    for name, shape in shapes.items():
        if given[name].shape != shape or given[name].dtype.kind not in "fiu":
            raise InputError(
                f"state: {name} is {given[name].dtype} {given[name].shape}, "
                f"not numbers of shape {shape}"
            )
    pushed = int(given[SAMPLES])
    if pushed < filled or (pushed - filled) % info.block:
        raise InputError(
            f"state: {pushed} samples and {filled} that wait are no whole blocks of {info.block}"
        )
    return given


def resumed(reopen: Callable[[], Stream], manifest: Manifest, state: Mapping[str, Array]) -> Stream:
    """Open a pickled stream again, and go on from where it was.

    Raises
    ------
    ArtifactError
        If its folder holds something else by now.
    """
    stream = reopen()
    if stream.manifest != manifest:
        raise ArtifactError(f"{manifest.name}: was built anew since it was pickled; load it again")
    stream.state = state
    return stream
