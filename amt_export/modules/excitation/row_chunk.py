"""How many rows of something large are worked on at once."""
# TorchScript would read `type: ignore` behind a line as a type.
# mypy: disable-error-code="attr-defined, no-untyped-call"

import torch
from torch import Tensor


def rows_at_once(like: Tensor, cached: int, unrolled: int) -> int:
    """Rows of a piece.

    Parameters
    ----------
    like : Tensor
        Where they are.
    cached : int
        As many as stay in a processor's cache: an eager module is several times as fast with them.
    unrolled : int
        For a graph, which has all pieces one after the other, takes time to convert and to open in proportion
        and runs in runtimes that use memory again; and for a GPU, where starting an operation is what takes
        time.
    """
    if like.is_cuda:
        return unrolled
    if torch.jit.is_scripting():
        return cached
    return unrolled if torch.jit.is_tracing() or torch.compiler.is_exporting() else cached
