"""The state of a stream as arrays: what belongs to it, and a pickled stream that resumes from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from amt_export.errors import ArtifactError, InputError
from amt_export.manifest import Manifest, StreamInfo
from amt_export.manifest.ports import BEYOND_END, ELAPSED

if TYPE_CHECKING:
    from amt_export.runtime.model import Model
    from amt_export.runtime.stream import Stream

Opened = TypeVar("Opened", "Model", "Stream")

Array = NDArray[Any]

WAITING, SAMPLES, RECENT = "waiting", "samples", "recent"
"""Keys of `Stream.state` beside the names of the artifact's states; the last one where ends are mirrored."""


def mirrored(manifest: Manifest, info: StreamInfo) -> int:
    """Return the samples that are mirrored at either end of a signal; 0 where silence surrounds it."""
    names = {state.input for state in info.states}
    has_ends = {f"state_{ELAPSED}", f"state_{BEYOND_END}"} <= names
    return manifest.look_ahead if manifest.padding == "reflect" and has_ends else 0


def knows_end(info: StreamInfo) -> bool:
    """Whether the streaming form has a state for the samples of a block after the end of the signal."""
    return any(state.input == f"state_{BEYOND_END}" for state in info.states)


def checked_state(
    value: Mapping[str, Array], info: StreamInfo, audio: tuple[int, ...], mirror: int, lead: int
) -> dict[str, Array]:
    """Return a state if it is one of such a stream.

    Parameters
    ----------
    value : mapping of ndarray
        States by name, `WAITING` samples (..., n), without the batch axis where the audio has none, and the
        number of `SAMPLES` pushed.
    info : StreamInfo
        Of the stream.
    audio : tuple of int
        Shape of a block of its audio.
    mirror, lead : int
        Samples that are mirrored at either end, and those of whole hops.

    Raises
    ------
    InputError
        For other names, shapes or dtypes, or another number of samples that wait.
    """
    given = {name: np.asarray(array) for name, array in value.items()}
    names = (
        *(state.input for state in info.states),
        WAITING,
        SAMPLES,
        *([RECENT] if mirror else []),
    )
    if given.keys() != set(names):
        raise InputError(
            f"state: holds {', '.join(given) or 'nothing'}; this stream has {', '.join(names)}"
        )
    count = given[SAMPLES]
    if count.shape != () or count.dtype.kind not in "iu" or count < 0:
        raise InputError(f"state: {SAMPLES} is {count}, not a number of samples")
    pushed = int(count)
    # Until there are enough samples to be mirrored, they all wait.
    filled = pushed if mirror and pushed <= mirror else (pushed + lead) % info.block
    shapes = {state.input: state.sized(audio[0]) for state in info.states}
    single = audio[0] == 1 and given[WAITING].ndim < len(audio)
    shapes |= {WAITING: (*audio[single:-1], filled)}
    if mirror:
        shapes |= {RECENT: (*audio[:-1], min(pushed, mirror + 1))}
    for name, shape in shapes.items():
        if given[name].shape != shape or given[name].dtype.kind not in "fiu":
            raise InputError(
                f"state: {name} is {given[name].dtype} {given[name].shape}, "
                f"not numbers of shape {shape}"
            )
    return given


def reopened(reopen: Callable[[], Opened], manifest: Manifest) -> Opened:
    """Open a pickled model or stream again.

    Raises
    ------
    ArtifactError
        If its folder holds something else by now.
    """
    opened = reopen()
    if opened.manifest != manifest:
        raise ArtifactError(f"{manifest.name}: was built anew since it was pickled; load it again")
    return opened


def resumed(reopen: Callable[[], Stream], manifest: Manifest, state: Mapping[str, Array]) -> Stream:
    """Open a pickled stream again, and go on from where it was."""
    stream = reopened(reopen, manifest)
    stream.state = state
    return stream
