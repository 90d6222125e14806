"""Toeplitz matrices laid out by shape operations, so that a graph or a gradient passes through."""

from torch import Tensor

from amt_export.numerics.blocks import pad_end


def toeplitz(entries: Tensor) -> Tensor:
    """Upper block Toeplitz matrix: block (j, k) is entry k - j, and zero for k < j.

    Parameters
    ----------
    entries : Tensor [shape=(F, r, p, q)]

    Returns
    -------
    Tensor [shape=(F, r * p, r * q)]

    Notes
    -----
    A ring of 2r entries (the last r are zero) is repeated r times and read in rows of 2r - 1 entries:
    each row then starts one entry later in the ring.

    Examples
    --------
    >>> import torch
    >>> toeplitz(torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1))[0]
    tensor([[1., 2., 3.],
            [0., 1., 2.],
            [0., 0., 1.]])
    """
    channels, radix, rows, columns = entries.shape
    ring = pad_end(entries, radix, 1).unsqueeze(1)
    ring = ring.expand(channels, radix, 2 * radix, rows, columns)
    ring = ring.reshape(channels, radix * 2 * radix, rows, columns)[:, : radix * (2 * radix - 1)]
    ring = ring.reshape(channels, radix, 2 * radix - 1, rows, columns)[:, :, :radix]
    return ring.permute(0, 1, 3, 2, 4).reshape(channels, radix * rows, radix * columns)
