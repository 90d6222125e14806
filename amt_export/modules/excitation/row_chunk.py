"""Number of frames that are computed at once, to bound memory."""
# TorchScript would read `type: ignore` after a line as a type.
# mypy: disable-error-code="attr-defined, no-untyped-call"

import torch
from torch import Tensor


def row_chunk(like: Tensor, cached: int, unrolled: int) -> int:
    """Frames of a piece.

    Parameters
    ----------
    like : Tensor [shape=(B, S, ...)]
        All of them.
    cached : int
        As many, of a batch of one, as stay in a processor's cache: an eager module is several times as fast
        with them.
    unrolled : int
        For a graph, which has all pieces one after the other, takes time to convert and to open in proportion
        and runs in runtimes that use memory again; and for a GPU, where starting an operation is what takes
        time.

    Returns
    -------
    int
        At most S: coremltools cannot split into pieces beyond the end.
    """
    if like.is_cuda:
        return min(unrolled, like.shape[1])
    if not torch.jit.is_scripting():  # noqa: SIM102  (TorchScript compiles no `and` away)
        if torch.jit.is_tracing() or torch.compiler.is_exporting():
            return min(unrolled, like.shape[1])
    return min(max(1, cached // like.shape[0]), like.shape[1])
