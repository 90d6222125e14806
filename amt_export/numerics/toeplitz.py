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


def convolution_matrix(taps: Tensor, block: int) -> Tensor:
    """Matrix that filters a block of samples behind the ones before it, by an FIR filter.

    Parameters
    ----------
    taps : Tensor [shape=(M + 1,)]
        Impulse response.
    block : int
        Samples of a block, L.

    Returns
    -------
    Tensor [shape=(M + L, L)]
        For rows of M samples of the past and L new ones; column k is the output at new sample k.

    Examples
    --------
    >>> import torch
    >>> row = torch.tensor([[1.0, 0.0, 2.0, 3.0]])
    >>> row @ convolution_matrix(torch.tensor([1.0, 10.0, 100.0]), 2)
    tensor([[102.,  23.]])
    """
    past = taps.shape[0] - 1
    response = pad_end(taps, block - 1, 0)
    return toeplitz(response[None, :, None, None])[0, :, past:]
